"""Links, the ledger's rows, tables, the reference: texts that were not written for a page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from classroom.builder.build import read_lessons
from classroom.site.book import PICTURE, lesson_table, repository
from classroom.site.ledger import ledger_page, places
from classroom.site.links import lesson_pages, resolved
from classroom.site.measurements import figure_4_table, methods_table, recipes
from classroom.site.reference import as_text, short
from course.claims import ledger
from course.methods import METHODS

ROOT = Path(__file__).parents[2]
LESSONS = read_lessons(ROOT)
SLUG = "02_temporal_loss"
PAGES = lesson_pages({SLUG: None}) | {"CHANGELOG.md": "changelog.md"}


def rows() -> list[dict]:
    """Return the ledger's rows, nothing measured."""
    keys = ("id", "title", "source", "verdict", "statement", "reason", "repaired", "gap", "lesson")
    more = {"violation": "", "tightness": "", "reached": "", "bound": None}
    return [{key: getattr(one, key) for key in keys} | more for one in ledger()]


@pytest.mark.parametrize(
    ("link", "made"),
    [
        (f"[a](../solutions/{SLUG}.ipynb#B-(2-min))", f"[a](../notebooks/{SLUG}.ipynb#B-(2-min))"),
        ("[a](../CHANGELOG.md)", "[a](../changelog.md)"),
        ("[a](../course/temporal.py)", "a"),
        ("[a](https://example.org/x)", "[a](https://example.org/x)"),
        ("`[a](b.md)` and $$G[x](y)$$", "`[a](b.md)` and $$G[x](y)$$"),
    ],
)  # fmt: skip
def test_a_link_leads_to_a_page_or_becomes_words(link, made):
    assert resolved(link, "teaching/a.md", "teaching/a.md", PAGES, "") == made


def test_with_an_address_a_file_without_a_page_is_linked_in_the_repository():
    made = resolved("[a](../course/x.py)", "docs/a.md", "a.md", PAGES, "https://example.org/o/r")
    assert made == "[a](https://example.org/o/r/blob/main/course/x.py)"


def test_the_address_of_the_repository_is_empty_or_an_address(tmp_path):
    file = tmp_path / "pyproject.toml"
    for text, address in (("", ""), ('repository = "https://e.org/o/r/"', "https://e.org/o/r")):
        file.write_text(f"[tool.steady-frames]\n{text}\n")
        assert repository(tmp_path) == address
    file.write_text('[tool.steady-frames]\nrepository = "somewhere"\n')
    with pytest.raises(ValueError, match="wanted an address"):
        repository(tmp_path)


def test_the_ledger_has_a_row_for_each_claim_and_each_leads_to_a_lesson():
    page = ledger_page(rows(), LESSONS)
    assert page.count('<details class="claim"') == len(ledger())
    assert page.count("**Proof and story.** [lesson") == len(ledger())


def test_a_claims_story_stands_in_its_own_lesson_where_that_shows_it():
    found = places(LESSONS)
    for one in ledger():
        own = next(lesson for lesson in LESSONS.values() if lesson.name == one.lesson)
        if any(f'claim("{one.id}")' in cell.source for cell in own.cells):
            assert found[one.id][0] == own.slug


def test_every_lesson_and_every_method_is_listed():
    table = lesson_table(LESSONS)
    assert all(f"](notebooks/{slug}.ipynb)" in table for slug in LESSONS)
    assert all(f"- `{name}`," in recipes() for name in METHODS)


def test_the_nearest_method_stands_first_and_what_was_not_measured_is_a_dash():
    results = {
        "far": {"target_psnr": 20.0, "seconds": None, "scenes": 6},
        "near": {"target_psnr": 30.0, "seconds": 2.0, "scenes": 6},
    }
    lines = methods_table(results).splitlines()
    assert lines[2:4] == ["| near | 30.0 | 2.0 |", "| far | 20.0 | - |"]


def test_the_table_of_the_adapter_says_on_how_many_clips_a_figure_rises():
    text = (ROOT / "lessons/video_edit/figure_4.json").read_text()
    found = json.loads(text)["ablations"]["paper"]["target_psnr"]
    assert f"| {found['rises']} of {found['of']} clips |" in figure_4_table(json.loads(text))


def test_every_name_beside_a_letter_is_in_the_code():
    text = (ROOT / "docs/site/glossary.md").read_text().partition("## Notation")[2]
    code = "\n".join(path.read_text() for path in (ROOT / "course").rglob("*.py"))
    named = [name for row in text.splitlines() for name in re.findall(r"`(\w+)`", row)]
    assert len(named) > 20
    assert [name for name in named if not re.search(rf"\b{name}\b", code)] == []


def test_the_landing_pages_picture_is_there_and_described():
    text = (ROOT / "docs/site/index.md").read_text()
    assert (ROOT / PICTURE).is_file()
    assert re.search(rf'src="_static/{Path(PICTURE).name}" alt="[^"]+', text)


def test_a_docstring_is_read_as_plain_text():
    lines = ["Return `x_0` of |F_t|, 2*a*b:", "- one", "", "End."]
    as_text(None, "function", "f", None, None, lines)
    assert lines == [r"Return ``x_0`` of \|F_t\|, 2\*a\*b:", "", "- one", "", "End."]


def test_a_signature_has_the_last_names_of_its_types():
    made = short(None, "", "", None, None, "(a: ~torch.Tensor, b: x.y.Clip = torch.pi)", None)
    assert made == ("(a: Tensor, b: Clip = torch.pi)", None)

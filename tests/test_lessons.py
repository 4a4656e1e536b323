"""Properties of the lessons, of the notebooks made from them, and of course.display's pictures."""

from __future__ import annotations

import ast
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from course.clips import Clip
from course.display import play, show, show_clips, similarity_figure, training_figure
from course.finetune import FinetuneStep
from course.lessons import build

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "lessons").glob("*.md"))
NOTEBOOKS = [ROOT / "notebooks" / f"{lesson.stem}.ipynb" for lesson in LESSONS]
FRONT = """---
kernelspec: {display_name: Python 3, language: python, name: python3}
steady_frames:
  title: Tiny
  minutes: 1
  objectives: [see it]
  paper: Eq. 3
  prerequisites: []
  limit_seconds: 5
---
"""

for_each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def course_folder(tmp_path):
    """A folder with one small lesson."""
    (tmp_path / "lessons").mkdir()
    lesson = FRONT + "\nSome words.\n\n```{code-cell} ipython3\n:tags: [keep]\n1 + 1\n```\n"
    (tmp_path / "lessons" / "01_tiny.md").write_text(lesson)
    return tmp_path


def cells(path: Path, kind: str) -> list[str]:
    found = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


# The generator.


def test_the_notebooks_of_the_repository_are_up_to_date():
    assert build(check=True) == [], "run: python -m course build"


def test_the_same_lesson_gives_the_same_bytes(course_folder):
    (path,) = build(course_folder)
    first = path.read_bytes()
    path.unlink()
    assert build(course_folder) == [path] and path.read_bytes() == first


def test_a_second_build_changes_nothing(course_folder):
    build(course_folder)
    assert build(course_folder) == []


def test_a_check_writes_nothing(course_folder):
    (path,) = build(course_folder, check=True)
    assert path.name == "01_tiny.ipynb" and not path.exists()


def test_an_edited_notebook_is_out_of_date_and_made_anew(course_folder):
    (path,) = build(course_folder)
    wanted = path.read_bytes()
    path.write_bytes(wanted.replace(b"Some words", b"Other words"))
    assert build(course_folder, check=True) == [path]
    build(course_folder)
    assert path.read_bytes() == wanted


def test_the_notebook_of_a_lesson_that_is_gone_goes_and_others_stay(course_folder):
    (path,) = build(course_folder)
    mine = path.with_name("my_notes.ipynb")
    shutil.copy(path, mine)
    (course_folder / "lessons" / "01_tiny.md").rename(course_folder / "lessons" / "02_new.md")
    assert path in build(course_folder)
    assert not path.exists() and mine.exists()


def test_cells_keep_their_tags_and_get_fixed_ids(course_folder):
    (path,) = build(course_folder)
    last = json.loads(path.read_text())["cells"][-1]
    assert (last["id"], last["metadata"]) == ("01-tiny-02", {"tags": ["keep"]})


def test_the_first_cell_is_made_from_the_front_matter(course_folder):
    (path,) = build(course_folder)
    first = cells(path, "markdown")[0]
    assert first.startswith("# Tiny\n") and "- see it" in first and "Eq. 3" in first


@pytest.mark.parametrize("line", ["  minutes: 1\n", "  title: Tiny\n", "  objectives: [see it]\n"])
def test_a_lesson_without_its_facts_is_refused_by_name(course_folder, line):
    lesson = course_folder / "lessons" / "01_tiny.md"
    lesson.write_text(lesson.read_text().replace(line, ""))
    with pytest.raises(ValueError, match=rf"01_tiny.md: .* {line.split(':')[0].strip()}"):
        build(course_folder)


def test_nothing_is_written_where_one_lesson_is_wrong(course_folder):
    (course_folder / "lessons" / "02_bad.md").write_text("no front matter\n")
    with pytest.raises(ValueError, match=r"02_bad\.md"):
        build(course_folder)
    assert not (course_folder / "notebooks").exists()


def test_a_folder_without_lessons_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="lessons"):
        build(tmp_path)


# The lessons of the repository.


@for_each_notebook
def test_notebooks_say_what_made_them_in_the_first_line_of_their_metadata(path):
    metadata = json.loads(path.read_text())["metadata"]
    assert metadata[next(iter(metadata))].startswith(f"generated from lessons/{path.stem}.md")


@for_each_notebook
def test_notebooks_hold_no_outputs_and_no_trace_of_a_run(path):
    code = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
    assert code and all(not c["outputs"] and c["execution_count"] is None for c in code)
    assert all("execution" not in c["metadata"] for c in code)


@for_each_notebook
def test_code_cells_are_short_enough_to_read_at_a_glance(path):
    longest = max(cells(path, "code"), key=lambda cell: cell.count("\n"))
    n_statements = len([line for line in longest.splitlines() if line.strip()])
    assert n_statements <= 12, longest


@for_each_notebook
def test_code_lines_fit_a_notebook(path):
    lines = [line for cell in cells(path, "code") for line in cell.splitlines()]
    assert max(map(len, lines)) <= 100


@for_each_notebook
def test_code_cells_are_python(path):
    for cell in cells(path, "code"):
        ast.parse(cell)


@for_each_notebook
def test_pictures_in_the_text_have_alt_text(path):
    text = "\n".join(cells(path, "markdown"))
    assert not re.search(r"!\[\s*\]", text)
    assert all(re.search(r'alt="[^"]+"', tag) for tag in re.findall(r"<img[^>]*>", text))


@for_each_notebook
def test_pictures_come_from_functions_that_give_alt_text(path):
    code = "\n".join(cells(path, "code"))
    assert not re.search(r"pyplot|\bplt\.|\bImage\(|contact_sheet|\.sheet\(\)", code)
    # A bare figure at the end of a cell would be shown without its description.
    assert not re.search(r"^(similarity|training)_figure\(", code, flags=re.MULTILINE)


@for_each_notebook
def test_links_to_other_notebooks_lead_somewhere(path):
    links = re.findall(r"\]\(([^)]+)\)", "\n".join(cells(path, "markdown")))
    local = [link for link in links if not link.startswith("https://")]
    assert all((path.parent / link).is_file() for link in local), local


@for_each_notebook
def test_each_claim_to_predict_is_followed_by_code(path):
    kinds = [
        (cell["cell_type"], "".join(cell["source"]))
        for cell in json.loads(path.read_text())["cells"]
    ]
    asked = [i for i, (_, text) in enumerate(kinds) if "**Predict before you run.**" in text]
    assert asked and all(kinds[i + 1][0] == "code" for i in asked)


# The pictures.


@pytest.fixture
def clip(generator):
    return Clip(torch.rand(3, 3, 16, 16, generator=generator), 8.0, "a <red> circle")


def training(n_steps: int) -> list[FinetuneStep]:
    return [FinetuneStep(i, 0.1 / (i + 1), 1.0, 1.0, 0.5 + 0.01 * i, 1.0) for i in range(n_steps)]


@pytest.fixture(params=["similarity", "training"])
def figure(request, generator):
    if request.param == "training":
        return training_figure(training(12), window=4)
    curves = {name: torch.rand(6, 3, generator=generator) for name in ("source", "edit", "frozen")}
    return similarity_figure(curves)


def test_every_axis_of_a_figure_has_a_label_and_every_panel_a_title(figure):
    for axes in figure.axes:
        assert axes.get_xlabel() and axes.get_ylabel() and axes.get_title()


def test_lines_differ_in_more_than_colour():
    names = "abcdefg"
    (axes,) = similarity_figure({name: torch.rand(6) for name in names}).axes
    looks = {(line.get_linestyle(), line.get_marker()) for line in axes.lines}
    assert len(looks) == len(axes.lines) == len(names)


def test_a_curve_is_the_mean_over_the_pairs_of_frames():
    pairs = torch.tensor([[0.0, 1.0], [0.5, 1.0]])
    (axes,) = similarity_figure({"edit": pairs}).axes
    assert axes.lines[0].get_ydata() == pytest.approx([0.5, 0.75])


def test_the_variation_is_drawn_over_full_windows_only():
    line = training_figure(training(12), window=4).axes[2].lines[0]
    assert line.get_xdata()[0] == 3
    # Four neighbours of a straight line of slope 0.01.
    assert line.get_ydata() == pytest.approx([0.01 * 1.25**0.5] * 9, rel=1e-4)


def test_a_shown_figure_carries_its_description(figure):
    shown = show(figure)
    assert figure.get_label() in repr(shown) and re.search(r'<img alt="[^"]{40,}"', shown.data)


def test_a_picture_without_words_is_refused():
    with pytest.raises(ValueError, match="alt text"):
        show(Image.new("RGB", (4, 4)))


def test_words_cannot_break_out_of_the_alt_text():
    shown = show(Image.new("RGB", (4, 4)), 'a "quoted" <b>word</b>')
    assert "<b>" not in shown.data and shown.data.count('"') == 6


def test_contact_sheets_name_their_rows_in_the_alt_text(clip):
    shown = show_clips({"before": clip, "after": clip.frozen()})
    assert "before" in repr(shown) and "after" in repr(shown) and "3 frames" in repr(shown)


def test_a_player_has_controls_and_never_starts_or_repeats_by_itself(clip):
    (video,) = re.findall(r"<video[^>]*>", play(clip).data)
    assert " controls" in video and 'aria-label="' in video
    assert not re.search(r"autoplay|loop", video.split(" src=")[0])


def test_a_player_holds_the_clip_and_a_picture_for_where_no_video_plays(clip):
    data = play(clip, "Mine").data
    assert "data:video/mp4;base64,AAAA" in data and re.search(r'<img alt="[^"]*Mine', data)


@pytest.mark.parametrize("curves", [{}, {"edit": torch.rand(2, 3, 4)}, {"edit": torch.rand(0)}])
def test_curves_of_another_shape_are_an_error(curves):
    with pytest.raises(ValueError, match="n_points"):
        similarity_figure(curves)


def test_one_step_is_no_course_of_training():
    with pytest.raises(ValueError, match="2 steps"):
        training_figure(training(1))

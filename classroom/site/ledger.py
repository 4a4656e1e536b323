"""The ledger's page: a row for each claim, which opens to what was measured and what is true."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from classroom.builder.source import Lesson
from course.claims import VERDICTS, ledger
from course.claims import table as claims_table

_WORDS = {
    "holds": ("✓", "holds"),
    "repaired": ("⚒", "repaired"),
    "false": ("✗", "false"),
    "ill_typed": ("≠", "ill-typed"),
}
_CLAIM = re.compile(r"""\bclaim\(["'](\w+)["']\)""")


def measured() -> list[dict]:
    """Try every claim, with each search's own budget; return the ledger's rows as plain JSON."""
    rows = []
    for row in claims_table.rows():
        found = asdict(row)
        found["violation"] = str(row.violation) if row.violation else ""
        found["tightness"] = str(row.tightness) if row.tightness else ""
        found["reached"] = f"{row.tightness.ratio:.4f}" if row.tightness else ""
        rows.append(found)
    return rows


def ledger_page(rows: Sequence[Mapping], lessons: Mapping[str, Lesson]) -> str:
    """Return the page in MyST Markdown; `lessons` by their slugs, where the stories are told."""
    homes = places(lessons)
    slugs = {lesson.name: slug for slug, lesson in lessons.items()}
    counts = Counter(row["verdict"] for row in rows)
    told = "\n".join(
        f"- {_WORDS[name][0]} **{_WORDS[name][1]}**, {words}: {counts[name]}"
        for name, words in VERDICTS.items()
    )
    head = (
        "# The ledger\n\n"
        f"Every numbered claim and equation of the paper, and three figures: {len(rows)} rows.\n\n"
        f"{told}\n\n"
        "A row opens by a click, or by the Enter key, to the claim in our words, why it stands or "
        "falls, the counterexample that was measured when this page was built, what is true "
        "instead, and how near a search came to breaking it. *Reached 1* means that the bound is "
        "met. The same table comes from `python -m course ledger`.\n\n"
        '<p class="ledger-tools" hidden><button type="button" data-open="true">Open all rows'
        '</button> <button type="button" data-open="false">Close all rows</button></p>\n\n'
    )
    return head + "\n\n".join(_row(row, homes, slugs) for row in rows) + "\n"


def places(lessons: Mapping[str, Lesson]) -> dict[str, tuple[str, str, str]]:
    """Return for each claim that a lesson shows: its slug, the section's heading and its anchor.

    The claim's own lesson comes before others. Where several sections show it, the last one counts:
    there it has been proved.
    """
    own = {one.id: one.lesson for one in ledger()}
    found, at_home = {}, set()
    for slug, lesson in lessons.items():
        sections = lesson.sections()
        for number, cell in enumerate(lesson.cells):
            above = [section for section in sections if section.first_cell <= number]
            for name in _CLAIM.findall(cell.source) if cell.kind == "code" and above else ():
                if own.get(name) == lesson.name:
                    at_home.add(name)
                elif name in at_home:
                    continue
                found[name] = (slug, above[-1].heading.text, above[-1].heading.anchor)
    return found


def _row(row: Mapping, homes: Mapping, slugs: Mapping[str, str]) -> str:
    verdict = row["verdict"]
    symbol, word = _WORDS[verdict]
    reached = (
        f'<span class="claim-reached">reached {row["reached"]}</span>' if row["reached"] else ""
    )
    summary = (
        f'<summary><span class="claim-title">{html.escape(row["title"])}</span> '
        f'<span class="claim-verdict verdict-{verdict}"><span aria-hidden="true">'
        f"{symbol}</span> {word}</span> {reached}</summary>"
    )
    bound = f"${row['bound']}$" if row["bound"] else ""
    parts = [
        ("In the paper", row["source"]),
        ("It says", row["statement"]),
        ("Why", row["reason"]),
        ("Counterexample, measured", row["violation"]),
        ("What is true instead", row["repaired"] or ""),
        ("Bound", bound),
        ("Search", row["tightness"]),
        ("How tight", row["gap"]),
        ("Proof and story", _story(row, homes, slugs)),
    ]
    body = "\n\n".join(f"**{name}.** {_plain(text)}" for name, text in parts if text)
    return f'<details class="claim" id="{row["id"]}">{summary}\n\n{body}\n\n</details>'


def _story(row: Mapping, homes: Mapping, slugs: Mapping[str, str]) -> str:
    if row["id"] in homes:
        slug, heading, anchor = homes[row["id"]]
        return f"[lesson {slug[:2]}, {heading}](notebooks/{slug}.ipynb#{anchor})"
    slug = slugs.get(row["lesson"], "")
    return f"[lesson {slug[:2]}](notebooks/{slug}.ipynb)" if slug else ""


def _plain(text: str) -> str:
    """Return a text of the ledger for Markdown: what stands outside of formulas is no mark-up."""
    pieces = re.split(r"(\$[^$]+\$|\[[^\]]*\]\([^)]*\.ipynb[^)]*\)+)", text)
    return "".join(
        piece if number % 2 else re.sub(r"([\\*_<>`|\[\]#])", r"\\\1", piece)
        for number, piece in enumerate(pieces)
    )

"""The ledger as one table: what every claim came to, measured anew with a seed and a budget."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from course.claims import ledger
from course.claims.claim import VERDICTS, Claim, Tightness, Violation

_COLUMNS = ("claim", "verdict", "largest violation", "bound", "reached", "lesson")


@dataclass(frozen=True)
class Row:
    """One claim of the table: its texts, and what was measured (None where there is nothing)."""

    id: str
    title: str
    source: str
    verdict: str
    statement: str
    reason: str
    repaired: str | None
    violation: Violation | None
    bound: str | None
    tightness: Tightness | None
    gap: str
    lesson: str


def rows(
    claims: Sequence[Claim] | None = None,
    *,
    seed: int = 0,
    budget: int | None = None,
    search: bool = True,
) -> Iterator[Row]:
    """Yield a row for every claim, one at a time, as each takes up to a second or two.

    `claims` is the whole ledger by default, `budget` each search's own. With search=False only
    the counterexamples are run. Raises ValueError for a budget below 1.
    """
    if budget is not None and budget < 1:
        raise ValueError(f"budget must be 1 start or more, but {budget} came")
    return (_row(one, seed, budget, search) for one in (ledger() if claims is None else claims))


def _row(one: Claim, seed: int, budget: int | None, search: bool) -> Row:
    options = {"seed": seed} if budget is None else {"seed": seed, "budget": budget}
    return Row(
        id=one.id, title=one.title, source=one.source, verdict=one.verdict,
        statement=one.statement, reason=one.reason, repaired=one.repaired,
        violation=one.counterexample() if one.counterexample else None,
        bound=one.bound.formula if one.bound else None,
        tightness=one.search(**options) if search and one.search else None,
        gap=one.gap, lesson=one.lesson,
    )  # fmt: skip


def text(table: Sequence[Row]) -> str:
    """Write the table for a terminal: one line a claim, then how many claims have each verdict."""
    head = ("claim", "verdict", "violation", "reached", "lesson")
    lines = [head] + [
        (row.id, row.verdict, _violation(row), _reached(row), row.lesson) for row in table
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    lines.insert(1, tuple("-" * width for width in widths))
    body = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([*body, "", _summary(table)])


def markdown(table: Sequence[Row], *, notebooks: Mapping[str, str] | None = None) -> str:
    """Write the table in Markdown, formulas in dollar signs.

    `notebooks` names the notebook of each lesson, without its ending; the table then links to them.
    """
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|" + " --- |" * len(_COLUMNS)]
    for row in table:
        lesson = row.lesson
        if notebooks and lesson in notebooks:
            lesson = f"[{notebooks[lesson]}]({notebooks[lesson]}.ipynb)"
        # A bare | would end the cell; LaTeX has a word for it.
        bound = f"${row.bound}$".replace(r"\|", r"\Vert ").replace("|", r"\vert ")
        cells = (f"{row.title} ({row.source})", VERDICTS[row.verdict], _violation(row),
                 bound if row.bound else "", _reached(row), lesson)  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _summary(table), ""])


def json_text(table: Sequence[Row]) -> str:
    """Write everything about every row as JSON, a list in the order of the table.

    JSON has no infinity: a number that is not finite, as the right side of a division by zero,
    is written as null.
    """
    return json.dumps(_finite([asdict(row) for row in table]), indent=2, ensure_ascii=False) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _violation(row: Row) -> str:
    return f"{row.violation.left:.4g} > {row.violation.right:.4g}" if row.violation else ""


def _reached(row: Row) -> str:
    return f"{row.tightness.ratio:.4f}" if row.tightness else ""


def _summary(table: Sequence[Row]) -> str:
    counts = {words: sum(row.verdict == verdict for row in table)
              for verdict, words in VERDICTS.items()}  # fmt: skip
    listed = "; ".join(f"{words}: {count}" for words, count in counts.items() if count)
    return f"{len(table)} claims: {listed}."

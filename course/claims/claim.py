"""What a claim of the paper is here: its formula, its verdict, and the code that tries it.

A `Claim` stands for one numbered statement of the paper, in our words. A verdict is never only
asserted: where a claim fails, `counterexample()` measures the failure when it is called; where a
repaired (or sound) statement has a bound, `search(seed, budget)` tries to break it.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass

VERDICTS = {
    "holds": "holds as printed",
    "repaired": "false as printed, true once repaired",
    "false": "false, and no repair keeps its meaning",
    "ill_typed": "does not fit together as printed",
}
"""Every verdict, and how it is read out."""

# The verdict is always written out as well: colour alone tells nothing to some readers.
_COLOURS = {"holds": "#009E73", "repaired": "#0072B2", "false": "#D55E00", "ill_typed": "#CC79A7"}


@dataclass(frozen=True)
class Violation:
    """A measured failure of a claim that says left <= right: here left > right.

    `where` says in one sentence which input gave the two numbers, and what they are.
    """

    left: float
    right: float
    where: str

    def __str__(self) -> str:
        return f"{self.left:.4g} > {self.right:.4g}: {self.where}"


@dataclass(frozen=True)
class Tightness:
    """The largest left/right that a search found against a bound; above 1 the bound is broken.

    A sharp bound is reached (ratio near 1); `where` says in one sentence at which input.
    """

    ratio: float
    where: str

    def __str__(self) -> str:
        return f"{self.ratio:.4f} of the bound: {self.where}"


@dataclass(frozen=True)
class Bound:
    """A constant or a right-hand side: `formula` in LaTeX (no dollar signs), callable for numbers.

    `bound(...)` calls `function`, whose own signature says what it takes.
    """

    formula: str
    function: Callable[..., float]

    def __call__(self, *arguments: object, **options: object) -> float:
        return self.function(*arguments, **options)


@dataclass(frozen=True)
class Claim:
    """One claim of the paper with its verdict and the code that tries it.

    Texts are plain sentences with LaTeX between dollar signs. By verdict:

    - "holds": `counterexample` and `repaired` are None;
    - "repaired": both are given;
    - "false": `counterexample` is given, `repaired` is None;
    - "ill_typed": both are optional.

    `counterexample()` takes milliseconds and returns a `Violation`. `bound` and `search` come
    together or not at all; they are about the repaired statement, or about the printed one if it
    holds. `search(seed, budget)` returns a `Tightness`; `budget` is the number of starts, and
    both arguments have defaults. The same seed and budget give the same numbers. `gap` says how
    tight the bound is where that is not simply 1, and what is not known. `lesson` is the slug of
    the lesson that tells the story, as "cosine_similarity".

    Raises ValueError for an unknown verdict or fields that do not fit the verdict.
    """

    id: str
    title: str
    source: str
    statement: str
    verdict: str
    reason: str
    repaired: str | None = None
    counterexample: Callable[[], Violation] | None = None
    bound: Bound | None = None
    search: Callable[..., Tightness] | None = None
    gap: str = ""
    lesson: str = ""

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise ValueError(f"claim {self.id!r}: {problem}")

    def __repr__(self) -> str:
        return f"Claim({self.id!r}, verdict={self.verdict!r})"

    def __str__(self) -> str:
        lines = [f"{self.title} ({self.source})", f"Verdict: {VERDICTS[self.verdict]}."]
        return "\n".join(lines + [f"{name}: {text}" for name, text in _parts(self)])

    def _repr_pretty_(self, printer, cycle: bool) -> None:
        printer.text(repr(self) if cycle else str(self))

    def _repr_html_(self) -> str:
        colour = _COLOURS[self.verdict]
        rows = "".join(
            f'<p style="margin:0.4em 0 0"><b>{html.escape(name)}.</b> {html.escape(text)}</p>'
            for name, text in _parts(self)
        )
        return (
            f'<div role="group" aria-label="Verdict on {html.escape(self.title)}" '
            f'style="border:1px solid #888;border-left:6px solid {colour};border-radius:4px;'
            f'padding:0.6em 1em;max-width:48em">'
            f'<p style="margin:0"><b>{html.escape(self.title)}</b> ({html.escape(self.source)})'
            f'</p><p style="margin:0.4em 0 0"><b>Verdict: {VERDICTS[self.verdict]}.</b></p>'
            f"{rows}</div>"
        )


def _parts(claim: Claim) -> list[tuple[str, str]]:
    """Name the parts of a card in the order in which they are read; the violation is measured."""
    measured = str(claim.counterexample()) if claim.counterexample else ""
    parts = [
        ("The paper says", claim.statement),
        ("Why", claim.reason),
        ("Counterexample, measured now", measured),
        ("What is true instead", claim.repaired or ""),
        ("Bound", f"${claim.bound.formula}$" if claim.bound else ""),
        ("How tight", claim.gap),
    ]
    return [(name, text) for name, text in parts if text]


def _problem(claim: Claim) -> str | None:
    if claim.verdict not in VERDICTS:
        return f"the verdict is {claim.verdict!r}; wanted one of {', '.join(VERDICTS)}"
    if not all((claim.id, claim.title, claim.source, claim.statement, claim.reason)):
        return "id, title, source, statement and reason must all be filled in"
    if (claim.bound is None) != (claim.search is None):
        return "bound and search come together, but only one of them is given"
    fails = claim.counterexample is not None
    if claim.verdict in ("repaired", "false") and not fails:
        return f"the verdict {claim.verdict!r} wants a counterexample"
    if claim.verdict == "holds" and (fails or claim.repaired):
        return "a claim that holds has no counterexample and no repaired statement"
    if claim.verdict == "repaired" and not claim.repaired:
        return "the verdict 'repaired' wants the repaired statement"
    if claim.verdict == "false" and claim.repaired:
        return "a repaired statement is given, so the verdict is 'repaired', not 'false'"
    return None

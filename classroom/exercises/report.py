"""What a check says: a small card in a notebook, plain text elsewhere."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATES = {"passed": "Passed", "failed": "Not yet", "not attempted": "Not attempted"}
"""The states of a report and the words that a reader sees."""

# Mid tones of Okabe and Ito's palette: 3:1 or more against white and against JupyterLab's dark.
# They only repeat what the word says. Text keeps the colour of the notebook's theme.
_EDGES = {"passed": "#009E73", "failed": "#D55E00", "not attempted": "#8C8C8C"}
_LINES = {"passed": "solid", "failed": "double", "not attempted": "dashed"}
_CODE = (
    "margin: 0.1em 0 0.4em 0; padding: 0; white-space: pre-wrap; overflow-wrap: anywhere; "
    "background: transparent; color: inherit; font-size: 0.92em"
)


@dataclass(frozen=True)
class Report:
    """The result of a check; as the last expression of a cell it shows itself.

    `state` is "passed", "failed" or "not attempted"; `message` says in words what was seen;
    `misconception` is the name of a known one, else None. `evidence` holds titled lines (the input,
    what came, what was expected), `note` what the learner should know beside that.
    """

    exercise: str
    title: str
    state: str
    message: str
    misconception: str | None = None
    evidence: tuple[tuple[str, str], ...] = ()
    figure: Figure | None = field(default=None, repr=False, compare=False)
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.state == "passed"

    @property
    def text(self) -> str:
        """The whole report as plain text."""
        lines = [f"{STATES[self.state]}: {self.title}", self.message]
        for name, value in self.evidence:
            one = "\n" not in value
            lines.append(f"  {name}: {value}" if one else f"  {name}:\n{_indented(value)}")
        return "\n".join([*lines, self.note] if self.note else lines)

    def __repr__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return self.passed

    def _repr_html_(self) -> str:
        word, title = STATES[self.state], html.escape(self.title)
        style = (
            f"border-left: 6px {_LINES[self.state]} {_EDGES[self.state]}; padding: 0.5em 0.9em; "
            "margin: 0.3em 0; background: rgba(127, 127, 127, 0.10); color: inherit; "
            "line-height: 1.45; max-width: 52em"
        )
        parts = [f'<p style="margin: 0 0 0.3em 0"><strong>{word}</strong>: {title}</p>']
        parts += [_paragraph(text) for text in self.message.split("\n") if text.strip()]
        for name, value in self.evidence:
            parts.append(f'<div style="font-size: 0.92em; opacity: 0.85">{html.escape(name)}</div>')
            parts.append(f'<pre style="{_CODE}">{html.escape(value)}</pre>')
        if self.figure is not None:
            parts.append(_picture(self.figure))
        if self.note:
            parts.append(_paragraph(self.note))
        label = f"Check of {title}: {word}"
        return f'<div role="status" aria-label="{label}" style="{style}">{"".join(parts)}</div>'


def _paragraph(text: str) -> str:
    return f'<p style="margin: 0.2em 0">{html.escape(text)}</p>'


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.split("\n"))


def _picture(figure: Figure) -> str:
    """Return a figure as a picture whose alt text is the figure's label."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, facecolor="white")
    data = base64.b64encode(buffer.getvalue()).decode()
    alt = html.escape(str(figure.get_label()) or "The answer drawn beside what was expected")
    return f'<img alt="{alt}" style="max-width: 100%" src="data:image/png;base64,{data}">'

"""Explorers: a figure function, the ranges of its numbers, and the widget that moves them.

The figure is a plain function, which a lesson shows once without a kernel and tests call at every
corner of its ranges; the widget only calls it again. Stands for no equation of the paper: it lets
a reader move the numbers in one.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure

from classroom import contents
from classroom.display.figures import Described, show
from classroom.display.live import Live

if TYPE_CHECKING:
    import ipywidgets

_CONTROL_WIDTH = "min(40em, 100%)"


@dataclass(frozen=True)
class Slider:
    """A number that moves between two ends; a whole number when `step` is one.

    Raises ValueError unless minimum < maximum, step > 0, and `value` lies between the ends.
    """

    label: str
    minimum: float
    maximum: float
    step: float
    value: float

    def __post_init__(self) -> None:
        if not (self.minimum < self.maximum and self.step > 0):
            raise ValueError(f"{self!r}: wants minimum < maximum and a step above 0")
        if not self.minimum <= self.value <= self.maximum:
            raise ValueError(f"{self!r}: wants its value between minimum and maximum")

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest value."""
        return self.minimum, self.maximum

    def widget(self, label_width: str = "initial") -> ipywidgets.Widget:
        """Return a slider that arrow keys move by one step."""
        import ipywidgets

        whole = isinstance(self.step, int)
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        digits = {} if whole else {"readout_format": f".{_decimals(self.step)}f"}
        ends = {"min": self.minimum, "max": self.maximum, "step": self.step}
        return kind(value=self.value, **ends, **digits, **_looks(self.label, label_width))


@dataclass(frozen=True)
class Choice:
    """One of a few options. Raises ValueError unless there are two or more and `value` is one."""

    label: str
    options: tuple
    value: object

    def __post_init__(self) -> None:
        if len(self.options) < 2 or self.value not in self.options:
            raise ValueError(f"{self!r}: wants two options or more, and its value among them")

    @property
    def ends(self) -> tuple:
        """Every option."""
        return tuple(self.options)

    def widget(self, label_width: str = "initial") -> ipywidgets.Widget:
        """Return a drop-down list, which arrow keys move through."""
        import ipywidgets

        options = [(str(option), option) for option in self.options]
        return ipywidgets.Dropdown(
            options=options, value=self.value, **_looks(self.label, label_width)
        )


@dataclass(frozen=True)
class Explorer:
    """A figure function and the controls that move its keyword arguments.

    Raises TypeError where the function does not take just these arguments.
    """

    figure: Callable[..., Figure]
    controls: Mapping[str, Slider | Choice]

    def __post_init__(self) -> None:
        inspect.signature(self.figure).bind(**self.settings())

    def settings(self) -> dict:
        """Return the value of each control at the start."""
        return {name: control.value for name, control in self.controls.items()}

    def corners(self) -> Iterator[dict]:
        """Yield every combination of the sliders' ends and the choices' options."""
        for values in itertools.product(*(control.ends for control in self.controls.values())):
            yield dict(zip(self.controls, values))

    def picture(self, **settings: object) -> Described:
        """Return the figure at these settings as a picture with its alt text."""
        # A title whose height is given needs no search for what it might hide, which is a third of
        # the time of a redraw.
        with matplotlib.rc_context({"axes.titley": 1.0}):
            return show(self.figure(**settings))

    def live(self) -> Live:
        """Return the controls and a picture that follows them, as a notebook shows them."""
        # As wide as the longest label, so that the controls begin below each other.
        width = f"{2 + 0.55 * max(len(control.label) for control in self.controls.values()):.0f}em"
        controls = {name: control.widget(width) for name, control in self.controls.items()}
        return Live(controls, self.picture)


def explorers() -> dict[str, Explorer]:
    """Return every lesson's explorers by name. Raises ValueError where a name stands twice."""
    found: dict[str, Explorer] = {}
    for module, mine in _lessons():
        if twice := sorted(found.keys() & mine.keys()):
            raise ValueError(f"{module} uses names of earlier lessons again: {', '.join(twice)}")
        found |= mine
    return found


def explore(name: str) -> Live:
    """Return an explorer, which shows itself. Raises ValueError, with the names, for another."""
    for _, mine in _lessons():
        if name in mine:
            return mine[name].live()
    names = ", ".join(sorted(explorers()))
    raise ValueError(f"no explorer is called {name!r}; there are: {names or 'none'}")


def _lessons() -> Iterator[tuple[str, dict[str, Explorer]]]:
    """Yield the name of each lesson and its explorers."""
    for lesson, module in contents.modules("figures"):
        yield lesson, dict(getattr(module, "EXPLORERS", {}))


def _looks(label: str, width: str) -> dict:
    """Return what all controls share: the label in full, and room for it."""
    return {
        "description": label,
        "continuous_update": True,
        "style": {"description_width": width},
        "layout": {"width": _CONTROL_WIDTH},
    }


def _decimals(step: float) -> int:
    """Return how many digits after the point tell two neighbouring values apart."""
    return next((digits for digits in range(8) if abs(round(step, digits) - step) < 1e-9), 8)

"""An explorer in a notebook: controls, and below them a picture that follows.

The controls are a widget, which lives as long as its kernel. The picture is an output of its own,
so that it is saved with the notebook and stands there when the file is opened the next day, on a
page without kernels, or in what a learner hands in.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from classroom.display.figures import Described

if TYPE_CHECKING:
    import ipywidgets

# ipywidgets gives the handle of a slider no name of its own; readers of the screen hear this one,
# and, since the picture's output becomes a live region, the words of a picture that has changed.
# Sliders appear after this output, hence the observer, for as long as a busy page may take. Without
# a kernel JupyterLab writes an error where the controls were: it is replaced by what helps.
_HELP = """<style>
.jp-OutputArea:has(.explorer-help) .jupyter-widgets:not(:has(*)) { font-size: 0; }
.jp-OutputArea:has(.explorer-help) .jupyter-widgets:not(:has(*))::before {
  content: "Run this cell to move the controls."; font-size: var(--jp-ui-font-size1, 13px); }
</style><script>(() => {
  const unnamed = ".widget-slider [role=slider]:not([aria-label])";
  const name = () => {
    document.querySelectorAll(unnamed).forEach(handle => {
      const label = handle.closest(".widget-slider").querySelector(".widget-label");
      if (label) handle.setAttribute("aria-label", label.textContent);
    });
    document.querySelectorAll(".explorer-help").forEach(help => {
      const picture = help.closest(".jp-OutputArea-child")?.previousElementSibling;
      picture?.setAttribute("aria-live", "polite");
    });
  };
  const observer = new MutationObserver(name);
  observer.observe(document.body, { childList: true, subtree: true });
  setTimeout(() => observer.disconnect(), 60000);
  name();
})()</script><span class="explorer-help"></span>"""


class Live:
    """Controls by the name of the setting that they move, and the picture at these settings.

    `draw` is called with the settings by name, whenever a control has moved.
    """

    def __init__(
        self, controls: Mapping[str, ipywidgets.Widget], draw: Callable[..., Described]
    ) -> None:
        import ipywidgets

        self.controls = dict(controls)
        self.box = ipywidgets.VBox([*controls.values()])
        self._draw, self._shown = draw, []
        self.picture = self._drawn()
        for control in controls.values():
            control.observe(self._redraw, names="value")

    def _drawn(self) -> Described:
        return self._draw(**{name: control.value for name, control in self.controls.items()})

    def _redraw(self, change: object) -> None:
        self.picture = self._drawn()
        for handle in self._shown:
            handle.update(self.picture)

    def __repr__(self) -> str:
        labels = ", ".join(control.description for control in self.controls.values())
        return f"Controls: {labels}. Run this cell to move them."

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        # Where no widget can be shown, the words stand in its place.
        bundle, metadata = self.box._repr_mimebundle_(), {}
        if isinstance(bundle, tuple):
            bundle, metadata = bundle
        words = {"text/plain": repr(self), "text/html": f"<p>{html.escape(repr(self))}</p>"}
        display(bundle | words, metadata=metadata, raw=True)
        self._shown.append(display(self.picture, display_id=True))
        display(HTML(_HELP))

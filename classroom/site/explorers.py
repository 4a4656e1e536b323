"""Explorers without a kernel: figures are drawn beforehand, and a script turns them over.

One control moves at a time, at 7 to 11 positions where it has as many, and the others stand at
their start. Without the script the figure at the start remains.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping

from classroom.display.explorer import Choice, Explorer, Slider
from classroom.site.pictures import Pictures, attribute, one_block

MOST = 11
_SPREAD = 9  # positions of a slider that has more steps than MOST, its start not counted

NOTE = (
    "On this page one control moves at a time, in a few steps, and the others go back to their "
    "start. In the notebook all of them move together."
)


def positions(control: Slider | Choice) -> tuple[list, int]:
    """Return the values at which a control is drawn, in order, and the place of its start."""
    if isinstance(control, Choice):
        return list(control.options), control.options.index(control.value)
    n_steps = round((control.maximum - control.minimum) / control.step)
    start = round((control.value - control.minimum) / control.step)
    chosen = range(n_steps + 1)
    if n_steps >= MOST:
        chosen = sorted({round(i * n_steps / (_SPREAD - 1)) for i in range(_SPREAD)} | {start})
    whole = isinstance(control.step, int)
    values = [control.minimum + i * control.step for i in chosen]
    values = [round(value) if whole else round(value, 6) for value in values]
    place = list(chosen).index(start)
    values[place] = control.value
    return values, place


def drawn(explorer: Explorer, pictures: Pictures) -> dict:
    """Draw an explorer at all its positions; return what `markup` shows, as plain JSON.

    Raises ValueError where a picture has no words.
    """
    controls = []
    begin = _picture(explorer, {}, pictures)
    for name, control in explorer.controls.items():
        values, place = positions(control)
        shown = [
            begin if at == place else _picture(explorer, {name: value}, pictures)
            for at, value in enumerate(values)
        ]
        texts = [str(value) if isinstance(control, Choice) else f"{value:g}" for value in values]
        controls.append(
            {"name": name, "label": control.label, "start": place, "texts": texts,
             "is_choice": isinstance(control, Choice), "pictures": shown}
        )  # fmt: skip
    return {"begin": begin, "controls": controls}


def _picture(explorer: Explorer, change: Mapping[str, object], pictures: Pictures) -> dict:
    found = explorer.picture(**{**explorer.settings(), **change})
    data = base64.b64decode(attribute(found.data, "src").partition(",")[2])
    return {"file": pictures.keep(data), "alt": found.alt, "style": attribute(found.data, "style")}


def files(found: Mapping) -> set[str]:
    """Return the names of the pictures of an explorer that was drawn."""
    controls = found["controls"]
    return {each["file"] for control in controls for each in control["pictures"]}


def markup(found: Mapping, name: str, where: str) -> str:
    """Return an explorer as HTML in one line; `name` must be the page's only one of it."""
    begin = found["begin"]
    images = [_image(begin, "", -1, where)]
    for control in found["controls"]:
        for at, picture in enumerate(control["pictures"]):
            if at != control["start"]:
                images.append(_image(picture, control["name"], at, where))
    controls = "".join(_control(control, f"{name}-{i}") for i, control in
                       enumerate(found["controls"]))  # fmt: skip
    label = html.escape(f"Explorer {name.replace('_', ' ')}")
    return one_block(
        f'<div class="explorer" role="group" aria-label="{label}">'
        f'<div class="explorer-controls" hidden>{controls}</div>'
        f'<div class="explorer-pictures">{"".join(images)}</div>'
        f'<p class="explorer-words" aria-live="polite"></p>'
        f'<p class="explorer-note" hidden>{NOTE}</p></div>'
    )


def _image(picture: Mapping, control: str, at: int, where: str) -> str:
    hidden = " hidden" if control else ""
    return (
        f'<img{hidden} loading="lazy" data-control="{control}" data-at="{at}" '
        f'alt="{html.escape(picture["alt"])}" style="{html.escape(picture["style"])}" '
        f'src="{where}/{picture["file"]}">'
    )


def _control(control: Mapping, place: str) -> str:
    label, texts = html.escape(control["label"]), [html.escape(t) for t in control["texts"]]
    shared = (
        f'id="explorer-{place}" data-control="{control["name"]}" data-start="{control["start"]}"'
    )
    start = control["start"]
    if control["is_choice"]:
        options = "".join(
            f'<option value="{at}"{" selected" if at == start else ""}>{text}</option>'
            for at, text in enumerate(texts)
        )
        body = f"<select {shared}>{options}</select>"
    else:
        body = (
            f'<input type="range" {shared} min="0" max="{len(texts) - 1}" step="1" '
            f'value="{start}" data-texts="{"|".join(texts)}" aria-valuetext="{texts[start]}">'
            f'<output for="explorer-{place}">{texts[start]}</output>'
        )
    return (
        f'<div class="explorer-control"><label for="explorer-{place}">{label}</label>{body}</div>'
    )

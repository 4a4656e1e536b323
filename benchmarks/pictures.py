"""``python -m benchmarks.pictures``: the two pictures at the head of the README, made by an edit.

`docs/edit.gif` plays source, edit and true target side by side, three times, then stands still;
`docs/contact_sheet.png` shows the same clips, and a frame-by-frame edit, frame by frame.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from course.clips import Clip, Scene, contact_sheet, render, write_image

SCALE, GAP, TEXT = 3, 12, 24  # pixels
_PLAYS, _HOLD = 3, 1200  # the last frame stands for so many milliseconds
_DOCS = Path(__file__).resolve().parent.parent / "docs"


def side_by_side(clips: dict[str, Clip]) -> list[Image.Image]:
    """Return a picture a frame: the labelled clips beside each other, enlarged."""
    font, frames = ImageFont.load_default(size=15), []
    shown = {name: clip.to_uint8() for name, clip in clips.items()}
    height, width = (SCALE * side for side in next(iter(clips.values())).size)
    for index in range(min(map(len, shown.values()))):
        page = Image.new("RGB", (len(shown) * (width + GAP) - GAP, height + TEXT), "white")
        draw = ImageDraw.Draw(page)
        for column, (name, pixels) in enumerate(shown.items()):
            picture = Image.fromarray(pixels[index]).resize(
                (width, height), Image.Resampling.NEAREST
            )
            page.paste(picture, (column * (width + GAP), TEXT))
            draw.text((column * (width + GAP), 2), name, "black", font)
        frames.append(page)
    return frames


def write_gif(frames: list[Image.Image], fps: float, path: Path) -> None:
    """Write frames as a GIF that plays a few times and then stands still."""
    times = [round(1000 / fps)] * (len(frames) - 1) + [_HOLD]
    first, *rest = (frame.quantize(128, dither=Image.Dither.NONE) for frame in frames)
    first.save(path, save_all=True, append_images=rest, duration=times, loop=_PLAYS - 1)


def main() -> None:
    """Edit the clip that ships and write both pictures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("--folder", type=Path, default=_DOCS)
    options = parser.parse_args()
    from course.editing import edit
    from course.models import load

    source, target = render(Scene()), render(Scene(shape="star", colour="green"))
    result = edit(source, source.caption, target.caption, pipe=load(), reconstruct=False)
    shown = {"source": source, "edit": result.clip, "true target": target}
    write_gif(side_by_side(shown), source.fps / 2, options.folder / "edit.gif")
    shown["frame by frame"] = result.baselines["frame by frame"]
    rows = [shown[name] for name in ("source", "edit", "frame by frame", "true target")]
    names = ["source", "edit", "frame by frame", "true target"]
    write_image(contact_sheet(rows, labels=names), options.folder / "contact_sheet.png")


if __name__ == "__main__":
    main()

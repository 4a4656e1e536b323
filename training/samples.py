"""``python -m training.samples``: render the three clips that ship with the package."""

from __future__ import annotations

from pathlib import Path

import course
from course.clips import Scene, render, write_clip

SAMPLES: dict[str, Scene] = {
    "red_circle": Scene(),
    "yellow_star": Scene(
        shape="star", colour="yellow", background="purple", texture="striped", radius=0.25,
        motion="curved", direction="left", travel=0.3, position=(0.5, 0.55), depth=0.4,
    ),
    "white_square": Scene(
        shape="square", colour="white", background="green", texture="gradient", radius=0.22,
        direction="down", travel=0.28, depth=0.6,
    ),
}  # fmt: skip
"""Name of the file and what it shows."""


def main() -> None:
    """Write the clips into ``course/samples``, eight frames at eight frames a second each."""
    folder = Path(course.__file__).parent / "samples"
    folder.mkdir(exist_ok=True)
    for name, scene in SAMPLES.items():
        write_clip(render(scene), folder / f"{name}.mp4")
        print(f"{folder / name}.mp4: {scene.caption}")


if __name__ == "__main__":
    main()

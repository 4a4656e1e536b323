"""What an edit returns, and how it is written to disk."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from course.clips import Clip, contact_sheet, write_clip, write_image
from course.clips.video import safe_output
from course.finetune import FinetuneStep

COLUMNS = {
    "similarity_mean": "mean similarity",
    "similarity_min": "lowest similarity",
    "temporal_loss": "temporal loss",
    "warping_error": "warping error",
    "background_psnr": "background PSNR [dB]",
    "source_psnr": "PSNR to source [dB]",
}
"""The metrics of an edit and how a table calls them."""


@dataclass(frozen=True)
class Edit:
    """An edited clip, what led to it, and its figures beside their baselines.

    ``clip`` is the edit and ``source`` what came in; ``inverted`` (T, C, h, w) are the noisy
    latents that DDIM inversion found (None: the method inverts nothing), ``mask`` (T, 1, h, w) is 1
    where the edit could change the clip (None: everywhere); ``reconstruction`` is what the method
    makes of the source prompt (None: not asked for). ``baselines`` are clips by name,
    ``metrics[row][column]`` floats (None where something is not known, such as flow of real
    footage), ``similarities[row]`` the adjacent similarities (T-1,) of its latents, ``seconds``
    the time of each stage, ``training`` the fine-tuning.
    """

    clip: Clip
    source: Clip
    inverted: Tensor | None
    reconstruction: Clip | None
    baselines: dict[str, Clip]
    metrics: dict[str, dict[str, float | None]]
    similarities: dict[str, Tensor]
    seconds: dict[str, float]
    training: list[FinetuneStep] = field(default_factory=list)
    mask: Tensor | None = None

    def table(self) -> str:
        """Return the metrics as a Markdown table, a dash where a figure is not known."""
        lines = ["| clip | " + " | ".join(COLUMNS.values()) + " |"]
        lines.append("|---|" + "---:|" * len(COLUMNS))
        for row, values in self.metrics.items():
            cells = [_cell(name, values.get(name)) for name in COLUMNS]
            lines.append(f"| {row} | " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def sheet(self):
        """Return a contact sheet (PIL image): source, reconstruction, edit and the baselines."""
        rows = {"source": self.source, "reconstruction": self.reconstruction, "edit": self.clip}
        rows |= {name: clip for name, clip in self.baselines.items() if name != "frozen clip"}
        rows = {name: clip for name, clip in rows.items() if clip is not None}
        return contact_sheet(list(rows.values()), labels=list(rows))

    def save(self, path: str | Path) -> dict[str, Path]:
        """Write the edit to ``path`` (.mp4) and what belongs to it beside it; return the files.

        Beside ``out.mp4`` come ``out_sheet.png``, ``out_metrics.json``, ``out_metrics.md`` and,
        where there is one, ``out_reconstruction.mp4``. Each file is written under a temporary
        name first.
        """
        path = Path(path)
        files = {
            "clip": path,
            "sheet": path.with_name(f"{path.stem}_sheet.png"),
            "json": path.with_name(f"{path.stem}_metrics.json"),
            "table": path.with_name(f"{path.stem}_metrics.md"),
        }
        write_clip(self.clip, files["clip"])
        if self.reconstruction is not None:
            files["reconstruction"] = path.with_name(f"{path.stem}_reconstruction.mp4")
            write_clip(self.reconstruction, files["reconstruction"])
        write_image(self.sheet(), files["sheet"])
        figures = {"metrics": self.metrics, "seconds": self.seconds}
        _write_text(json.dumps(figures, indent=2) + "\n", files["json"])
        _write_text(self.table() + "\n", files["table"])
        return files


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if name.endswith("psnr") else f"{value:.3g}"


def _write_text(text: str, path: Path) -> None:
    with safe_output(path) as file:
        file.write(text.encode())

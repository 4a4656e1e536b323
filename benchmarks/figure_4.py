"""``python -m benchmarks.figure_4``: both panels of the paper's Fig. 4, on many clips.

Left: the similarity of neighbouring latents (Eq. 3) along the DDIM chain of an edit, with and
without adapter, beside the source's and the true target's own. Right: how much the similarity of
features varies over the pairs of a clip while an adapter is trained, at timesteps and with a noise
that stay the same and that training does not see. Ablations repeat the right panel and the end of
the left one. The summary is a small JSON file that a lesson draws.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.figure_4_summary import summary, text
from benchmarks.scenes import Swap, draw_swaps
from course import models
from course.adapters import FeatureTap, default_taps, remove_lora
from course.clips import render
from course.diffusion import NoiseSchedule, add_noise, invert, sample
from course.finetune import WEIGHTS, finetune
from course.metrics import against_target, similarity_summary
from course.temporal import adjacent_similarities
from course.tokens import PromptTokens

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

MAIN, WITHOUT = "paper", "no adapter"
VARIANTS = {
    MAIN: {},
    "released weights": WEIGHTS["released"],
    "released code": WEIGHTS["released"] | {"temporal": "times"},
    "taps on cross-attention": {"taps": "attn2"},
    "taps on the middle block": {"taps": "mid_block"},
    "rank 1": {"rank": 1},
    "rank 16": {"rank": 16},
    "learning rate 3e-4": {"learning_rate": 3e-4},
    "learning rate 3e-3": {"learning_rate": 3e-3},
    "tokens": {"n_tokens": (2, 2)},
}
"""What each ablation changes in `finetune`; `n_tokens` are shared and frame tokens."""

TIMESTEPS = (100, 300, 500, 700, 900)  # of the right panel
_PROBE_SEED = 1  # training draws from seed 0
_FIGURES = ("similarity_mean", "similarity_std", "temporal_loss")


class Experiment:
    """One clip: its latents, its texts, and what is measured on them with the UNet as it is."""

    def __init__(
        self, pipe: StableDiffusionPipeline, swap: Swap, options: argparse.Namespace
    ) -> None:
        self.pipe, self.options = pipe, options
        self.schedule = NoiseSchedule.from_scheduler(pipe.scheduler)
        self.source, self.target = render(swap.scene), render(swap.target)
        self.tokens: PromptTokens | None = None
        frames = (clip.frames.to(pipe.device) for clip in (self.source, self.target))
        self.latents, self.true_latents = (models.encode_frames(pipe, each) for each in frames)
        self.round_trip = models.decode_latents(pipe, self.true_latents)

    def text(self, prompt: str) -> Tensor:
        tokens = models.encode_prompt(self.pipe, prompt)
        return tokens if self.tokens is None else self.tokens(tokens, slice(0, len(self.latents)))

    @torch.no_grad()
    def probe(self) -> dict[str, float]:
        """Return the right panel's figures: means over the timesteps and the usual taps."""
        generator = torch.Generator().manual_seed(_PROBE_SEED)
        noise = torch.randn(self.latents[:1].shape, generator=generator).to(self.latents)
        predict, found = models.noise_predictor(self.pipe, self.text(self.source.caption)), []
        with FeatureTap(self.pipe.unet, default_taps(self.pipe.unet)) as features:
            for timestep in TIMESTEPS:
                noisy = add_noise(
                    self.latents, noise.expand_as(self.latents), timestep, self.schedule
                )
                predict(noisy, timestep)
                found += [similarity_summary(each) for each in features.values()]
        return {key: float(torch.stack([f[key] for f in found]).mean()) for key in _FIGURES}

    @torch.no_grad()
    def inversion(self, latents: Tensor, prompt: str) -> list[Tensor]:
        """Return the way to noise, the noisiest first, the clean latents last."""
        predict, way = models.noise_predictor(self.pipe, self.text(prompt)), self._way
        path = [step.latents for step in invert(predict, latents, self.schedule, *way[0], **way[1])]
        return [*path[::-1], latents]

    @torch.no_grad()
    def edited(self) -> list[Tensor]:
        """Return the chain of the edit, from the inverted latents to the clean ones."""
        start = self.inversion(self.latents, self.source.caption)[0]
        predict = models.noise_predictor(
            self.pipe, self.text(self.target.caption), guidance=self.options.guidance,
            negative_text=self.text(""),
        )  # fmt: skip
        way = self._way
        path = [step.latents for step in sample(predict, start, self.schedule, *way[0], **way[1])]
        return [start, *path]

    @property
    def _way(self) -> tuple[tuple[int], dict[str, int]]:
        return (self.options.steps,), {"skip": self.options.skip}

    def judged(self, chain: list[Tensor]) -> dict[str, object]:
        """Return the left panel's curve of a chain, and what the true target says of its end."""
        frames = models.decode_latents(self.pipe, chain[-1]).to(self.target.frames)
        truth = against_target(frames, self.target, self.round_trip.to(frames))
        kept = {name: truth[name] for name in ("target_psnr", "warping_ratio", "flicker")}
        return {"chain": curve(chain), **kept}

    def reference(self) -> dict[str, object]:
        """Return everything that needs no adapter."""
        paths = {
            "source": self.inversion(self.latents, self.source.caption),
            "true target": self.inversion(self.true_latents, self.target.caption),
        }
        chains = {name: curve(path) for name, path in paths.items()}
        return {"chains": chains, "probes": [self.probe()], **self.judged(self.edited())}

    def trained(self, settings: dict[str, object]) -> dict[str, object]:
        """Train one variant; return its probes and its edit. The UNet is left as it was."""
        settings, every = dict(settings), self.options.every
        if kind := settings.get("taps"):
            settings["taps"] = taps(self.pipe.unet, kind)
        if n_tokens := settings.pop("n_tokens", None):
            width = self.pipe.text_encoder.config.hidden_size
            self.tokens = PromptTokens(*n_tokens, width, len(self.latents))
        try:
            steps = finetune(
                self.pipe, self.latents, self.source.caption, tokens=self.tokens,
                n_steps=self.options.finetune, **settings,
            )  # fmt: skip
            probes = [self.probe()]
            probes += [self.probe() for step in steps if (step.step + 1) % every == 0]
            return {"probes": probes, **self.judged(self.edited())}
        finally:
            self.tokens = None
            remove_lora(self.pipe.unet)


def curve(chain: Sequence[Tensor]) -> list[float]:
    """Return the mean similarity of neighbouring latents (Eq. 3) at each step of a chain."""
    return [round(float(adjacent_similarities(latents).mean()), 5) for latents in chain]


def taps(unet: torch.nn.Module, kind: str) -> list[str]:
    """Return the modules that a variant looks at: other layers than `default_taps`."""
    if kind == "mid_block":
        return ["mid_block"]
    return [name.replace("attn1", kind) for name in default_taps(unet)]


def jobs(options: argparse.Namespace) -> list[tuple[int, str]]:
    """Return what is to be run: every clip without and with adapter, the first few ablated."""
    main = [(clip, name) for clip in range(options.clips) for name in (WITHOUT, MAIN)]
    few = range(min(options.ablation_clips, options.clips))
    return main + [(clip, name) for clip in few for name in VARIANTS if name != MAIN]


def swaps(n_clips: int) -> list[Swap]:
    """Return the first held-out scenes in which something moves, with the word to swap."""
    return [s for s in draw_swaps(3 * n_clips + 3) if s.scene.motion != "still"][:n_clips]


def run(pipe: StableDiffusionPipeline, options: argparse.Namespace) -> Iterator[dict]:
    """Yield a row for each job, those of an interrupted run from its log."""
    settings = {name: getattr(options, name) for name in ("model", "steps", "skip", "guidance")}
    settings |= {"finetune": options.finetune, "every": options.every}
    # Weights that were trained anew make another experiment.
    total = sum(float(p.abs().sum()) for p in pipe.unet.parameters())
    asked = json.dumps(settings | {"weights": f"{total:.6g}"})
    lines = options.log.read_text().splitlines() if options.log.exists() else [asked]
    if lines[0] != asked:
        raise ValueError(f"{options.log} logs {lines[0]}, not {asked}; give another --log")
    done = {(row["clip"], row["variant"]): row for row in map(json.loads, lines[1:])}
    drawn = swaps(options.clips)
    with options.log.open("a") as log:
        if not log.tell():
            log.write(asked + "\n")
        for clip, name in tqdm(jobs(options), desc="trainings"):
            if (clip, name) not in done:
                experiment = Experiment(pipe, drawn[clip], options)
                adapter = name != WITHOUT
                row = experiment.trained(VARIANTS[name]) if adapter else experiment.reference()
                done[clip, name] = {"clip": clip, "variant": name, **row}
                log.write(json.dumps(done[clip, name]) + "\n")
                log.flush()
            yield done[clip, name]


def main() -> None:
    """Run what is not in the log yet, write the summary and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figure_4", description=__doc__)
    parser.add_argument("--model", default="embedded", help="embedded or a folder")
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--ablation-clips", type=int, default=12)
    parser.add_argument("--steps", type=int, default=25, help="DDIM steps, skipped ones included")
    parser.add_argument("--skip", type=int, default=6, help="noisiest steps to leave out")
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--finetune", type=int, default=60, help="steps of training")
    parser.add_argument("--every", type=int, default=20, help="training steps between two probes")
    parser.add_argument("--log", type=Path, required=True, help="keep each job, and go on from it")
    parser.add_argument("--json", type=Path, help="write the summary to this file")
    options = parser.parse_args()
    if options.clips < 2:
        parser.error(f"--clips is {options.clips}; a spread wants at least 2")
    pipe = models.load(options.model)
    rows = list(run(pipe, options))
    schedule = NoiseSchedule.from_scheduler(pipe.scheduler)
    found = {
        "settings": {k: v for k, v in vars(options).items() if k not in ("log", "json")},
        "timesteps": [*schedule.timesteps(options.steps)[options.skip :].tolist(), 0],
        "training_steps": list(range(0, options.finetune + 1, options.every)),
        **summary(rows),
    }
    print(text(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

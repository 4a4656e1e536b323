"""The methods by name, and how one is put together: a sampler, and links between frames.

A sampler says how the edit comes about (from noise, from an inversion, from the source itself); a
link says how frames see each other meanwhile. "first_frame" alone is that link on the paper's
sampler; "flow_edit + first_frame" is it on FlowEdit's. One of each kind fits into an edit.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

from . import (
    all_frames,
    anchor_and_previous,
    edit_friendly,
    first_frame,
    flow_attention,
    flow_edit,
    frame_by_frame,
    grid_shuffle,
    injected_features,
    kept_pixels,
    latent_flow,
    merged_tokens,
    paper,
    pixel_flow,
    prompt_check,
    shared_noise,
    token_flow,
    warped_tokens,
)
from .outcome import Outcome, Passes
from .task import Task

DEFAULT_METHOD = "edit_friendly + injected_features + prompt_check + pixel_flow + kept_pixels"
"""What `edit` does when nobody says otherwise: what came nearest to the true target of all that
show the asked word where that is hard, too (``python -m benchmarks.methods``; without
`prompt_check` it is 0.02 dB nearer on 60 scenes and 1.2 dB further off on swaps of rings). The flow
of footage is estimated."""


@dataclass(frozen=True)
class Method:
    """A published way to edit a clip, or to link its frames.

    `kind`: "sampler" has `run(task) -> Outcome` and `evaluations`, the others `link(task) ->
    Task`: on "attention" or a "grid" of frames, a "filter" of x_0, a "retry" of the sampler, an
    "average" or a "blend" of decoded frames. `reach`: what a frame's result depends on, "frame"
    (itself), "past" (what came before, remembered from chunk to chunk), "chunk" (the frames in
    flight; other chunks, other results), "neighbours" (both sides, on latents only) or "clip" (all
    frames in flight at once: memory grows with their number).
    `skip` is the share of the noisiest steps that a sampler leaves out by default, and
    `mask_threshold` whether it keeps what the prompts agree on.
    """

    module: ModuleType
    kind: str
    reach: str = "frame"
    needs_flow: bool = False
    skip: float = 0.0
    mask_threshold: float | None = None
    finetune_steps: int = 0

    @property
    def name(self) -> str:
        return self.module.__name__.rpartition(".")[2]

    @property
    def evaluations(self) -> Callable[[Passes], int]:
        """How often a sampler, or the check of its edit, sends a frame through the UNet."""
        return self.module.evaluations

    @property
    def apply(self) -> Callable[..., Task | Outcome]:
        return self.module.run if self.kind == "sampler" else self.module.link


_TABLE = (
    Method(paper, "sampler", skip=0.25, mask_threshold=0.15, finetune_steps=60),
    Method(frame_by_frame, "sampler"),
    Method(shared_noise, "sampler"),
    Method(first_frame, "attention", "past"),
    Method(anchor_and_previous, "attention", "past"),
    Method(all_frames, "attention", "clip"),
    Method(flow_attention, "attention", "clip", needs_flow=True),
    Method(warped_tokens, "attention", "past", needs_flow=True),
    Method(token_flow, "attention", "clip"),
    Method(grid_shuffle, "grid", "chunk"),
    Method(merged_tokens, "attention", "chunk"),
    Method(injected_features, "attention"),
    Method(edit_friendly, "sampler", skip=0.44, mask_threshold=0.15),
    Method(flow_edit, "sampler", skip=0.2, mask_threshold=0.15),
    Method(latent_flow, "filter", "neighbours", needs_flow=True),
    Method(prompt_check, "retry"),
    Method(pixel_flow, "average", "neighbours", needs_flow=True),
    Method(kept_pixels, "blend"),
)
METHODS: dict[str, Method] = {method.name: method for method in _TABLE}


def names() -> tuple[str, ...]:
    """Return the names of all methods, as `edit(method=...)` takes them."""
    return tuple(METHODS)


@dataclass(frozen=True)
class Recipe:
    """One sampler and the links that go with it."""

    sampler: Method
    links: tuple[Method, ...] = ()

    @property
    def needs_flow(self) -> bool:
        return any(method.needs_flow for method in self.links)

    def prepare(self, task: Task, settings: Mapping[str, object] | None = None) -> Task:
        """Return the task with the links in place."""
        for method in self.links:
            if method.needs_flow and method.kind != "average":  # that one asks the decoded clip
                task.require_motion()
            task = method.apply(task, **_taken(method, settings))
        return task

    def run(self, task: Task, settings: Mapping[str, object] | None = None) -> Outcome:
        """Return the edit of a prepared task."""

        def sample(task: Task) -> Outcome:
            return self.sampler.apply(task, **_taken(self.sampler, settings))

        return sample(task) if task.until is None else task.until(task, sample)

    def check(self, settings: Mapping[str, object] | None) -> None:
        """Raise ValueError for a setting that none of the methods has."""
        known = {name for method in (self.sampler, *self.links) for name in _settings(method)}
        for name in settings or {}:
            if name not in known:
                raise ValueError(
                    f"no part of the method has a setting {name!r}; it has: "
                    f"{', '.join(sorted(known)) or 'none'}"
                )


def recipe(method: str = DEFAULT_METHOD) -> Recipe:
    """Read a method's name, or several joined by +, such as "flow_edit + latent_flow".

    Raises ValueError for an unknown name, with the list of names, and for two of one kind.
    """
    parts: dict[str, Method] = {}
    for name in method.split("+"):
        name = name.strip()
        if name not in METHODS:
            raise ValueError(
                f"there is no method {name!r}; choose one of {', '.join(METHODS)}, or join a "
                "sampler and links with +"
            )
        chosen = METHODS[name]
        # A grid mixes frames, so attention could no longer tell them apart.
        slot = "attention" if chosen.kind == "grid" else chosen.kind
        if slot in parts:
            raise ValueError(
                f"{parts[slot].name} and {name} cannot be joined: an edit has one {slot}"
            )
        parts[slot] = chosen
    sampler = parts.pop("sampler", METHODS["paper"])
    return Recipe(sampler, tuple(parts.values()))


def _settings(method: Method) -> list[str]:
    parameters = inspect.signature(method.apply).parameters.values()
    return [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]


def _taken(method: Method, settings: Mapping[str, object] | None) -> dict[str, object]:
    return {name: settings[name] for name in _settings(method) if name in (settings or {})}

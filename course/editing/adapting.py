"""Adapter and prompt tokens of an edit: trained on the clip or read, and taken out again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from course.adapters import (
    ADAPTER_FILE,
    TOKENS_FILE,
    has_adapter,
    load_adapter,
    remove_lora,
)
from course.adapters.files import require_effect
from course.adapters.switches import require_separate_projections
from course.finetune import FinetuneStep, finetune
from course.finetune.processes import Team
from course.methods import Task
from course.tokens import PromptTokens


@dataclass(frozen=True)
class Adapting:
    """What is added to the model: a saved adapter, or `n_steps` of training on the clip.

    `settings` are arguments of `finetune`. A step of one window cannot be shared: every process of
    `team` trains alike, and all go on with what the first has learned.
    """

    prompt: str
    adapter: str | Path | None = None
    n_steps: int = 0
    n_tokens: tuple[int, int] = (0, 0)
    settings: Mapping[str, object] = field(default_factory=dict)
    team: Team = field(default_factory=Team)
    training: list[FinetuneStep] = field(default_factory=list)

    @contextmanager
    def adapted(self, task: Task) -> Iterator[Task]:
        """Give the task with adapter and tokens; leave the UNet as it was found."""
        unet = task.pipe.unet
        had_adapter = has_adapter(unet)
        if had_adapter:
            require_separate_projections(unet)
        try:
            if self.adapter is not None:
                yield self._read(task)
            elif self.n_steps:
                yield self._trained(task)
            else:
                yield task
        finally:
            if not had_adapter and has_adapter(unet):
                remove_lora(unet)

    def _read(self, task: Task) -> Task:
        place, tokens = Path(self.adapter), None
        folder = place.parent if place.is_file() else place
        if (folder / TOKENS_FILE).is_file():
            tokens = _saved_tokens(task, folder / TOKENS_FILE)
        # Tokens may have been trained alone.
        if tokens is None or place.is_file() or (folder / ADAPTER_FILE).is_file():
            load_adapter(place, task.pipe.unet)
            require_effect(place, task.pipe.unet)
        return replace(task, tokens=tokens)

    def _trained(self, task: Task) -> Task:
        tokens, latents = None, task.latents
        if any(self.n_tokens):
            width = task.pipe.text_encoder.config.hidden_size
            tokens = PromptTokens(*self.n_tokens, width, len(latents), generator=task.generator)
            tokens.to(latents.device)
        steps = finetune(
            task.pipe, latents, self.prompt, n_steps=self.n_steps, tokens=tokens,
            generator=task.generator, **self.settings,
        )  # fmt: skip
        with task.stage("fine-tune", self.n_steps) as bar:
            for step in steps:
                self.training.append(step)
                bar.update()
        learned = [p for n, p in task.pipe.unet.named_parameters() if ".lora_" in n]
        learned += [] if tokens is None else list(tokens.parameters())
        self.team.agree(learned, task.generator)
        if tokens is not None:
            tokens.requires_grad_(False)
        return replace(task, tokens=tokens)


def _saved_tokens(task: Task, path: Path) -> PromptTokens:
    tokens = PromptTokens.from_file(path).to(task.latents.device).requires_grad_(False)
    if len(tokens.frame) != len(task.latents):
        raise ValueError(
            f"{path} has tokens for {len(tokens.frame)} frames and the clip has "
            f"{len(task.latents)}; edit as many frames as were trained on, or take the file out of "
            "the folder"
        )
    return tokens

"""The whole state of a fine-tuning run in one file, so that a resumed run equals a whole one.

The file is safetensors: parameters, AdamW's moments, the generator, the clip's latents and its
text tokens; settings and the steps so far are JSON in its metadata. Nothing in it is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course.files import save_tensors

from .progress import FinetuneStep

if TYPE_CHECKING:
    from .run import Update

CHECKPOINT_FILE = "checkpoint.safetensors"  # plain diffusers passes over files of this name
_ENTRY = "steady_frames_finetune"


@dataclass(frozen=True)
class Checkpoint:
    """A run as it was after `len(steps)` steps; see `Checkpoint.restore`."""

    path: Path
    tensors: Mapping[str, Tensor]
    settings: Mapping[str, object]
    steps: Sequence[FinetuneStep]
    scaler: Mapping[str, float]

    @classmethod
    def read(cls, folder: str | Path) -> Checkpoint:
        """Read the checkpoint in a folder.

        Raises FileNotFoundError if there is none, ValueError if it is damaged or something else.
        """
        from safetensors import SafetensorError, safe_open

        path = Path(folder) / CHECKPOINT_FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"there is no {CHECKPOINT_FILE} in {folder} to resume from; start without resuming"
            )
        try:
            with safe_open(path, framework="pt") as file:
                entry = json.loads((file.metadata() or {})[_ENTRY])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            steps = [FinetuneStep(**step) for step in entry["steps"]]
            return cls(path, tensors, entry["settings"], steps, entry.get("scaler", {}))
        except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is damaged or no checkpoint of fine-tuning") from error

    def check(self, settings: Mapping[str, object], material: Mapping[str, Tensor]) -> None:
        """Raise ValueError unless the run had these settings and this clip and prompt."""
        wanted = json.loads(json.dumps(settings))  # tuples become lists, as they did in the file
        other = [name for name in wanted if self.settings.get(name) != wanted[name]]
        if other:
            told = ", ".join(f"{n} {self.settings.get(n)} (now {wanted[n]})" for n in other)
            raise ValueError(f"{self.path} belongs to a run with {told}; resume with the same")
        for name, tensor in material.items():
            found = self.tensors[f"material.{name}"]
            # Another machine encodes to the same numbers up to rounding only.
            if found.shape != tensor.shape or not torch.allclose(
                found.float(), tensor.detach().float().cpu(), rtol=0.02, atol=0.02
            ):
                raise ValueError(f"{self.path} belongs to a run with another {name}")

    def restore(
        self,
        parameters: Mapping[str, Tensor],
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
        scaler: torch.amp.GradScaler,
    ) -> None:
        """Put parameters, optimiser, generator and the scale of the loss back as they were.

        Raises ValueError, and changes nothing, if the run trained other parameters or drew from
        a generator on another kind of device.
        """
        found = self._group("parameter")
        shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
        if shapes != {name: tuple(tensor.shape) for name, tensor in parameters.items()}:
            raise ValueError(
                f"{self.path} belongs to a run that trained other parameters; resume with the same "
                "rank, targets and tokens"
            )
        state = self.tensors["generator"]
        if state.shape != generator.get_state().shape:
            raise ValueError(
                f"{self.path} belongs to a run with a generator of another kind than this one, "
                f"which is on {generator.device}"
            )
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in self._group("optimizer").items():
            index, key = name.split(".")
            moments.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        for name, parameter in parameters.items():
            parameter.data.copy_(found[name])
        generator.set_state(state)
        if self.scaler and scaler.is_enabled():  # a run in float32 has none
            scaler.load_state_dict(dict(self.scaler))

    def _group(self, kind: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(f"{kind}."): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(f"{kind}.")
        }


@dataclass(frozen=True)
class Store:
    """Where the state of a run is kept, how often, and what stays the same in it.

    `folder` None keeps nothing.
    """

    folder: str | Path | None
    every: int
    settings: Mapping[str, object]
    material: Mapping[str, Tensor]

    def due(self, n_steps: int) -> bool:
        """Return whether the state after n_steps is one to keep."""
        return n_steps % self.every == 0

    def write(self, update: Update, steps: Sequence[FinetuneStep]) -> None:
        """Write the state into the folder, whole or not at all; moves it to the host."""
        if self.folder is None:
            return
        tensors = {f"parameter.{name}": tensor for name, tensor in update.parameters.items()}
        for index, moments in update.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": value for key, value in moments.items()}
        tensors |= {f"material.{name}": tensor for name, tensor in self.material.items()}
        tensors["generator"] = update.drawer.generator.get_state()
        entry = {
            "settings": dict(self.settings),
            "steps": [asdict(step) for step in steps],
            "scaler": update.scaler.state_dict(),
        }
        _save(Path(self.folder) / CHECKPOINT_FILE, tensors, {_ENTRY: json.dumps(entry)})


def _save(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    # Clones: two tensors of the file may not share memory, as rows of an expanded one do.
    host = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(host, path, metadata)

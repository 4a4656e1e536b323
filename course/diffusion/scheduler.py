"""Which schedulers of diffusers a `NoiseSchedule` can stand for, and which it cannot (Eqs. 5, 8).

The course walks DDIM's way whatever scheduler a pipeline brings: its levels of noise and its
timesteps are read, its solver is not. So a scheduler is followed where its timesteps are ours, and
refused by name where they are not, or where its result needs what cannot be inverted.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch

from course.checks import complaint

PREDICTION_TYPES = ("epsilon", "v_prediction")
SPACINGS = ("leading", "trailing")
DEFAULTS = {
    "set_alpha_to_one": True,
    "steps_offset": 0,
    "timestep_spacing": "leading",
    "prediction_type": "epsilon",
}
"""The settings that a schedule takes over, and what diffusers' DDIMScheduler takes for them."""

_SWITCHES = (
    "rescale_betas_zero_snr",  # the last level holds no signal, so no x_0 follows from it
    "thresholding",  # x_0 depends on the whole picture, so no step can be undone
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
    "use_lu_lambdas",
    "use_flow_sigmas",
)
_OFF = ("rescale_betas_zero_snr", "thresholding", "clip_sample")  # what DDIMScheduler has of them
_OF_THE_MODEL = ("prediction_type", "timestep_spacing", "steps_offset")
_PROBES = (50, 20, 7)  # lengths of chains: usual ones, and one that divides no schedule evenly
_OTHER_MODEL = "take a model that predicts noise or velocity, such as Stable Diffusion 1.5"


def settings_of(scheduler: object) -> dict[str, Any]:
    """Return what a schedule takes over from a diffusers scheduler, once it can be followed.

    Warns of clipping, which is left out. Raises ValueError with the scheduler's name and the cure
    for flow matching, predictions of something else than noise or velocity, no signal at the last
    timestep, thresholding, and timesteps of another kind than "leading" and "trailing" ones;
    TypeError for what is no scheduler.
    """
    name, config = type(scheduler).__name__, getattr(scheduler, "config", None)
    if config is None or getattr(scheduler, "alphas_cumprod", None) is None:
        wanted = "one with .config and .alphas_cumprod, as DDIMScheduler"
        if config is not None and hasattr(scheduler, "set_timesteps"):
            raise ValueError(complaint("scheduler", f"{name} (no alphas)", wanted, _OTHER_MODEL))
        raise TypeError(complaint("scheduler", name, wanted))
    read = _reader(scheduler, config)
    found = {key: read(key, default) for key, default in DEFAULTS.items()}
    ends_clean = read("final_sigmas_type", "zero") == "zero"
    found["set_alpha_to_one"] = read("set_alpha_to_one", ends_clean)
    if found["prediction_type"] not in PREDICTION_TYPES:
        _refuse(name, f"prediction_type={found['prediction_type']!r}", _OTHER_MODEL)
    for switch in _SWITCHES:
        if read(switch, False):
            _refuse(name, f"{switch}=True", _cure(found))
    if found["timestep_spacing"] not in SPACINGS:
        _refuse(name, f"timestep_spacing={found['timestep_spacing']!r}", _cure(found))
    if read("clip_sample", False):
        warnings.warn(
            f"{name} has clip_sample=True, which is left out here: clipping the predicted x_0 "
            "makes inversion impossible, and latents are not bounded. Set clip_sample=False",
            stacklevel=3,
        )
    return found


def same_timesteps(
    scheduler: object, n_train: int, found: Mapping[str, Any], timesteps: Callable[[int], list[int]]
) -> None:
    """Raise ValueError unless the scheduler visits `timesteps(n)`, for chains of a few lengths n.

    The levels of noise there must be those that the model was trained with. A solver that visits a
    timestep twice in a row is followed; what has no `set_timesteps` is trusted.
    """
    if not hasattr(scheduler, "set_timesteps"):
        return
    twin = copy.deepcopy(scheduler)  # it may be in the middle of a chain
    for n_steps in (n for n in _PROBES if n <= n_train):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the library's own, about NumPy
                twin.set_timesteps(n_steps)
            theirs = twin.timesteps.tolist()
        except (ValueError, TypeError, KeyError) as error:
            _refuse(type(scheduler).__name__, f"{error} for {n_steps} steps", _cure(found))
        visited = [t for t, before in zip(theirs, [None, *theirs]) if t != before]
        # Rounding gives "trailing" one timestep more, -1, for a few lengths.
        if visited[:n_steps] != timesteps(n_steps) or visited[n_steps:] not in ([], [-1]):
            came = f"its timesteps {_short(visited)} for {n_steps} steps"
            _refuse(type(scheduler).__name__, came, _cure(found))
        if not _has_levels_of_timesteps(twin):
            came = "levels of noise that are not those of its timesteps"
            _refuse(type(scheduler).__name__, came, _cure(found))


def _has_levels_of_timesteps(scheduler: object) -> bool:
    """Return whether the sigmas of a chain, if there are any, are those of the training steps."""
    if getattr(scheduler, "sigmas", None) is None:
        return True
    timesteps = scheduler.timesteps.long()
    levels = scheduler.alphas_cumprod[timesteps]
    expected = ((1 - levels) / levels).sqrt()
    return torch.allclose(scheduler.sigmas[: len(timesteps)].to(expected), expected, rtol=1e-2)


def _reader(scheduler: object, config: object) -> Callable[[str, Any], Any]:
    """Return a function (name, default) -> setting; switches that the class lacks count as off.

    A config that came from another scheduler keeps the keys of that one. They count where they tell
    of the model, or where the timesteps will show whether they are right.
    """
    known = inspect.signature(type(scheduler).__init__).parameters
    own = set(known) if isinstance(config, Mapping) and len(known) > 2 else None

    def read(name: str, default: Any) -> Any:
        if own is not None and name not in own and name not in _OF_THE_MODEL:
            return default
        if isinstance(config, Mapping):
            return config.get(name, default)
        return getattr(config, name, default)

    return read


def _cure(found: Mapping[str, Any]) -> str:
    options = [f"{name}=False" for name in _OFF]
    if found["timestep_spacing"] not in SPACINGS:
        options.insert(0, "timestep_spacing='trailing'")
    return (
        "take pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, "
        f"{', '.join(options)})"
    )


def _refuse(name: str, why: str, cure: str) -> None:
    wanted = "a scheduler whose chain DDIM can walk both ways"
    raise ValueError(complaint("scheduler", f"{name} with {why}", wanted, cure))


def _short(numbers: list[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers[:3]) + ", ..."

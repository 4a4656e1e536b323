"""The noise schedule, and noise, velocity and x_0 at one of its levels (Eqs. 5, 7, 8).

The paper's alpha_t is the factor of one training step. Alpha-bar_t, their running product, is the
share of the signal in the variance at timestep t: the level. Timesteps count from 0 (almost
clean) to `len(schedule) - 1` (almost noise); a negative one is the clean end of the chain.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from course.checks import (
    check_choice,
    check_real,
    check_same_shape,
    check_shape,
    check_whole,
    complaint,
)  # fmt: skip
from course.diffusion.scheduler import (
    PREDICTION_TYPES,
    SPACINGS,
    same_timesteps,
    settings_of,
)  # fmt: skip

Timestep = int | Tensor
Level = float | Tensor  # a value of alpha-bar
_FROM_0 = "they count from 0, and schedule.timesteps(n) gives those of a chain"


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """The alphas of a diffusion model and how a short chain picks its timesteps.

    `alphas` (steps,) are the paper's per-step factors, `alphas_cumprod` (steps,) their running
    product (left out: computed), all in (0, 1]. Both are read once and kept in float64 on the CPU.
    The other fields are diffusers' settings of the same names; `prediction_type` says what the
    model was trained to predict, and chains read its answers so. Raises ValueError for anything
    out of range.
    """

    alphas: Tensor
    alphas_cumprod: Tensor | None = None
    set_alpha_to_one: bool = True
    steps_offset: int = 0
    timestep_spacing: str = "leading"
    prediction_type: str = "epsilon"

    def __post_init__(self) -> None:
        check_choice("timestep_spacing", self.timestep_spacing, SPACINGS)
        check_choice("prediction_type", self.prediction_type, PREDICTION_TYPES)
        check_whole("steps_offset", self.steps_offset, 0)
        alphas = _check_alphas("alphas", self.alphas)
        product = alphas.cumprod(0)
        given = product if self.alphas_cumprod is None else self.alphas_cumprod
        given = _check_alphas("alphas_cumprod", given)
        # 1e-3 lets float32 running products pass and stops a mix-up of the two arguments.
        same = given.shape == product.shape and torch.allclose(given, product, rtol=1e-3, atol=0)
        if not same or (given.diff() > 0).any():
            wanted, hint = "the falling running product of alphas", "pass alphas alone"
            raise ValueError(complaint("alphas_cumprod", "another tensor", wanted, hint))
        object.__setattr__(self, "alphas", alphas)
        object.__setattr__(self, "alphas_cumprod", given)
        object.__setattr__(self, "_levels", tuple(given.tolist()))

    @classmethod
    def stable_diffusion(cls, prediction_type: str = "epsilon") -> NoiseSchedule:
        """Return Stable Diffusion's schedule: scaled_linear, 0.00085 to 0.012, 1000 steps."""
        # float32 on purpose: these are bit for bit the numbers that the model was trained with.
        roots = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float32)
        product = (1 - roots**2).cumprod(0).double()
        return cls(_per_step(product), product, False, 1, "leading", prediction_type)

    @classmethod
    def from_scheduler(cls, scheduler: object) -> NoiseSchedule:
        """Return the schedule of a diffusers scheduler (its `config` and `alphas_cumprod`).

        Its timesteps are then the scheduler's own; the solver is DDIM. Clipping of x_0 is left out
        with a warning. Raises ValueError, with the cure, for a scheduler that cannot be followed:
        `course.diffusion.scheduler` says which; TypeError for what is no scheduler.
        """
        found = settings_of(scheduler)
        product = _check_alphas("alphas_cumprod", scheduler.alphas_cumprod)
        schedule = cls(_per_step(product), product, **found)
        same_timesteps(scheduler, len(schedule), found, lambda n: schedule.timesteps(n).tolist())
        return schedule

    def __len__(self) -> int:
        """Return the number of training timesteps."""
        return len(self._levels)

    @property
    def final_alpha_cumprod(self) -> float:
        """Alpha-bar of the clean end, where DDIM stops and its inversion starts."""
        return 1.0 if self.set_alpha_to_one else self._levels[0]

    def timesteps(self, n_steps: int) -> Tensor:
        """Return `n_steps` timesteps from noise to data, (n_steps,) int64, on the CPU.

        "leading" counts up from `steps_offset`, "trailing" counts down from the noisiest one, as
        in diffusers; an offset that would leave the schedule is shortened. Raises ValueError
        unless 1 <= n_steps <= len(self).
        """
        total = len(self)
        check_whole("n_steps", n_steps, 1, total, "25 to 50 are usual")
        if self.timestep_spacing == "trailing":
            # The stride that NumPy's arange computes: halves then round as they do in diffusers.
            stride = total - (total - total / n_steps)
            return torch.tensor([round(total - k * stride) - 1 for k in range(n_steps)])
        stride = total // n_steps
        offset = min(self.steps_offset, total - 1 - (n_steps - 1) * stride)
        return torch.arange(n_steps - 1, -1, -1) * stride + offset

    def previous_timestep(self, timestep: int, n_steps: int) -> int:
        """Return where a step from `timestep` lands in a chain of `n_steps`; -1: the clean end.

        It is diffusers' rule, t - len(self) // n_steps, also where "trailing" timesteps lie one
        further apart.
        """
        return max(timestep - len(self) // n_steps, -1)

    def level(self, timestep: Timestep, latents: Tensor, *, clean: float | None = None) -> Level:
        """Return alpha-bar at `timestep`: a float, or a tensor that broadcasts over `latents`.

        An int or a scalar CPU tensor gives a float; a tensor (N,) or on another device a tensor
        beside the latents. Timesteps on another device are not read back, hence not checked.
        `clean` is the value at negative timesteps (None: an error). Raises TypeError for
        timesteps that are no integers, ValueError outside the schedule.
        """
        if isinstance(timestep, Tensor):
            if timestep.dtype not in (torch.int16, torch.int32, torch.int64, torch.uint8):
                raise TypeError(complaint("timestep", timestep.dtype, "a tensor of integers"))
            if timestep.ndim or timestep.device.type != "cpu":
                return self._levels_at(timestep, latents, clean)
        timestep = self._check_timestep(timestep, clean)
        return self._levels[timestep] if timestep >= 0 else clean

    def _check_timestep(self, timestep: object, clean: float | None) -> int:
        least = 0 if clean is None else None
        return check_whole("timestep", timestep, least, len(self) - 1, _FROM_0)

    def _levels_at(self, timestep: Tensor, latents: Tensor, clean: float | None) -> Tensor:
        if timestep.ndim:
            check_shape("timestep", timestep, len(latents), hint="give one for each of the latents")
        if timestep.device.type == "cpu":  # reading these costs no synchronisation
            for outermost in (timestep.min(), timestep.max()):
                self._check_timestep(int(outermost), clean)
        mps = "mps" in (timestep.device.type, latents.device.type)  # it has no float64
        table = self.alphas_cumprod.float() if mps else self.alphas_cumprod
        # Indexing with a scalar tensor would read it back to the host; index_select does not.
        levels = table.to(timestep.device).index_select(0, timestep.reshape(-1).clamp(min=0))
        if clean is not None:
            levels = torch.where(timestep < 0, clean, levels)
        return levels.to(latents.device).reshape(-1, *(1,) * (latents.ndim - 1))


def add_noise(
    latents: Tensor, noise: Tensor, timestep: Timestep, schedule: NoiseSchedule
) -> Tensor:
    """Return x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise, like `latents` (N, ...).

    Raises TypeError for latents that are not floating point and ValueError for a timestep outside
    the schedule or shapes that differ. Source: the forward process behind Eq. 5.
    """
    check_latents(latents, noise)
    level = schedule.level(timestep, latents)
    return mix(level**0.5, latents, (1 - level) ** 0.5, noise)


def predicted_original(
    latents: Tensor, predicted_noise: Tensor, timestep: Timestep, schedule: NoiseSchedule
) -> Tensor:
    """Return the x_0 (N, ...) that x_t and its noise imply; undoes `add_noise`, raises alike."""
    check_latents(latents, predicted_noise)
    return original_at(latents, predicted_noise, schedule.level(timestep, latents))


def velocity_to_noise(
    velocity: Tensor, latents: Tensor, timestep: Timestep, schedule: NoiseSchedule
) -> Tensor:
    """Return the noise in the velocity v = sqrt(abar) noise - sqrt(1 - abar) x_0.

    `velocity` (N, ...) is what a v-prediction model returns for the noisy `latents` at `timestep`.
    Raises as `add_noise` does. Source: Salimans and Ho, arXiv 2202.00512, Appendix D.
    """
    check_latents(latents, velocity)
    return noise_at(velocity, latents, schedule.level(timestep, latents))


def noise_to_velocity(
    noise: Tensor, latents: Tensor, timestep: Timestep, schedule: NoiseSchedule
) -> Tensor:
    """Return the velocity of noisy `latents` (N, ...); the inverse of `velocity_to_noise`."""
    check_latents(latents, noise)
    level = schedule.level(timestep, latents)
    return mix(level**-0.5, noise, -(((1 - level) / level) ** 0.5), latents)


def original_at(latents: Tensor, noise: Tensor, level: Level) -> Tensor:
    """`predicted_original` at a known level, unchecked."""
    return mix(level**-0.5, latents, -(((1 - level) / level) ** 0.5), noise)


def noise_at(velocity: Tensor, latents: Tensor, level: Level) -> Tensor:
    """`velocity_to_noise` at a known level, unchecked."""
    return mix(level**0.5, velocity, (1 - level) ** 0.5, latents)


def mix(a: Level, x: Tensor, b: Level, y: Tensor) -> Tensor:
    """Return a x + b y in the dtype of x, with coefficients no coarser than float32."""
    if isinstance(a, float) and isinstance(b, float):
        return torch.add(x * a, y, alpha=b).to(x.dtype)
    wide = torch.promote_types(x.dtype, torch.float32)
    a, b = (c.to(wide) if isinstance(c, Tensor) else c for c in (a, b))
    return (a * x + b * y).to(x.dtype)


def check_latents(latents: Tensor, other: Tensor) -> None:
    """Ask for latents and noise that are floating-point tensors of one shape."""
    check_real(latents=latents, noise=other)
    check_same_shape(latents=latents, noise=other)


def _check_alphas(name: str, values: Tensor) -> Tensor:
    hint = "pass one number for each training step, as in torch.tensor([0.99, 0.98])"
    if not isinstance(values, Tensor):
        raise ValueError(complaint(name, repr(values), "a tensor", hint))
    check_shape(name, values, "steps", least=1, hint=hint)
    values = values.detach().double().cpu()
    outside = ~((values > 0) & (values <= 1))  # NaN is outside too
    if outside.any():
        where = int(outside.nonzero()[0])
        hint = "was 1 - alpha passed, or a schedule with zero terminal signal?"
        came = f"{values[where]:g} at timestep {where}"
        raise ValueError(complaint(name, came, "every value in (0, 1]", hint))
    return values


def _per_step(alphas_cumprod: Tensor) -> Tensor:
    """Return alpha_t = abar_t / abar_{t-1}, so that products of alphas are exact."""
    return torch.cat([alphas_cumprod[:1], alphas_cumprod[1:] / alphas_cumprod[:-1]])

"""Sampling loops as numbers: every step of DDIM and of LCM is x' = keep x + predicted e + fresh n."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from leadbench.core.errors import ConfigError
from leadbench.nn.sampling import boundary_scalings
from leadbench.nn.schedule import NoiseSchedule, leading_timesteps


@dataclass(frozen=True)
class Update:
    """One step: the denoiser predicts noise e at ``timestep``; ``fresh`` weighs new noise n (0: none is added).

    ``signal`` and ``sigma`` are sqrt(a_t) and sqrt(1 - a_t), for preconditioned denoisers.
    """

    timestep: int
    keep: float
    predicted: float
    fresh: float
    signal: float
    sigma: float


@lru_cache(maxsize=1)
def _alphas() -> tuple[float, ...]:
    values: list[float] = NoiseSchedule.scaled_linear().alphas_cumprod.double().tolist()
    return tuple(values)


@lru_cache(maxsize=32)
def ddim_plan(steps: int) -> tuple[Update, ...]:
    """Steps of deterministic DDIM as :func:`leadbench.nn.sampling.ddim_sample` takes them.

    Raises:
        ConfigError: steps is not 1 to 999.

    >>> [update.timestep for update in ddim_plan(50)][:2]
    [981, 961]
    """
    alphas = _alphas()
    if not 1 <= steps < len(alphas):  # with the offset of 1, a step for every timestep would start beyond the last one
        raise ConfigError(f"steps: got {steps}, allowed are 1 to {len(alphas) - 1}")
    updates = []
    for timestep in leading_timesteps(steps):
        earlier = timestep - len(alphas) // steps
        now, then = alphas[timestep], alphas[max(earlier, 0)]
        keep = (then / now) ** 0.5
        predicted = (1 - then) ** 0.5 - keep * (1 - now) ** 0.5
        updates.append(Update(timestep, keep, predicted, 0.0, now**0.5, (1 - now) ** 0.5))
    return tuple(updates)


@lru_cache(maxsize=32)
def lcm_plan(timesteps: Sequence[int]) -> tuple[Update, ...]:
    """Steps of multi-step consistency sampling as :func:`leadbench.nn.sampling.lcm_sample` takes them.

    Raises:
        ConfigError: no timesteps, or one outside the schedule.
    """
    alphas = _alphas()
    if not timesteps or not all(0 <= t < len(alphas) for t in timesteps):
        raise ConfigError(f"timesteps: need one or more of 0 to {len(alphas) - 1}, got {list(timesteps)}")
    updates = []
    for timestep, following in zip(timesteps, [*timesteps[1:], None], strict=True):
        skip, out = (float(c) for c in boundary_scalings(timestep))
        signal, sigma = alphas[timestep] ** 0.5, (1 - alphas[timestep]) ** 0.5
        keep, predicted = skip + out / signal, -out * sigma / signal
        scale = 1.0 if following is None else alphas[following] ** 0.5
        fresh = 0.0 if following is None else (1 - alphas[following]) ** 0.5
        updates.append(Update(timestep, keep * scale, predicted * scale, fresh, signal, sigma))
    return tuple(updates)

"""Whether a part works on another device than the CPU: it is tried on one that is pretended, so no GPU is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from leadbench.core.contracts import GeneratedMotions, MotionMetric
from leadbench.core.device import CPU, Compute, place_of, placed
from leadbench.core.random import NoiseSource, seeded
from leadbench.core.tensors import Latent, LatentSpec, MotionBatch, MotionSpec, TextSample, mask_of
from leadbench.plugins.manager import Plugins
from leadbench.testing.findings import Finding, need, run_checks
from leadbench.testing.pretended import DEVICE, pretended_device
from leadbench.text.cache import CachedTextEncoder
from leadbench.zoo.store import ModelStore

TOLERANCE = 1e-4
"""Of the largest magnitude; what the same part may compute otherwise on the pretended device."""

_LENGTHS, _IDS = (40, 24), ("a", "b")
_CAPTIONS = ("a person walks", "someone waves with the left hand")
_THERE = Compute(DEVICE)

Part = Callable[[Compute], Tensor]


def check_moving(kind: str, name: str, part: Part | None) -> list[Finding]:
    """One finding: the part computes on the pretended device what it computes on the CPU; none where that is not asked.

    Args:
        part: makes the part anew for a device and computes something small with it.
    """
    if part is None:
        return []

    def moves() -> None:
        here = part(CPU).detach()
        try:
            with pretended_device(), torch.no_grad():
                there = part(_THERE).detach().cpu()
        except RuntimeError as exc:
            line = next(iter(str(exc).splitlines()), "")[:200]
            need(False, f"{kind} {name!r}: does not work on another device than the CPU: {line}")
        error = float((here - there).abs().max() / here.abs().max().clamp(min=1e-12))
        need(error <= TOLERANCE, f"{kind} {name!r}: computes something else on another device (by {error:.0e})")

    return run_checks({"moves to a device": moves})


def moving_part(kind: str, name: str, plugins: Plugins, models: ModelStore) -> Part | None:
    """What is tried of a registration that can be opened without a file; None for kinds that have no device."""
    if kind == "backbone":
        return lambda compute: _sampled(name, plugins, models.at(compute))
    if kind == "evaluator":
        return lambda compute: _embedded(name, plugins, models.at(compute))
    if kind == "autoencoder":
        return lambda compute: _reconstructed(name, plugins, models.at(compute))
    if kind == "text_encoder":

        def embedded(compute: Compute) -> Tensor:
            encoder = CachedTextEncoder(plugins.text_encoder(name, models.at(compute)), compute=compute)
            return encoder.encode(_CAPTIONS).tokens

        return embedded
    if kind == "metric" and getattr(plugins.metric(name, models), "on_any_device", False):
        return lambda compute: cast("MotionMetric", plugins.metric(name, models))(_motions(compute)).float()
    return None


def moving_projector(make: Callable[[], object], latent: LatentSpec) -> Part:
    """The way through a projector and back."""

    def there_and_back(compute: Compute) -> Tensor:
        projector = make()
        placed(projector, compute)
        noise = NoiseSource(0, _IDS, device=compute.device)
        values = noise.normal("check", (latent.tokens, latent.width))
        made: Tensor = projector.reproject(projector.project(Latent.full(values))).values  # type: ignore[attr-defined]
        return made

    return there_and_back


def _sampled(name: str, plugins: Plugins, models: ModelStore) -> Tensor:
    backbone = plugins.backbone(name, models)
    place = place_of(backbone.autoencoder)
    need(place == models.device, f"its autoencoder stays on {place}; {models.device} is asked for")
    mask, noise = mask_of(_LENGTHS, place), NoiseSource(0, _IDS, device=place)
    steps = min(2, backbone.default_steps)
    steps = steps if backbone.supports_steps(steps) else backbone.default_steps
    condition = backbone.text_encoder.encode(_CAPTIONS).to(place)
    guidance = backbone.default_guidance(steps)
    latent = backbone.sample(condition, mask, noise, steps=steps, guidance=guidance)
    return torch.cat([latent.values.flatten(), backbone.autoencoder.decode(latent, mask).features.flatten()])


def _reconstructed(name: str, plugins: Plugins, models: ModelStore) -> Tensor:
    with seeded(0, "check"):  # an untrained one has the same weights every time
        autoencoder = plugins.autoencoder(name, models)
    place = place_of(autoencoder)
    need(place == models.device, f"it stays on {place}; {models.device} is asked for")
    batch = _batch(autoencoder.motion)
    posterior = autoencoder.encode(batch)
    return torch.cat(
        [posterior.loc.flatten(), autoencoder.decode(Latent.full(posterior.loc), batch.mask).features.flatten()]
    )


def _embedded(name: str, plugins: Plugins, models: ModelStore) -> Tensor:
    evaluator = plugins.evaluator(name, models)
    place = place_of(evaluator)
    need(place == models.device, f"it stays on {place}; {models.device} is asked for")
    text = evaluator.embed_text([TextSample(caption, ("walk/VERB",)) for caption in _CAPTIONS])
    motion = evaluator.embed_motion(_batch(evaluator.motion))
    return torch.cat([text.flatten().cpu(), motion.flatten().cpu()])  # captions may be embedded anywhere


def _batch(spec: MotionSpec) -> MotionBatch:
    """Normalised motions on the device of their statistics."""
    mask = mask_of(_LENGTHS, spec.mean.device)
    noise = NoiseSource(0, _IDS, device=spec.mean.device).normal("check", (mask.shape[1], spec.width))
    return MotionBatch(noise * mask[..., None], mask, spec)


def _motions(compute: Compute) -> GeneratedMotions:
    mask = mask_of(_LENGTHS, compute.device)
    noise = NoiseSource(0, _IDS, device=compute.device)
    joints = noise.normal("check", (mask.shape[1], 22, 3))
    return GeneratedMotions(joints, mask, "humanml3d", 20.0, Latent.full(noise.normal("latent", (1, 4))))

"""What ``--device auto`` means on this machine, and whether each part computes there what it computes on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor

from leadbench.core.contracts import Backbone, Evaluator, Projector
from leadbench.core.device import CPU, Compute, place_of
from leadbench.core.errors import LeadbenchError
from leadbench.core.random import NoiseSource
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Latent, MotionBatch, TextSample, mask_of
from leadbench.doctor.diagnosis import Diagnosis
from leadbench.motion.features import features_to_joints
from leadbench.plugins.manager import Plugins
from leadbench.zoo.assets import chosen_compute, model_store
from leadbench.zoo.embedded import shipped

TOLERANCE = 1e-3
"""Of the largest magnitude; what a part may differ by in float32, after several steps."""

_CAPTIONS = ("a person walks forward.", "someone waves with the right hand.")
_TOKENS = ("a/DET", "person/NOUN", "walk/VERB")
_LENGTHS = (64, 40)
_BACKBONES = ("mld", "motionlcm")


def examine_device(plugins: Plugins, device: str | None) -> Iterator[Diagnosis]:
    """The device that a name, or the settings, mean here; on an accelerator each part is compared with the CPU."""
    try:
        compute = chosen_compute(device, "float32")
    except LeadbenchError as exc:
        yield Diagnosis("device", "cannot be used", str(exc))
        return
    found = compute.describe()
    memory = "" if found["memory_gib"] is None else f", {found['memory_gib']:g} GiB"
    yield Diagnosis("device", f"{device or 'auto'} is {found['device']} here: {found['name']}{memory}")
    if not compute.accelerated:
        return
    here, there = _parts(plugins, CPU), _parts(plugins, compute)
    for name in here:
        try:
            yield _compared(name, here[name](), there[name]().cpu())
        except (RuntimeError, NotImplementedError) as exc:  # an operator that the device lacks
            line = next(iter(str(exc).splitlines()), type(exc).__name__)
            yield Diagnosis(f"on the device: {name}", f"fails: {line[:160]}", "use --device cpu, and report it")


def _compared(name: str, here: Tensor, there: Tensor) -> Diagnosis:
    difference = float((here - there).abs().max() / here.abs().max())
    fix = "" if difference <= TOLERANCE else f"more than {TOLERANCE:g}: use --device cpu, and report it"
    return Diagnosis(f"on the device: {name}", f"differs from the CPU by {difference:.1e} of the largest value", fix)


def _parts(plugins: Plugins, compute: Compute) -> Mapping[str, Callable[[], Tensor]]:
    """One small computation of each part with the shipped models."""
    models = model_store(shipped().folder, plugins, compute=compute)
    backbones = {name: plugins.backbone(name, models) for name in _BACKBONES}
    first = backbones[_BACKBONES[0]]
    autoencoder = first.autoencoder
    latent = Latent.full(_noise(compute).normal("doctor", (autoencoder.latent.tokens, autoencoder.latent.width)))
    mask = mask_of(_LENGTHS, compute.device)
    motion = autoencoder.decode(latent, mask)
    skeleton = get_skeleton(autoencoder.motion.skeleton)
    return {
        "noise": partial(_noise(compute).normal, "doctor", (16,)),
        **{f"text encoder {b.text_encoder.name}": partial(_text, b) for b in backbones.values()},
        **{f"backbone {name}": partial(_sampled, backbone) for name, backbone in backbones.items()},
        "projector": partial(_realigned, models.projector(), latent),
        "decoder": lambda: motion.features,
        "encoder": lambda: autoencoder.encode(motion).loc,
        "joints": lambda: features_to_joints(motion.denormalize().features, skeleton),
        "evaluator of motions": partial(_embedded, models.evaluator(), motion),
        "evaluator of captions": partial(models.evaluator().embed_text, [TextSample(_CAPTIONS[0], _TOKENS)]),
    }


def _noise(compute: Compute) -> NoiseSource:
    return NoiseSource(0, _CAPTIONS, device=compute.device)


def _text(backbone: Backbone) -> Tensor:
    return backbone.text_encoder.encode(_CAPTIONS).tokens


def _sampled(backbone: Backbone) -> Tensor:
    place = place_of(backbone.autoencoder)
    condition = backbone.text_encoder.encode(_CAPTIONS).to(place)
    noise = NoiseSource(0, _CAPTIONS, device=place)
    steps = min(4, backbone.default_steps)
    mask, guidance = mask_of(_LENGTHS, place), backbone.default_guidance(steps)
    return backbone.sample(condition, mask, noise, steps=steps, guidance=guidance).values


def _realigned(projector: Projector, latent: Latent) -> Tensor:
    return projector.reproject(projector.project(latent)).values


def _embedded(evaluator: Evaluator, motion: MotionBatch) -> Tensor:
    with torch.no_grad():
        return evaluator.embed_motion(motion.normalize(evaluator.motion))

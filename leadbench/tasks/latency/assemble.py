"""From what a user asks for to the latency task: the shipped models, or full-size ones with random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from leadbench.core.contracts import Backbone
from leadbench.core.errors import ConfigError
from leadbench.core.presets import get_preset
from leadbench.core.provenance import sha256_file
from leadbench.plugins.hookspecs import BackboneRegistration
from leadbench.plugins.manager import Plugins
from leadbench.tasks.latency.subjects import RandomModels
from leadbench.tasks.latency.task import LatencyConfig, LatencyTask, Subject
from leadbench.zoo.assets import model_store
from leadbench.zoo.embedded import DEFAULT, shipped
from leadbench.zoo.projectors import AttachedProjector

DEVICES = ("cpu", "cuda")
_FEW = (1, 2, 4)


@dataclass(frozen=True)
class LatencyRequest:
    """What a user asks for.

    Attributes:
        backbones: registered names.
        steps: numbers of steps by backbone name; None as a key speaks to few-step backbones.
        projector: ``auto``, ``none``, files and names (:func:`leadbench.zoo.projectors.open_projectors`).
        config: preset, batches, rounds, device.
    """

    backbones: tuple[str, ...]
    steps: Mapping[str | None, Sequence[int]] = field(default_factory=dict)
    projector: str = "auto"
    config: LatencyConfig = field(default_factory=lambda: LatencyConfig(DEFAULT))


def open_latency(plugins: Plugins, request: LatencyRequest) -> LatencyTask:
    """The task; nothing is written.

    Raises:
        ConfigError: a batch below 1, or a device that is not there or that the preset cannot use.
        UnknownNameError: no such preset or backbone.
    """
    config = request.config
    check_device(config.device, config.preset)
    if min(config.batches) < 1:
        raise ConfigError(f"--batch {min(config.batches)}: must be at least 1")
    models, projectors = _models(plugins, request)
    subjects = []
    for name in request.backbones:
        backbone = plugins.create("backbone", name, models, where="--backbone")
        if not isinstance(backbone, Backbone):
            raise ConfigError(f"backbone {name!r}: its factory returned {type(backbone).__name__}")
        registration = plugins.get("backbone", name)
        display = registration.display if isinstance(registration, BackboneRegistration) else ""
        timed = config.preset == DEFAULT or backbone.text_encoder.name in ("clip", "t5")
        steps = _steps(backbone, name, request.steps)
        subjects.append(Subject(backbone, display or name, steps, projectors, timed_text=timed))
    return LatencyTask(subjects, config)


def check_device(device: str, preset: str) -> None:
    """Raise ConfigError unless the preset can be timed on the device here."""
    if device not in DEVICES:
        raise ConfigError(f"--device {device}: must be {' or '.join(DEVICES)}")
    if device == "cuda" and preset == DEFAULT:
        raise ConfigError("--device cuda: the shipped models are timed on a CPU; choose --preset paper")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch finds no such device")


def _models(plugins: Plugins, request: LatencyRequest) -> tuple[Any, tuple[AttachedProjector, ...]]:
    """A model store, or what stands for one, and the projectors to time beside every backbone."""
    config = request.config
    if config.preset != DEFAULT:
        random = RandomModels(get_preset(config.preset), torch.device(config.device))
        return random, (AttachedProjector("lead", "LEAD", None, random.projector(), "", shipped().folder),)
    models = model_store(shipped().folder, plugins)
    path = models.path("projector")
    return models, (AttachedProjector("lead", "LEAD", None, models.projector(), sha256_file(path), path),)


def _steps(backbone: Backbone, name: str, asked: Mapping[str | None, Sequence[int]]) -> tuple[int, ...]:
    few = backbone.default_steps < 10
    shared = asked.get(None) if few else None
    return tuple(asked.get(name) or shared or (_FEW if few else (backbone.default_steps,)))

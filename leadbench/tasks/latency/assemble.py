"""From what a user asks for to the latency task: the shipped models, or full-size ones with random weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from leadbench.core.contracts import Backbone, ProjectorContext, TrainableProjector
from leadbench.core.device import placed
from leadbench.core.errors import ConfigError
from leadbench.core.presets import get_preset
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.plugins.hookspecs import BackboneRegistration, ProjectorRegistration
from leadbench.plugins.manager import Plugins
from leadbench.tasks.latency.subjects import RandomModels
from leadbench.tasks.latency.task import LatencyConfig, LatencyTask, Subject
from leadbench.zoo.assets import Opened, model_store
from leadbench.zoo.embedded import DEFAULT, embedded_dataset, shipped
from leadbench.zoo.projectors import AUTO, LEAD, NONE, AttachedProjector, open_projectors

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
        ConfigError: a batch below 1, or a backbone that does not compute in the precision.
        UnknownNameError: no such preset or backbone.
    """
    config = request.config
    if min(config.batches) < 1:
        raise ConfigError(f"--batch {min(config.batches)}: must be at least 1")
    assets = _assets(plugins, request)
    subjects = []
    for name in request.backbones:
        backbone = plugins.backbone(name, assets.models)
        registration = plugins.get("backbone", name)
        display = registration.display if isinstance(registration, BackboneRegistration) else ""
        timed = config.preset == DEFAULT or backbone.text_encoder.name in ("clip", "t5")
        steps = _steps(backbone, name, request.steps)
        projectors = tuple(_projectors(assets, backbone, request.projector))
        subjects.append(Subject(backbone, display or name, steps, projectors, timed_text=timed))
    return LatencyTask(subjects, config)


def open_latency_task(opened: Opened, request: LatencyRequest) -> LatencyTask:
    """The task as the registry opens tasks; it reads no dataset."""
    return open_latency(opened.plugins, request)


@dataclass(frozen=True, eq=False)
class _Assets:
    """A model store, or what stands for one, and the plugins that read it."""

    models: Any
    plugins: Plugins


def _assets(plugins: Plugins, request: LatencyRequest) -> _Assets:
    config = request.config
    if config.preset == DEFAULT:
        models = model_store(shipped().folder, plugins, compute=config.compute)
        if not all(plugins.bundled("backbone", name) for name in request.backbones):  # it may be fitted to data
            models.dataset = HumanML3DFolder(embedded_dataset())
        return _Assets(models, plugins)
    return _Assets(RandomModels(get_preset(config.preset), config.compute), plugins)


def _projectors(assets: _Assets, backbone: Backbone, named: str) -> Iterator[AttachedProjector]:
    """The projectors to time beside a backbone; of a full-size preset each kind with random weights."""
    if not isinstance(assets.models, RandomModels):
        yield from open_projectors(assets, backbone.autoencoder, named)
        return
    for kind in dict.fromkeys(LEAD if item == AUTO else item for item in named.split(",") if item != NONE):
        projector = assets.models.projector() if kind == LEAD else _random(assets, backbone, kind)
        registration = assets.plugins.get("projector", kind, "--projector")
        display = registration.display if isinstance(registration, ProjectorRegistration) else ""
        yield AttachedProjector(kind, display or kind, None, projector, "", shipped().folder)


def _random(assets: _Assets, backbone: Backbone, kind: str) -> TrainableProjector:
    """A projector of a plugin with the weights that it starts training with."""
    preset = assets.models.preset
    assets.plugins.get("projector", kind, "--projector")
    encoder = assets.models.text_encoder(preset.teacher_encoder)
    space = backbone.autoencoder
    context = ProjectorContext(space.latent, space.fingerprint, encoder.name, encoder.dim, preset.projector)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        projector = assets.plugins.new_projector(kind, context)
    projector.network.eval().requires_grad_(False)
    placed(projector, assets.models.compute)
    return projector


def _steps(backbone: Backbone, name: str, asked: Mapping[str | None, Sequence[int]]) -> tuple[int, ...]:
    few = backbone.default_steps < 10
    shared = asked.get(None) if few else None
    return tuple(asked.get(name) or shared or (_FEW if few else (backbone.default_steps,)))

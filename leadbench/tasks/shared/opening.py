"""From names to loaded parts, for every task: backbones with their samplings and edits, evaluators, metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from leadbench.core.contracts import Backbone, Evaluator
from leadbench.core.direct import has_latent
from leadbench.core.errors import ConfigError, unknown_name
from leadbench.plugins.hookspecs import BackboneRegistration
from leadbench.plugins.manager import Plugins
from leadbench.tasks.shared.identity import inputs_identity
from leadbench.tasks.shared.realigners import Realigners
from leadbench.tasks.shared.request import RunRequest
from leadbench.tasks.shared.units import Entry, Sampling
from leadbench.zoo.assets import Opened
from leadbench.zoo.projectors import content_named
from leadbench.zoo.store import ModelStore


@dataclass(frozen=True, eq=False)
class OpenedEntries:
    """Backbones of a request, and what the reader of a table must know of their projectors.

    Attributes:
        names: registered name -> name in tables, of backbones and projectors.
        warnings, notes: for every record.
    """

    entries: tuple[Entry, ...]
    names: dict[str, str]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def open_entries(opened: Opened, request: RunRequest) -> OpenedEntries:
    """Backbones with their samplings, projectors and controls; nothing is written.

    Raises:
        UnknownNameError, ConfigError, WeightsError, LatentMismatchError: something does not fit.
    """
    unknown = [name for name in request.steps if name is not None and name not in request.backbones]
    if unknown:
        raise unknown_name("backbone", unknown[0], request.backbones, where="--steps")
    registrations = [_registration(opened.plugins, name) for name in request.backbones]
    backbones = [_backbone(opened.plugins, name, opened.models) for name in request.backbones]
    few = any(registration.few_step for registration in registrations)
    samplings = [
        _samplings(r, b, request, shared=r.few_step or not few) for r, b in zip(registrations, backbones, strict=True)
    ]
    lent = Realigners(request, opened, [backbone.autoencoder for backbone in backbones if has_latent(backbone)])
    entries = tuple(
        Entry(registration.name, backbone, chosen, tuple(lent.edits(backbone)))
        for registration, backbone, chosen in zip(registrations, backbones, samplings, strict=True)
    )
    names = {r.name: r.display or r.name for r in registrations}
    names |= {e.projector: e.display for entry in entries for e in entry.edits if e.projector is not None}
    warnings = (*lent.stamps, *(untrained(opened, name) for name in request.backbones))
    return OpenedEntries(entries, names, tuple(filter(None, warnings)), (*lent.notes, *opened.models.notes))


def request_identity(
    opened: Opened,
    request: RunRequest,
    found: OpenedEntries,
    parts: Sequence[tuple[str, str]] = (),
    metrics: Sequence[str] | None = None,
    *,
    train: bool = False,
) -> dict[str, Any]:
    """What makes two runs of a request the same: protocol, samplings, and all that the numbers depend on.

    Args:
        parts: kind and name of what was made beside the backbones.
        metrics: registered names of further metrics; None: those asked for.
        train: whether one of them looks at the train split.
    """
    return {
        "config": request.config.model_dump(mode="json"),
        "samplings": [vars(sampling) for entry in found.entries for sampling in entry.samplings],
        "projector": content_named(request.projector),
        "controls": request.controls,
        "metrics": list(request.metrics if metrics is None else metrics),
        "variants": list(request.variants),
        **inputs_identity(
            opened,
            [entry.backbone for entry in found.entries],
            splits=("train",) if request.controls or train else (),
            parts=[*(("backbone", entry.name) for entry in found.entries), *_projectors(found), *parts],
        ),
    }


def _projectors(found: OpenedEntries) -> list[tuple[str, str]]:
    return [("projector", e.projector) for entry in found.entries for e in entry.edits if e.projector is not None]


def open_evaluator(opened: Opened, name: str) -> Evaluator:
    """An evaluator by its registered name.

    Raises:
        UnknownNameError, PluginError: there is none, or its factory returns something else.
    """
    return opened.plugins.evaluator(name, opened.models)


def untrained(opened: Opened, name: str) -> str:
    """A warning of a backbone that nobody trained; empty for others."""
    if f"backbone-{name}" not in opened.models.initial:
        return ""
    return f"backbone {name!r} is not trained: it has initial weights (leadbench train diffusion --backbone {name})"


def _registration(plugins: Plugins, name: str) -> BackboneRegistration:
    registration = plugins.get("backbone", name, where="--backbone")
    assert isinstance(registration, BackboneRegistration)  # the manager checked it
    return registration


def _backbone(plugins: Plugins, name: str, models: ModelStore) -> Backbone:
    backbone = plugins.backbone(name, models)
    if getattr(backbone, "dtype", torch.float32) is not models.dtype:
        raise ConfigError(f"--precision {models.compute.precision}: backbone {name!r} computes in float32 alone")
    return backbone


def _samplings(
    registration: BackboneRegistration, backbone: Backbone, request: RunRequest, *, shared: bool
) -> tuple[Sampling, ...]:
    """Steps and guidance of a backbone; ``shared``: numbers of steps without a name speak to it, as they do to few-step
    backbones, or to all where there is none."""
    found = []
    plain = request.steps.get(None) if shared else None
    for steps in request.steps.get(registration.name) or plain or [backbone.default_steps]:
        if not backbone.supports_steps(steps):
            raise ConfigError(f"--steps: backbone {registration.name!r} does not support {steps} steps")
        for guidance in request.guidance or (backbone.default_guidance(steps),):
            found.append(Sampling(registration.name, steps, guidance))
    return tuple(found)

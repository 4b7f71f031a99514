"""From names to a benchmark: load models, check every setting, before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from leadbench.core.contracts import Backbone, Evaluator, MotionDataset, MotionMetric
from leadbench.core.errors import ConfigError, unknown_name
from leadbench.core.provenance import sha256_file
from leadbench.plugins.hookspecs import BackboneRegistration
from leadbench.plugins.manager import Plugins
from leadbench.results.store import RunStore
from leadbench.tasks.shared.realigners import Realigners
from leadbench.tasks.shared.selftest import SKIPPED, expected_row
from leadbench.tasks.shared.units import Entry, Setting
from leadbench.tasks.t2m.request import DTYPES, T2MRequest
from leadbench.tasks.t2m.task import T2MBenchmark
from leadbench.zoo.store import ModelStore


@dataclass(frozen=True, eq=False)
class Assembled:
    """A benchmark whose every part is loaded; ``description`` is what identifies the run."""

    benchmark: T2MBenchmark
    description: dict[str, Any]
    run: str


def assemble_t2m(
    request: T2MRequest, dataset: MotionDataset, plugins: Plugins, models: ModelStore, out: Path
) -> Assembled:
    """Load and check everything that ``request`` names; nothing is written.

    Raises:
        UnknownNameError, ConfigError, WeightsError, LatentMismatchError, DataError: something does not fit.
    """
    unknown = [name for name in request.steps if name is not None and name not in request.backbones]
    if unknown:
        raise unknown_name("backbone", unknown[0], request.backbones, where="--steps")
    registrations = [_registration(plugins, name) for name in request.backbones]
    samples, report = dataset.load(request.config.split, skip_bad=request.config.skip_bad_motions)
    models.dtype = DTYPES[request.dtype]
    backbones = [_create(plugins, name, models) for name in request.backbones]
    settings = [_settings(r, b, request) for r, b in zip(registrations, backbones, strict=True)]
    evaluator = _evaluator(plugins, request.evaluator, models)
    lent = Realigners(request, dataset, models, [backbone.autoencoder for backbone in backbones])
    entries = [
        Entry(backbone, chosen, {_row(label, r.display): value for label, value in lent.maps(backbone).items()})
        for r, backbone, chosen in zip(registrations, backbones, settings, strict=True)
    ]
    skipped = not request.self_test and expected_row(dataset, evaluator) is not None
    description = {**_description(request, dataset, models, settings), "evaluator": evaluator.identity}
    if skipped:
        description["self_test"] = "skipped"
    run = "t2m-" + hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:10]
    benchmark = T2MBenchmark(
        dataset=dataset,
        evaluator=evaluator,
        entries=entries,
        config=request.config,
        store=RunStore(out / dataset.name / run),
        controls=request.controls,
        samples=samples,
        stamps=(*lent.stamps, *((SKIPPED,) if skipped else ())),
        notes=(*request.notes, *report.notes, *lent.notes, *models.notes, *_dtype_notes(request)),
        metrics={name: _metric(plugins, name) for name in request.metrics},
    )
    return Assembled(benchmark, description, run)


def _registration(plugins: Plugins, name: str) -> BackboneRegistration:
    registration = plugins.get("backbone", name, where="--backbone")
    assert isinstance(registration, BackboneRegistration)
    return registration


def _create(plugins: Plugins, name: str, models: ModelStore) -> Backbone:
    backbone = plugins.create("backbone", name, models, where="--backbone")
    if not isinstance(backbone, Backbone):
        raise ConfigError(f"backbone {name!r}: its factory returned {type(backbone).__name__}, which is no Backbone")
    if getattr(backbone, "dtype", torch.float32) is not models.dtype:
        raise ConfigError(f"--dtype: backbone {name!r} computes in float32 alone")
    return backbone


def _dtype_notes(request: T2MRequest) -> list[str]:
    return [] if request.dtype == "float32" else [f"denoisers in {request.dtype}, everything else in float32"]


def _evaluator(plugins: Plugins, name: str, models: ModelStore) -> Evaluator:
    evaluator = plugins.create("evaluator", name, models, where="--evaluator")
    if not isinstance(evaluator, Evaluator):
        raise ConfigError(f"evaluator {name!r}: its factory returned {type(evaluator).__name__}, which is no Evaluator")
    return evaluator


def _metric(plugins: Plugins, name: str) -> MotionMetric:
    metric = plugins.create("metric", name, where="--metric")
    if not callable(metric):
        raise ConfigError(f"metric {name!r}: its factory returned {type(metric).__name__}, which cannot be called")
    return metric


def _settings(registration: BackboneRegistration, backbone: Backbone, request: T2MRequest) -> tuple[Setting, ...]:
    shared = request.steps.get(None) if registration.few_step else None
    steps = request.steps.get(registration.name) or shared or [backbone.default_steps]
    settings = []
    for count in steps:
        if not backbone.supports_steps(count):
            raise ConfigError(f"--steps: backbone {registration.name!r} does not support {count} steps")
        for guidance in request.guidance or (backbone.default_guidance(count),):
            settings.append(Setting(registration.name, registration.display, count, guidance))
    return tuple(settings)


def _row(label: str, display: str) -> str:
    if label == "plain":
        return display
    kind, _, variant = label.partition(" ")
    return " ".join(filter(None, ("LEAD", variant, f"({display})"))) if kind == "lead" else f"{display} + {label}"


def _description(
    request: T2MRequest, dataset: MotionDataset, models: ModelStore, settings: Sequence[tuple[Setting, ...]]
) -> dict[str, Any]:
    """What makes two runs the same: protocol, settings, data and the weights in use."""
    weights = {name: sha256_file(path) for name, path in models.used.items()}
    projector = Path(request.projector)
    return {
        "benchmark": "t2m",
        "config": request.config.model_dump(),
        "settings": [vars(setting) for chosen in settings for setting in chosen],
        "projector": sha256_file(projector) if projector.is_file() else request.projector,
        "controls": request.controls,
        "metrics": list(request.metrics),
        **({"variants": list(request.variants)} if request.variants else {}),
        **({} if request.dtype == "float32" else {"dtype": request.dtype}),
        "dataset": {"name": dataset.name, "identity": dataset.identity},
        "weights": weights,
    }

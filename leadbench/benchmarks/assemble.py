"""From names to a benchmark: load models, check every setting, before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leadbench.benchmarks.controls import clamp_to_train, latent_statistics, rescale_to_train
from leadbench.benchmarks.t2m import T2MBenchmark
from leadbench.benchmarks.units import Entry, Setting
from leadbench.config import T2MConfig
from leadbench.contracts import Backbone, Evaluator, MotionMetric, Projector
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.errors import ConfigError, WeightsError, unknown_name
from leadbench.hookspecs import BackboneRegistration
from leadbench.pipeline import LatentMap, realign
from leadbench.plugins import Plugins
from leadbench.provenance import sha256_file
from leadbench.results import RunStore
from leadbench.zoo.store import ModelStore, load_projector

ABLATED = "projector-no-align"


@dataclass(frozen=True)
class T2MRequest:
    """What a user asks for.

    Args:
        backbones: registered names.
        steps: numbers of steps by backbone name; None as a key speaks to few-step backbones.
        guidance: guidance scales to sweep; empty: each backbone's default.
        projector: ``auto``, ``none`` or a file.
        evaluator: registered name; ``guo`` is the one of the model folder.
        controls: also score the controls.
        metrics: registered names of further metrics.
        notes: sentences for the tables' captions.
        config: protocol.
    """

    backbones: tuple[str, ...]
    steps: Mapping[str | None, Sequence[int]] = field(default_factory=dict)
    guidance: tuple[float, ...] = ()
    projector: str = "auto"
    evaluator: str = "guo"
    controls: bool = False
    metrics: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    config: T2MConfig = field(default_factory=T2MConfig)


@dataclass(frozen=True, eq=False)
class Assembled:
    """A benchmark whose every part is loaded; ``description`` is what identifies the run."""

    benchmark: T2MBenchmark
    description: dict[str, Any]
    run: str


def assemble_t2m(
    request: T2MRequest, dataset: HumanML3DFolder, plugins: Plugins, models: ModelStore, out: Path
) -> Assembled:
    """Load and check everything that ``request`` names; nothing is written.

    Raises:
        UnknownNameError, ConfigError, WeightsError, LatentMismatchError, DataError: something does not fit.
    """
    unknown = [name for name in request.steps if name is not None and name not in request.backbones]
    if unknown:
        raise unknown_name("backbone", unknown[0], request.backbones, where="--steps")
    registrations = [_registration(plugins, name) for name in request.backbones]
    samples = dataset.load(request.config.split, skip_bad=request.config.skip_bad_motions)[0]
    backbones = [_create(plugins, name, models) for name in request.backbones]
    settings = [_settings(r, b, request) for r, b in zip(registrations, backbones, strict=True)]
    evaluator = _evaluator(plugins, request.evaluator, models)
    maps = _latent_maps(request, dataset, models)
    entries = [
        Entry(backbone, chosen, {_row(label, r.display): value for label, value in maps.items()})
        for r, backbone, chosen in zip(registrations, backbones, settings, strict=True)
    ]
    description = {**_description(request, dataset, models, settings), "evaluator": evaluator.identity}
    run = "t2m-" + hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:10]
    benchmark = T2MBenchmark(
        dataset=dataset,
        evaluator=evaluator,
        autoencoder=models.autoencoder(),
        entries=entries,
        config=request.config,
        store=RunStore(out / dataset.name / run),
        controls=request.controls,
        samples=samples,
        stamps=_stamps(request, models),
        notes=request.notes,
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
    return backbone


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


def _latent_maps(
    request: T2MRequest, dataset: HumanML3DFolder, models: ModelStore
) -> dict[str, tuple[str | None, LatentMap | None]]:
    """Label -> (projector's name, map); labels become row names."""
    maps: dict[str, tuple[str | None, LatentMap | None]] = {"plain": (None, None)}
    projector = _projector(request, models)
    if projector is not None:
        name = f"aligned {projector.text_encoder}"
        maps["lead"] = (name, _realign(projector, models, request))
    if request.controls:
        train = dataset.load("train", skip_bad=request.config.skip_bad_motions)[0]
        statistics = latent_statistics(models.autoencoder(), train, request.config.seed)
        maps["clamp"] = (None, clamp_to_train(statistics))
        maps["rescale"] = (None, rescale_to_train(statistics))
        if models.has(ABLATED):
            ablated = models.projector(ABLATED)
            maps["lead w/o align"] = (
                f"without alignment to {ablated.text_encoder}",
                _realign(ablated, models, request),
            )
    return maps


def _projector(request: T2MRequest, models: ModelStore) -> Projector | None:
    if request.projector == "none":
        return None
    if request.projector == "auto":
        return models.projector() if models.has("projector") else None
    path = Path(request.projector)
    if not path.is_file():
        raise WeightsError(f"--projector {path}: no such file (allowed: auto, none, or a .safetensors file)")
    return load_projector(path)


def _stamps(request: T2MRequest, models: ModelStore) -> tuple[str, ...]:
    """Warnings for every record of the run."""
    projector = _projector(request, models)
    if projector is None or projector.latent_fingerprint == models.autoencoder().fingerprint:
        return ()
    return ("the projector was trained on another latent space (--allow-latent-mismatch)",)


def _realign(projector: Projector, models: ModelStore, request: T2MRequest) -> LatentMap:
    return realign(projector, models.autoencoder(), allow_mismatch=request.config.allow_latent_mismatch)


def _row(label: str, display: str) -> str:
    names = {"plain": display, "lead": f"LEAD ({display})", "lead w/o align": f"LEAD w/o align ({display})"}
    return names.get(label, f"{display} + {label}")


def _description(
    request: T2MRequest, dataset: HumanML3DFolder, models: ModelStore, settings: Sequence[tuple[Setting, ...]]
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
        "dataset": {"name": dataset.name, "identity": dataset.identity},
        "weights": weights,
    }

"""Leadbench: a benchmark of latent realignment (LEAD) for text-to-motion latent diffusion.

What ``__all__`` lists is public and stays; everything else may move. Names are imported when they are used, so that
``import leadbench`` and plugins' registrations do not wait for torch.

>>> import leadbench
>>> round(leadbench.fid([[0.0], [2.0]], [[1.0], [3.0]]), 6)
1.0
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leadbench.api.generation import draw_motions, generate, save_motions
    from leadbench.api.models import load_backbone, load_projector, open_dataset
    from leadbench.api.results import Results, audit, judge_claims, load_results, run, save_report
    from leadbench.api.stores import pull, push
    from leadbench.api.studies import create_study, load_study, study_results
    from leadbench.api.training import train_projector
    from leadbench.core.config import T2MConfig
    from leadbench.core.contracts import (
        Backbone,
        DenoisingBackbone,
        Evaluator,
        GeneratedMotions,
        MotionAutoencoder,
        MotionBackbone,
        MotionDataset,
        MotionSets,
        Projector,
        ProjectorContext,
        TextEncoder,
        Tracker,
        TrainableAutoencoder,
        TrainableBackbone,
        TrainableMotionBackbone,
        TrainableProjector,
    )
    from leadbench.core.errors import LeadbenchError
    from leadbench.core.random import NoiseSource
    from leadbench.core.shards import gathered
    from leadbench.core.tensors import Condition, Latent, LatentSpec, MotionBatch, MotionSpec, Prediction, Projection
    from leadbench.metrics.distributions import (
        fid_infinity,
        kernel_distance,
        nearest_distances,
        precision_recall,
        vendi_score,
    )
    from leadbench.metrics.functional import diversity, fid, mm_dist, multimodality, r_precision
    from leadbench.metrics.gallery import gallery_ranks
    from leadbench.plugins.context import Context
    from leadbench.plugins.hookspecs import (
        BackboneRegistration,
        MetricRegistration,
        ProjectorRegistration,
        Registration,
        SetColumn,
        SetMetricRegistration,
        TaskRegistration,
        TextEncoderRegistration,
        hookimpl,
    )
    from leadbench.results.records import Record
    from leadbench.results.rows import Row
    from leadbench.study.create import StudyRequest
    from leadbench.study.plan import Study
    from leadbench.tasks.shared.models import ModelTask, Trial
    from leadbench.tasks.shared.units import Task, Unit

    __version__: str

__all__ = [
    "Backbone",
    "BackboneRegistration",
    "Condition",
    "Context",
    "DenoisingBackbone",
    "Evaluator",
    "GeneratedMotions",
    "Latent",
    "LatentSpec",
    "LeadbenchError",
    "MetricRegistration",
    "ModelTask",
    "MotionAutoencoder",
    "MotionBackbone",
    "MotionBatch",
    "MotionDataset",
    "MotionSets",
    "MotionSpec",
    "NoiseSource",
    "Prediction",
    "Projection",
    "Projector",
    "ProjectorContext",
    "ProjectorRegistration",
    "Record",
    "Registration",
    "Results",
    "Row",
    "SetColumn",
    "SetMetricRegistration",
    "Study",
    "StudyRequest",
    "T2MConfig",
    "Task",
    "TaskRegistration",
    "TextEncoder",
    "TextEncoderRegistration",
    "Tracker",
    "TrainableAutoencoder",
    "TrainableBackbone",
    "TrainableMotionBackbone",
    "TrainableProjector",
    "Trial",
    "Unit",
    "__version__",
    "audit",
    "create_study",
    "diversity",
    "draw_motions",
    "fid",
    "fid_infinity",
    "gallery_ranks",
    "gathered",
    "generate",
    "hookimpl",
    "judge_claims",
    "kernel_distance",
    "load_backbone",
    "load_projector",
    "load_results",
    "load_study",
    "mm_dist",
    "multimodality",
    "nearest_distances",
    "open_dataset",
    "precision_recall",
    "pull",
    "push",
    "r_precision",
    "run",
    "save_motions",
    "save_report",
    "study_results",
    "train_projector",
    "vendi_score",
]

_MODULES = {
    "leadbench.api.generation": "draw_motions generate save_motions",
    "leadbench.api.models": "load_backbone load_projector open_dataset",
    "leadbench.api.results": "Results audit judge_claims load_results run save_report",
    "leadbench.api.stores": "pull push",
    "leadbench.api.studies": "create_study load_study study_results",
    "leadbench.api.training": "train_projector",
    "leadbench.core.config": "T2MConfig",
    "leadbench.core.contracts": (
        "Backbone DenoisingBackbone Evaluator GeneratedMotions MotionAutoencoder MotionBackbone MotionDataset "
        "MotionSets Projector ProjectorContext TextEncoder Tracker TrainableAutoencoder TrainableBackbone "
        "TrainableMotionBackbone TrainableProjector"
    ),
    "leadbench.core.errors": "LeadbenchError",
    "leadbench.core.random": "NoiseSource",
    "leadbench.core.shards": "gathered",
    "leadbench.core.tensors": "Condition Latent LatentSpec MotionBatch MotionSpec Prediction Projection",
    "leadbench.metrics.distributions": ("fid_infinity kernel_distance nearest_distances precision_recall vendi_score"),
    "leadbench.metrics.gallery": "gallery_ranks",
    "leadbench.metrics.functional": "diversity fid mm_dist multimodality r_precision",
    "leadbench.plugins.context": "Context",
    "leadbench.plugins.hookspecs": (
        "BackboneRegistration MetricRegistration ProjectorRegistration Registration SetColumn SetMetricRegistration "
        "TaskRegistration TextEncoderRegistration hookimpl"
    ),
    "leadbench.results.records": "Record",
    "leadbench.results.rows": "Row",
    "leadbench.study.create": "StudyRequest",
    "leadbench.study.plan": "Study",
    "leadbench.tasks.shared.models": "ModelTask Trial",
    "leadbench.tasks.shared.units": "Task Unit",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("leadbench")
    if name not in _HOMES:
        raise AttributeError(f"module 'leadbench' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

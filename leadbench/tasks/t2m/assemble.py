"""From what a user asks for to the task: everything is loaded and checked before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leadbench.core.provenance import sha256_file
from leadbench.core.settings import settings
from leadbench.tasks.shared.opening import OpenedEntries, open_entries, open_evaluator, open_metrics
from leadbench.tasks.shared.request import RunRequest
from leadbench.tasks.shared.selftest import SKIPPED, expected_row
from leadbench.tasks.t2m.task import T2MTask
from leadbench.zoo.assets import Opened


def open_t2m(opened: Opened, request: RunRequest) -> T2MTask:
    """The text-to-motion task; nothing is written.

    Raises:
        UnknownNameError, ConfigError, WeightsError, LatentMismatchError, DataError: something does not fit.
    """
    found = open_entries(opened, request)
    samples, report = opened.dataset.load(request.config.split, skip_bad=request.config.skip_bad_motions)
    evaluator = open_evaluator(opened, request.evaluator)
    skipped = not request.self_test and expected_row(opened.dataset, evaluator) is not None
    description = {**_description(opened, request, found), "evaluator": evaluator.identity}
    if skipped:
        description["self_test"] = "skipped"
    return T2MTask(
        dataset=opened.dataset,
        evaluator=evaluator,
        entries=found.entries,
        config=request.config,
        description=description,
        names=found.names,
        encoders=opened.models.text_encoders,
        controls=request.controls,
        samples=samples,
        warnings=(*found.warnings, *((SKIPPED,) if skipped else ())),
        notes=(*request.notes, *report.notes, *found.notes),
        metrics=open_metrics(opened, request.metrics),
        self_test=settings().self_test if request.self_test else None,
    )


def _description(opened: Opened, request: RunRequest, found: OpenedEntries) -> dict[str, Any]:
    """What makes two runs the same: protocol, samplings, data and the weights in use."""
    projector = Path(request.projector)
    return {
        "config": request.config.model_dump(mode="json"),
        "samplings": [vars(sampling) for entry in found.entries for sampling in entry.samplings],
        "projector": sha256_file(projector) if projector.is_file() else request.projector,
        "controls": request.controls,
        "metrics": list(request.metrics),
        "variants": list(request.variants),
        "dtype": request.dtype,
        "dataset": {"name": opened.dataset.name, "identity": opened.dataset.identity},
        "weights": {name: sha256_file(path) for name, path in opened.models.used.items()},
    }

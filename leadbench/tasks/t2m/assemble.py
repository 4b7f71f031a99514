"""From what a user asks for to the task: everything is loaded and checked before anything is written."""

from __future__ import annotations

from leadbench.core.settings import settings
from leadbench.tasks.shared.metrics import open_metrics
from leadbench.tasks.shared.opening import (
    open_entries,
    open_evaluator,
    request_identity,
)
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
    metrics = open_metrics(opened, request.metrics)
    parts = [("evaluator", request.evaluator), *(("metric", name) for name in metrics.names)]
    description = {
        **request_identity(opened, request, found, parts, metrics.names, train=bool(metrics.sets)),
        "evaluator": evaluator.identity,
    }
    if skipped:
        description["self_test"] = "skipped"
    return T2MTask(
        dataset=opened.dataset,
        evaluator=evaluator,
        entries=found.entries,
        config=request.config,
        description=description,
        names=found.names,
        columns=metrics.columns,
        encoders=opened.models.text_encoders,
        controls=request.controls,
        samples=samples,
        warnings=(*found.warnings, *((SKIPPED,) if skipped else ())),
        notes=(*request.notes, *report.notes, *found.notes),
        metrics=metrics,
        self_test=settings().self_test if request.self_test else None,
    )

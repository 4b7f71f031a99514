"""Running tasks, and reading what they stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadbench.api.models import open_dataset
from leadbench.core.config import T2MConfig
from leadbench.core.errors import ConfigError
from leadbench.core.remote import local_copy
from leadbench.report.claims.gather import LEAD, judge_results
from leadbench.report.claims.render import render_claims
from leadbench.report.names import row_name
from leadbench.results.records import Record, Run
from leadbench.results.store import load_runs
from leadbench.tasks.audit.task import AuditRequest
from leadbench.tasks.report.assemble import write_report
from leadbench.tasks.shared.registry import open_task
from leadbench.tasks.shared.request import RunRequest
from leadbench.tasks.shared.runner import run_task
from leadbench.tasks.stored import render_run
from leadbench.zoo.assets import Opened


@dataclass(frozen=True, eq=False)
class Results:
    """Stored runs.

    Attributes:
        runs: in the order of their folders.
    """

    runs: tuple[Run, ...]

    @property
    def records(self) -> tuple[Record, ...]:
        """Of all runs."""
        return tuple(record for run in self.runs for record in run.records)

    def dicts(self) -> list[dict[str, Any]]:
        """A flat dictionary of each record: task, dataset, row's identity and name, replication, metrics."""
        return [_flat(record, run.names) for run in self.runs for record in run.records]

    def frame(self) -> Any:
        """:meth:`dicts` as a pandas DataFrame.

        Raises:
            ConfigError: pandas is not installed.
        """
        try:
            import pandas  # type: ignore[import-untyped,unused-ignore]
        except ImportError as exc:
            raise ConfigError("Results.frame needs pandas (pip install pandas); Results.dicts does not") from exc
        return pandas.DataFrame(self.dicts())

    def table(self, form: str = "github") -> str:
        """Tables of all runs.

        Args:
            form: ``github``, ``latex``, ``csv``, ``json`` or ``plain``.

        Raises:
            UnknownNameError: no such format.
        """
        return "\n\n".join(render_run(run, form) for run in self.runs)


def load_results(folder: str | Path) -> Results:
    """Every stored run in a folder or below it.

    Raises:
        ResultsError: there is none, or one cannot be read.
    """
    return Results(tuple(load_runs(local_copy(folder))))


def save_report(folders: str | Path | Sequence[str | Path], file: str | Path, *, title: str = "Results") -> Path:
    """Write one HTML page of every run below some folders, as ``leadbench report`` does without motions.

    Raises:
        ResultsError: a folder holds no run, or one cannot be read.
    """
    given = [folders] if isinstance(folders, str | Path) else folders
    return write_report(list(map(local_copy, given)), Path(file), title=title)


def judge_claims(folders: str | Path | Sequence[str | Path], *, projector: str = LEAD) -> list[dict[str, Any]]:
    """Judge the paper's claims on every run below some folders, as ``leadbench claims --format json`` does.

    Args:
        folders: with runs below them; one, or several.
        projector: whose claims: LEAD's, or a plugin's by its name.

    Returns:
        A dictionary for each dataset and evaluator. Each of its ``claims`` has a name, a statement, a verdict and the
        comparisons that decide it, with intervals.

    Raises:
        ResultsError: a folder holds no run, or one cannot be read.
    """
    given = [folders] if isinstance(folders, str | Path) else folders
    judgements = judge_results(*map(local_copy, given), projector=projector)
    found: list[dict[str, Any]] = json.loads(render_claims(judgements, "json"))
    return found


def run(
    backbones: str | Sequence[str],
    opened: Opened | None = None,
    *,
    task: str = "t2m",
    steps: Mapping[str, Sequence[int]] | Sequence[int] = (),
    projector: str = "auto",
    evaluator: str | Sequence[str] = "guo",
    metrics: Sequence[str] = (),
    config: T2MConfig | None = None,
    out: str | Path = "runs",
) -> Results:
    """Start or resume a task, as ``leadbench run`` does.

    Args:
        backbones: registered names.
        opened: of :func:`leadbench.open_dataset`; None: the embedded dataset and models.
        task: ``t2m``, or the name of a plugin's task.
        steps: of few-step backbones, or by backbone; empty: their defaults.
        projector: as the option ``--projector``.
        evaluator: registered name; several make a run each.
        metrics: further ones by name; ``all``: every one of sets of motions.
        config: protocol; None: the full one, or the quick one on the embedded dataset.
        out: folder that the records go to.

    Raises:
        LeadbenchError: something does not fit; nothing is written then.
    """
    names = (backbones,) if isinstance(backbones, str) else tuple(backbones)
    chosen = T2MConfig.quick() if config is None and opened is None else config or T2MConfig()
    wanted = steps_by_backbone(steps)
    evaluators = (evaluator,) if isinstance(evaluator, str) else tuple(evaluator)
    assets = open_dataset() if opened is None else opened
    requests = [
        RunRequest(names, wanted, projector=projector, evaluator=name, metrics=tuple(metrics), config=chosen)
        for name in evaluators
    ]
    return _done(task, assets, requests, out)


def audit(
    evaluator: str = "guo",
    opened: Opened | None = None,
    *,
    corruptions: Sequence[str] = (),
    metrics: Sequence[str] = (),
    config: T2MConfig | None = None,
    out: str | Path = "runs",
) -> Results:
    """What an evaluator notices of known corruptions of real motions, as ``leadbench evaluator audit`` does.

    Args:
        evaluator: registered name.
        opened: of :func:`leadbench.open_dataset`; None: the embedded dataset and models.
        corruptions: their names; empty: all of them.
        metrics: further ones of sets of motions, by name.
        config: protocol; None: 3 replications.
        out: folder that the records go to.

    Raises:
        LeadbenchError: something does not fit; nothing is written then.
    """
    chosen = T2MConfig(replications=3) if config is None else config
    request = AuditRequest(evaluator, tuple(corruptions), tuple(metrics), (), chosen)
    return _done("audit", open_dataset() if opened is None else opened, [request], out)


def steps_by_backbone(steps: Mapping[str, Sequence[int]] | Sequence[int]) -> dict[str | None, Sequence[int]]:
    """Steps as requests take them: those of a sequence are of every few-step backbone (key None)."""
    found: dict[str | None, Sequence[int]] = {}
    if isinstance(steps, Mapping):
        found.update(steps)
    elif steps:
        found[None] = tuple(steps)
    return found


def _done(task: str, assets: Opened, requests: Sequence[object], out: str | Path) -> Results:
    """A run for each request; all are opened before the first one starts."""
    tasks = [open_task(task, assets, request) for request in requests]
    for each in tasks:
        each.compute = assets.models.compute
    return Results(tuple(run_task(each, Path(out)) for each in tasks))


def _flat(record: Record, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "task": record.task,
        "dataset": record.dataset,
        "protocol": record.protocol,
        "name": row_name(record.row, names),
        "source": record.row.source,
        "backbone": record.row.backbone,
        "projector": record.row.projector,
        "variant": record.row.variant,
        "control": record.row.control,
        "steps": record.row.steps,
        "guidance": record.row.guidance,
        **record.row.setting,
        "replication": record.replication,
        **record.metrics,
    }

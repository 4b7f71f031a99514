"""Records to rows: replications of one identity become estimates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from leadbench.core.errors import ResultsError
from leadbench.metrics.statistics import Estimate, estimate
from leadbench.results.records import Record, Run
from leadbench.results.rows import Row

_ORDER = {"real": 0, "train": 3, "reconstruction": 1, "generated": 2, "latents": 4, "given": 5}


@dataclass(frozen=True)
class Measured:
    """A row with its estimates by metric, how many replications it has, and how many it will have."""

    row: Row
    estimates: dict[str, Estimate]
    replications: int
    planned: int = 0

    @property
    def finished(self) -> bool:
        """Whether no replication is missing."""
        return self.replications >= self.planned


def rows_of(run: Run) -> list[Measured]:
    """The rows of a run (:func:`aggregate`), which know what they miss."""
    return [replace(measured, planned=run.replications(measured.row)[1]) for measured in aggregate(run.records)]


def aggregate(records: Sequence[Record]) -> list[Measured]:
    """Group records into rows: Real, its controls, reconstruction, each backbone with projectors and controls, others.

    Backbones and their rows keep the order in which they first appear, but for steps and guidance, which ascend.

    Raises:
        ResultsError: no records, records of two tasks, datasets, protocols or evaluators, or one replication twice.
    """
    if not records:
        raise ResultsError("no records to make a table of")
    for what in ("task", "dataset", "protocol", "evaluator"):
        values = {getattr(record, what) for record in records}
        if len(values) > 1:
            raise ResultsError(
                f"records of {len(values)} {what}s do not belong in one table: {', '.join(sorted(values))}"
            )
    groups: dict[Row, list[Record]] = {}
    for record in records:
        groups.setdefault(record.row, []).append(record)
    for row, group in groups.items():
        (_, count), *_ = Counter((record.seed, record.replication) for record in group).most_common(1)
        if count > 1:
            raise ResultsError(f"row {row.key}: a replication is recorded {count} times; do not mix runs")
    return _ordered([_measured(row, group) for row, group in groups.items()])


def _measured(row: Row, group: Sequence[Record]) -> Measured:
    estimates = {}
    for metric in dict.fromkeys(name for record in group for name in record.metrics):
        values = [value for record in group if (value := record.metrics.get(metric)) is not None]
        if values:
            estimates[metric] = estimate(values)
    return Measured(row, estimates, len(group))


def _ordered(rows: Sequence[Measured]) -> list[Measured]:
    """Sort as :func:`aggregate` says; the sort is stable, so rows of one sampling stay in their order."""
    backbones = list(dict.fromkeys(m.row.backbone for m in rows if m.row.source == "generated"))

    def place(measured: Measured) -> tuple[int, int, int, float]:
        row = measured.row
        if row.source != "generated":
            return (_ORDER["train"] if row.control else _ORDER[row.source], 0, 0, 0.0)
        return (_ORDER["generated"], backbones.index(row.backbone), row.steps or 0, row.guidance or 0.0)

    return sorted(rows, key=place)

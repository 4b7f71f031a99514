"""Records of finished work: one replication of one row of one task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, FiniteFloat, model_validator

from leadbench.core.config import FrozenModel
from leadbench.results.details import AnyDetails
from leadbench.results.rows import Row

SCHEMA_VERSION = 3
PAPERS = ("fid", "r_precision_1", "r_precision_2", "r_precision_3", "mm_dist", "diversity", "multimodality")
"""Metrics that the paper's tables have; others stand behind them."""


class Computed(FrozenModel):
    """The device that computed a record (``cuda:0``), what it is, its memory, and what networks computed in."""

    device: str
    name: str
    memory_gib: float | None = None
    precision: str = "float32"

    def __str__(self) -> str:
        memory = "" if self.memory_gib is None else f", {self.memory_gib:g} GiB"
        kind = self.device.partition(":")[0]
        return f"{self.name}{memory}" + (f" ({kind})" if kind != "cpu" else "") + f" in {self.precision}"


class Record(FrozenModel):
    """One finished replication of a row.

    Attributes:
        task: registered name of the task that made it.
        dataset, protocol, evaluator: what it was measured on, by which rules, in which space; records that differ in
            one of them never meet in a table.
        row: identity of the row.
        replication, seed: what its random numbers are keyed by.
        metrics: by name; None where a metric is not available. NaN and infinity are refused.
        details: what the task records beside them.
        chunk_size: motions that were worked on together.
        seconds: by stage.
        compute: what computed it.
    """

    schema_version: int = SCHEMA_VERSION
    task: str
    dataset: str
    protocol: str
    evaluator: str
    row: Row
    replication: int = Field(0, ge=0)
    seed: int
    metrics: dict[str, FiniteFloat | None]
    details: AnyDetails
    chunk_size: int = Field(gt=0)
    seconds: dict[str, float] = Field(default_factory=dict)
    compute: Computed | None = None

    @model_validator(mode="after")
    def _one_schema_and_task(self) -> Record:
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(f"schema version {self.schema_version}, this leadbench reads {SCHEMA_VERSION}")
        if self.details.task != self.task:
            raise ValueError(f"task {self.task!r} with details of task {self.details.task!r}")
        return self

    @property
    def key(self) -> str:
        """Identity within the run: row and replication."""
        return record_key(self.row, self.replication)


def record_key(row: Row, replication: int) -> str:
    """Identity of the record of a row's replication within a run.

    >>> record_key(Row(source="real"), 2)
    '{"source":"real"}#2'
    """
    return f"{row.key}#{replication}"


class MetricColumn(FrozenModel):
    """How a metric beyond the paper's stands in tables.

    Attributes:
        display: its heading; empty: its key.
        better: +1 where higher is better, -1 lower, 0 nearest to the real motions; None: it is not ranked.
        table: title of the table that it stands in; empty: in every one, behind the paper's.
        source: registered name of the metric that gives it.
    """

    display: str = ""
    better: Literal[-1, 0, 1] | None = None
    table: str = ""
    source: str = ""


@dataclass(frozen=True, eq=False)
class Run:
    """A stored run: what was asked for, where it ran, and its records.

    Attributes:
        folder: where it is stored.
        task: registered name.
        identity: what makes two runs the same.
        names: registered name -> name in tables, of the backbones and projectors in it.
        provenance: versions, hardware, revision.
        records: in the order in which they were written.
        planned: keys of the records that it has when it is finished; empty: nobody knows.
        columns: how further metrics stand in tables, by their keys.
    """

    folder: Path
    task: str
    identity: Mapping[str, Any]
    records: tuple[Record, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    planned: frozenset[str] = frozenset()
    columns: Mapping[str, MetricColumn] = field(default_factory=dict)

    @property
    def missing(self) -> frozenset[str]:
        """Keys of the records that are not there yet."""
        return self.planned - {record.key for record in self.records}

    def replications(self, row: Row) -> tuple[int, int]:
        """How many replications of a row there are, and how many there will be."""
        there = sum(record.row == row for record in self.records)
        prefix = f"{row.key}#"
        return there, max(there, sum(key.startswith(prefix) for key in self.planned))

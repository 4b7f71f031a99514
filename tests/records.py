"""Records and runs made by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from leadbench.report.names import row_name
from leadbench.results.records import Record, Run
from leadbench.results.rows import REAL, Row
from leadbench.results.store import RunStore

REAL_ROW = REAL
MLD, LEAD_MLD = Row(backbone="mld"), Row(backbone="mld", projector="lead")


def made_record(row: Row, replication: int = 0, **changes: Any) -> Record:
    """A record of text-to-motion, unless ``changes`` say otherwise."""
    task = changes.get("task", "t2m")
    details = {"task": task, **changes.pop("details", {})}
    values: dict[str, Any] = {
        "task": task,
        "dataset": "made",
        "protocol": "guo-2022",
        "evaluator": "e",
        "row": row,
        "replication": replication,
        "seed": 0,
        "metrics": {},
        "details": details,
        "chunk_size": 1,
    }
    return Record.model_validate({**values, **changes})


def run_of(records: Iterable[Record], names: Mapping[str, str] | None = None) -> Run:
    """A run that lies nowhere."""
    found = tuple(records)
    return Run(Path("made"), found[0].task if found else "t2m", {}, found, dict(names or {}))


def write_run(folder: Path, records: Iterable[Record], identity: Mapping[str, Any] | None = None) -> Path:
    """A run folder with these records."""
    found = list(records)
    store = RunStore(folder)
    store.start(found[0].task, identity or {}, {}, {})
    for record in found:
        store.append(record)
    return folder


def named(run: Run) -> dict[str, list[Record]]:
    """Records by the name of their row, in order."""
    rows: dict[str, list[Record]] = {}
    for record in run.records:
        rows.setdefault(row_name(record.row, run.names), []).append(record)
    return rows

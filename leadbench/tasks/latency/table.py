"""The latency task as the paper compares it: seconds per prompt, and what the projector adds in per cent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leadbench.core.errors import ResultsError
from leadbench.report.names import model_name, row_name
from leadbench.report.tables.engine import Cell, Column, Document, Line, Table
from leadbench.report.tables.engine import render as render_document
from leadbench.results.details import LatencyDetails
from leadbench.results.records import Record, Run
from leadbench.results.rows import Row

PUBLISHED = (("MLD", 0.236), ("LEAD (MLD)", 0.245))
"""Seconds per prompt of the paper, section 5.3, on hardware that it does not name."""

_STAGES = ("text", "denoise", "project", "decode", "joints")
_SHOWN = (
    Column("row", "Model"),
    Column("steps_text", "Steps"),
    Column("batch", "Batch"),
    Column("seconds", "s / prompt"),
    Column("p95", "p95"),
    Column("added", "Projector adds"),
    *(Column(name, f"{name} ms") for name in _STAGES),
)


def render(run: Run, form: str = "github") -> str:
    """The table of a run of ``leadbench latency``.

    Raises:
        ResultsError: no records.
        UnknownNameError: no such format.
    """
    if not run.records:
        raise ResultsError("no records to make a table of")
    plain = {_cell_of(record.row): record for record in run.records if record.row.projector is None}
    lines = [_line(record, plain.get(_cell_of(record.row)), run.names) for record in run.records]
    blank: dict[str, Cell] = {column.key: "" for column in _SHOWN}
    for number, (name, value) in enumerate(PUBLISHED):
        added = f"{value / PUBLISHED[0][1] - 1:+.1%}" if number else ""
        cells: dict[str, Cell] = {"row": f"{name}, published", "batch": "1", "seconds": f"{value:.3f}", "added": added}
        lines.append(Line({**blank, **cells}))
    document = Document([Table("", _SHOWN, lines)], _data(run), _caption(run), _more(run))
    return render_document(document, form)


def details_of(record: Record) -> LatencyDetails:
    """Details of a record of this task."""
    assert isinstance(record.details, LatencyDetails)  # the schema of the task
    return record.details


def _more(run: Run) -> dict[str, Any]:
    published = [{"row": name, "seconds_per_prompt": value} for name, value in PUBLISHED]
    details = [{"row": row_name(r.row, run.names), **r.details.model_dump(mode="json")} for r in run.records]
    return {"published": published, "details": details}


def _data(run: Run) -> Table:
    metrics = dict.fromkeys(name for record in run.records for name in record.metrics)
    identity = ("row", "backbone", "projector", "steps", "guidance", "batch")
    lines = [
        Line({**{name: r.row.fields.get(name) for name in identity}, "row": row_name(r.row, run.names), **r.metrics})
        for r in run.records
    ]
    return Table("", [Column(name, name) for name in (*identity, *metrics)], lines)


def _cell_of(row: Row) -> Row:
    return row.model_copy(update={"projector": None})


def _line(record: Record, without: Record | None, names: Mapping[str, str]) -> Line:
    """Stage times are those of the whole batch."""
    metrics = record.metrics
    added = ""
    if record.row.projector is not None and without is not None:
        added = f"{(metrics['aits'] or 0) / (without.metrics['aits'] or 1) - 1:+.1%}"
    stages = {name: metrics.get(f"{name}.median") for name in _STAGES}
    return Line(
        {
            "row": row_name(record.row, names),
            "steps_text": str(record.row.steps),
            "batch": str(record.chunk_size),
            "seconds": f"{metrics['aits']:.4f}",
            "p95": f"{metrics['aits_p95']:.4f}",
            "added": added,
            **{name: "" if value is None else f"{1000 * value:.1f}" for name, value in stages.items()},
        }
    )


def _caption(run: Run) -> str:
    details = details_of(run.records[0])
    shown = {model_name(str(r.row.backbone), run.names): details_of(r) for r in run.records}
    parameters = "; ".join(
        f"{name}: " + ", ".join(f"{part} {count / 1e6:.2f}" for part, count in found.parameters.items())
        for name, found in shown.items()
    )
    notes = sorted({f"{name}: {note}" for name, found in shown.items() for note in found.notes})
    products = "; ".join(
        f"{row_name(r.row, run.names)}, {r.row.steps} step{'s' * (r.row.steps != 1)}: "
        f"{sum(details_of(r).multiply_accumulates.values()) / 1e9:.2f}"
        for r in run.records
        if r.row.projector is None and r.chunk_size == run.records[0].chunk_size
    )
    machine, probe = details.hardware, details.probe
    computed = run.records[0].compute
    name = (machine["gpu"] or machine["cpu"]) if computed is None else computed.name
    return " ".join(
        [
            f"{run.records[0].dataset}; {details.frames} frames; medians; {name}, "
            f"{machine['threads']} threads; matrix product {probe['product']:.0f} GFLOP/s, "
            f"copy {probe['copy']:.1f} GB/s.",
            f"Millions of parameters: {parameters}.",
            f"10^9 multiply-accumulates of batch {run.records[0].chunk_size}: {products}.",
            f"Peak memory {max(details_of(r).peak_memory_mib for r in run.records):.0f} MiB.",
            *(f"{note}." for note in notes),
            "Published times are of the paper's own hardware: only the per cent compares.",
        ]
    )

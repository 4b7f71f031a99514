"""Tables of text-to-motion: the layouts of the paper's Tables 1 and 5, and that of Table 6 for an ablation."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

from leadbench.metrics.statistics import Estimate
from leadbench.report.figures.pools import Curve
from leadbench.report.names import alignment, row_name
from leadbench.report.published import Beside, published_beside
from leadbench.report.tables.engine import Column, Document, Line, Table
from leadbench.report.tables.engine import render as render_document
from leadbench.report.tables.rows import (
    MODEL,
    STEPS,
    data_of,
    guidance_swept,
    is_model,
    line_of,
    metric_columns,
    more_tables,
)
from leadbench.results.aggregate import Measured, rows_of
from leadbench.results.details import T2MDetails
from leadbench.results.records import Record, Run
from leadbench.results.rows import REAL
from leadbench.tasks.t2m.ablation_table import ablation_document, is_ablation


def render(run: Run, form: str = "github", *, rank_published: bool = False) -> str:
    """The tables of a run; on HumanML3D and KIT-ML the paper's rows stand below the measured ones.

    Args:
        rank_published: they compete for best and second.

    Raises:
        ResultsError: no records, or records that do not belong together.
        UnknownNameError: no such format.
    """
    if is_ablation(run):
        return render_document(ablation_document(run), form)
    rows = rows_of(run)
    beside = published_beside(run.records[0].dataset, ranked=rank_published)
    return render_document(t2m_document(run, rows, beside), form)


def t2m_document(run: Run, rows: Sequence[Measured], beside: Beside | None = None) -> Document:
    """Table 5 (few-step backbones by steps) and Table 1 (one row a model), with a caption.

    Table 1 holds each backbone at its fewest steps, as the paper's MotionLCM rows are its 1-step rows.
    """
    beside = beside or Beside()
    columns = metric_columns(rows, run.columns)
    further = more_tables(rows, run.columns)
    tables = []
    stepped = _several_steps(rows)
    if stepped:
        chosen = [m for m in rows if m.row == REAL or (m.row.source == "generated" and m.row.backbone in stepped)]
        lines = [*_lines(run, chosen, by_steps=True), *beside.by_steps]
        title = "By steps (layout of Table 5)"
        tables.append(Table(title, [STEPS, MODEL, *columns], lines, second=False))
    lines = [*_lines(run, _fewest_steps(rows), by_steps=False), *beside.by_model]
    tables.append(Table("By model (layout of Table 1)", [MODEL, *columns], lines))
    tables += [_more(run, rows, title, measured) for title, measured in further.items()]
    columns += [column for measured in further.values() for column in measured]
    published = [replace(line, ranked=False) for line in (*beside.by_model, *beside.by_steps)]
    caption = " ".join([_caption(run, _fewest(rows, stepped)), *beside.notes])
    return Document(tables, data_of(rows, run, columns, published), caption)


def _more(run: Run, rows: Sequence[Measured], title: str, columns: Sequence[Column]) -> Table:
    """A table of further measures: every row, by steps where a backbone was measured at several."""
    stepped = bool(_several_steps(rows))
    chosen = [m for m in rows if any(column.key in m.estimates for column in columns)]
    return Table(title, [*([STEPS] if stepped else []), MODEL, *columns], _lines(run, chosen, by_steps=stepped))


def _lines(run: Run, rows: Sequence[Measured], *, by_steps: bool) -> list[Line]:
    """In Table 5 best only, within each number of steps; a sweep of guidance stands in the names."""
    swept = guidance_swept(rows)
    scales = {m.row.guidance for m in rows if m.row.source == "generated" and m.row.backbone in swept}
    lines = []
    for measured in rows:
        line = line_of(measured, run.names, ranked=is_model(measured), group=measured.row.steps if by_steps else None)
        if scales and measured.row.guidance is not None:
            line = replace(
                line, cells={**line.cells, "row": f"{line.cells['row']}, guidance {measured.row.guidance:g}"}
            )
        lines.append(line)
    return lines


def _several_steps(rows: Sequence[Measured]) -> set[str | None]:
    steps: dict[str | None, set[int]] = {}
    for measured in rows:
        if measured.row.source == "generated" and measured.row.steps is not None:
            steps.setdefault(measured.row.backbone, set()).add(measured.row.steps)
    return {name for name, counts in steps.items() if len(counts) > 1}


def _fewest(rows: Sequence[Measured], backbones: Container[str | None] | None = None) -> dict[str | None, int]:
    """Backbone -> the fewest steps that it was measured with."""
    fewest: dict[str | None, int] = {}
    for row in (measured.row for measured in rows):
        if row.source == "generated" and row.steps is not None and (backbones is None or row.backbone in backbones):
            fewest[row.backbone] = min(row.steps, fewest.get(row.backbone, row.steps))
    return fewest


def _fewest_steps(rows: Sequence[Measured]) -> list[Measured]:
    fewest = _fewest(rows)
    return [m for m in rows if m.row.source != "generated" or m.row.steps == fewest.get(m.row.backbone)]


def _caption(run: Run, fewest: Mapping[str | None, int]) -> str:
    records, first = run.records, run.records[0]
    replications = len({record.replication for record in records})
    with_modality = len({r.replication for r in records if r.metrics.get("multimodality") is not None})
    aligned = sorted({found for record in records if (found := _alignment(record))})
    notes = {note for record in records for note in record.details.notes}
    warnings = {warning for record in records for warning in record.details.warnings}
    parts = [
        f"Dataset {first.dataset}, {first.details.samples or '?'} {_split(first)} motions; protocol {first.protocol}; "
        f"evaluator {first.evaluator[:12]}; {replications} replications (MultiModality in {with_modality}), "
        "mean ± 95 % interval",
        "ground-truth lengths are given to the models",
        *(
            f"by model: {run.names.get(str(name), name)} at {count} step{'s' * (count > 1)}"
            for name, count in fewest.items()
        ),
        *(["projectors: " + ", ".join(aligned)] if aligned else []),
        *sorted(notes),
        *(f"WARNING: {warning}" for warning in sorted(warnings)),
    ]
    return "; ".join(parts) + "."


def _split(record: Record) -> str:
    return record.details.split if isinstance(record.details, T2MDetails) else "test"


def _alignment(record: Record) -> str | None:
    details = record.details
    if not isinstance(details, T2MDetails):
        return None
    return alignment(details.aligned, details.driven, record.row.variant)


def pool_curves(run: Run) -> list[Curve]:
    """R@1 by the size of the pool, of the rows that measured it, for a picture."""
    rows = rows_of(run)
    several = len(_several_steps(rows)) > 0
    return [found for measured in rows if (found := _curve(run, measured, several)).sizes]


def _curve(run: Run, measured: Measured, several: bool) -> Curve:
    samples = run.records[0].details.samples
    prefix = "pool_"
    found: dict[int, Estimate] = {}
    for metric, value in measured.estimates.items():
        size = metric.removeprefix(prefix)
        if metric.startswith(prefix) and (size == "all" or size.isdigit()):
            found[samples if size == "all" else int(size)] = value
    row, name = measured.row, row_name(measured.row, run.names)
    if row.source == "generated" and several:
        name = f"{name}, {row.steps} step{'s' * (row.steps != 1)}"
    if row.source == "generated" and row.backbone in guidance_swept(rows_of(run)):
        name = f"{name}, guidance {row.guidance:g}"
    if "strength" in row.setting:
        name = f"{name} {row.setting['strength']:g}"
    sizes = tuple(sorted(found))
    return Curve(name, sizes, tuple(found[size] for size in sizes))

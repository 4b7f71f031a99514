"""What tables of different tasks share: columns of metrics, lines of measured rows, data of all rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from leadbench.report.names import model_name, row_name
from leadbench.report.tables.engine import Cell, Column, Line, Table
from leadbench.results.aggregate import Measured
from leadbench.results.records import PAPERS, MetricColumn, Run
from leadbench.results.rows import REAL

MODEL, STEPS = Column("row", "Model"), Column("steps", "Steps", absent="")
METRICS = (
    Column("fid", "FID ↓", -1),
    Column("r_precision_1", "R@1 ↑", 1),
    Column("r_precision_2", "R@2 ↑", 1),
    Column("r_precision_3", "R@3 ↑", 1),
    Column("mm_dist", "MM-Dist ↓", -1),
    Column("diversity", "Diversity →", 0),
    Column("multimodality", "MModality ↑", 1),
)
"""The paper's metrics."""


_ARROWS = {1: "↑", -1: "↓", 0: "→"}


def metric_columns(rows: Sequence[Measured], known: Mapping[str, MetricColumn] | None = None) -> list[Column]:
    """The paper's columns, then one for every further metric of the rows, ranked where a direction is known; but for
    those that stand in tables of their own."""
    known = known or {}
    extra = [metric for metric in _further(rows) if not (metric in known and known[metric].table)]
    return [*METRICS, *(_column(metric, known.get(metric)) for metric in extra)]


def more_tables(rows: Sequence[Measured], known: Mapping[str, MetricColumn]) -> dict[str, list[Column]]:
    """Columns of the tables below the paper's, by title."""
    found: dict[str, list[Column]] = {}
    measured = set(_further(rows))
    for metric, column in known.items():
        if column.table and metric in measured:
            found.setdefault(column.table, []).append(_column(metric, column))
    return found


def _further(rows: Sequence[Measured]) -> list[str]:
    return list(dict.fromkeys(metric for row in rows for metric in row.estimates if metric not in PAPERS))


def _column(metric: str, known: MetricColumn | None) -> Column:
    column = known or MetricColumn()
    name = column.display or metric
    return Column(metric, name if column.better is None else f"{name} {_ARROWS[column.better]}", column.better)


def columns_named(metrics: Sequence[str]) -> list[Column]:
    """The paper's columns of these metrics, in this order."""
    known = {column.key: column for column in METRICS}
    return [known[metric] for metric in metrics]


def is_model(measured: Measured) -> bool:
    """Whether a row competes for best: a backbone, plain or with a whole projector; no control, no ablation."""
    row = measured.row
    return row.source == "generated" and row.backbone is not None and row.control is None and row.variant is None


def line_of(measured: Measured, names: Mapping[str, str], *, ranked: bool, group: int | None = None) -> Line:
    """A row as a line; the Real row is the reference. One that misses replications says so, and is not ranked."""
    row, name = measured.row, row_name(measured.row, names)
    if not measured.finished:
        name, ranked = f"{name} [{measured.replications} of {measured.planned} replications]", False
    cells: dict[str, Cell] = {"row": name, "steps": row.steps, **measured.estimates}
    return Line(cells, ranked=ranked, group=group, reference=row == REAL)


def data_of(rows: Sequence[Measured], run: Run, columns: Sequence[Column], more: Collection[Line] = ()) -> Table:
    """All rows at full precision, with their identity; ``more`` are lines of others below them."""
    settings = dict.fromkeys(name for measured in rows for name in measured.row.setting)
    identity = ("row", "source", "backbone", "projector", "variant", "control", "steps", "guidance", *settings)
    lines = []
    for measured in rows:
        fields = measured.row.fields
        cells: dict[str, Cell] = {name: fields.get(name) for name in identity}
        lines.append(Line({**cells, "row": row_name(measured.row, run.names), **measured.estimates}))
    return Table("", [*(Column(name, name) for name in identity), *columns], [*lines, *more])


def unfinished(run: Run) -> str:
    """What the reader of a table must know of a run that is not finished; empty where it is."""
    missing = len(run.missing)
    return (
        ""
        if not missing
        else (f"NOT FINISHED: {len(run.planned) - missing} of {len(run.planned)} records; the same command goes on.")
    )


def guidance_swept(rows: Sequence[Measured]) -> set[str | None]:
    """Backbones that have several guidance scales at one number of steps."""
    seen: dict[tuple[str | None, int | None], set[float | None]] = {}
    for measured in rows:
        if measured.row.source == "generated":
            seen.setdefault((measured.row.backbone, measured.row.steps), set()).add(measured.row.guidance)
    return {backbone for (backbone, _), values in seen.items() if len(values) > 1}


def models_named(run: Run, rows: Sequence[Measured]) -> str:
    """Names of the backbones of some rows, for messages."""
    return ", ".join(dict.fromkeys(model_name(m.row.backbone, run.names) for m in rows if m.row.backbone))

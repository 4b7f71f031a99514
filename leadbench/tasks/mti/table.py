"""The layouts of the paper's Tables 3 and 4, and a table of unseen styles: what words learnt from motions are worth."""

from __future__ import annotations

from collections.abc import Sequence

from leadbench.report.names import row_name
from leadbench.report.tables.engine import Column, Document, Table
from leadbench.report.tables.engine import render as render_document
from leadbench.report.tables.rows import MODEL, columns_named, data_of, line_of
from leadbench.results.aggregate import Measured, rows_of
from leadbench.results.details import MTIDetails
from leadbench.results.records import Run
from leadbench.results.rows import REAL

METRICS = ("r_precision_3", "fid", "mm_dist", "diversity")
DISTANCE = "exemplar_distance"
INITIAL = "initial"
STYLE_COLUMNS = (
    Column("style_share", "Style ↑", 1),
    Column("style_distance", "To style ↓", -1),
    Column(DISTANCE, "To exemplar ↓", -1),
)


def render(run: Run, form: str = "github") -> str:
    """Table 3 of a run of ``leadbench mti run``, and Table 4 where it holds projectors of the ablation; or the table of
    a run of ``leadbench mti styles``.

    Raises:
        ResultsError: no records, or records that do not belong together.
        UnknownNameError: no such format.
    """
    return render_document(mti_document(run), form)


def mti_document(run: Run) -> Document:
    """The tables of a run of either task."""
    rows = rows_of(run)
    if run.task == "styles":
        tables = [_table("Words of unseen styles (the question of Figure 7)", run, rows, STYLE_COLUMNS)]
    else:
        losses = [m for m in rows if m.row.variant is None]
        tables = [_table("Motion textual inversion (layout of Table 3)", run, losses)]
        if len(losses) < len(rows):
            chosen = [m for m in rows if m.row == REAL or m.row.variant is not None or _is_whole(m)]
            tables.append(_table("Projectors in motion textual inversion (layout of Table 4)", run, chosen))
    known = {column.key for column in tables[0].columns}
    extra = [Column(name, name) for m in rows for name in m.estimates if name not in known]
    columns = [*tables[0].columns[1:], *{column.key: column for column in extra}.values()]
    return Document(tables, data_of(rows, run, columns), _caption(run, rows))


def _is_whole(measured: Measured) -> bool:
    """Whether a row is that of the loss ``lead``, learnt and projected with the whole projector."""
    row = measured.row
    return row.setting.get("words") == "lead" and row.projector is not None and row.variant is None


def _table(title: str, run: Run, rows: Sequence[Measured], more: Sequence[Column] = ()) -> Table:
    lines = [line_of(m, run.names, ranked=m.row != REAL and m.row.setting.get("words") != INITIAL) for m in rows]
    return Table(title, [MODEL, *more, *columns_named(METRICS)], lines)


def _caption(run: Run, rows: Sequence[Measured]) -> str:
    first = run.records[0]
    rates = {}
    for record in run.records:
        assert isinstance(record.details, MTIDetails)  # the schema of both tasks
        if record.details.learning_rate is not None and record.row.projector is None:
            rates[row_name(record.row, run.names)] = record.details.learning_rate
    chosen = "; ".join(f"{name} {rate:g}" for name, rate in rates.items())
    near = "; ".join(
        f"{row_name(m.row, run.names)} {m.estimates[DISTANCE].mean:.3f}" for m in rows if DISTANCE in m.estimates
    )
    count = len({record.replication for record in run.records})
    return (
        f"Dataset {first.dataset}; {'; '.join(first.details.notes)}; evaluator {first.evaluator[:12]}; "
        f"{count} replications, mean ± 95 % interval. Learning rates, as a share of a word vector's root mean square, "
        f"chosen on validation: {chosen}. Mean evaluator distance to the exemplar: {near}."
    )

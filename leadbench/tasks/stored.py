"""Any stored run as its table: the registration of its task says how."""

from __future__ import annotations

from leadbench.core.errors import ResultsError
from leadbench.plugins.hookspecs import TaskRegistration, imported
from leadbench.plugins.manager import Plugins, load_plugins
from leadbench.report.published import published_beside
from leadbench.report.tables.engine import DATA_FORMATS, Column, Document, Line, Table, check_format, in_format, render
from leadbench.report.tables.rows import MODEL, STEPS, data_of, guidance_swept, line_of, metric_columns, unfinished
from leadbench.results.aggregate import rows_of
from leadbench.results.records import Run
from leadbench.tasks.t2m.ablation_table import is_ablation
from leadbench.tasks.t2m.tables import render as render_t2m

_RANKABLE = ("t2m", "score")
_GUIDANCE = Column("guidance", "Guidance", absent="")


def render_run(run: Run, form: str = "github", *, rank_published: bool = False, plugins: Plugins | None = None) -> str:
    """The tables of a run, whichever task made it; one that is not finished says so below them.

    On HumanML3D and KIT-ML the paper's rows stand below the measured ones.

    Args:
        rank_published: the paper's rows compete for best and second.
        plugins: where tasks are looked up; default: those that are installed. A run of a task that is not among them
            is printed as rows and metrics.

    Raises:
        ResultsError: there are no records.
        UnknownNameError: no such format.
    """
    check_format(form)
    if not run.records:
        raise ResultsError(f"{run.folder}: no records to make a table of")
    text = _tables(run, form, rank_published, plugins)
    notes = [note for note in (_computed(run), unfinished(run)) if note and form not in DATA_FORMATS]
    return "\n\n".join([text, *(in_format(note, form) for note in notes)])


def _computed(run: Run) -> str:
    """What computed the records, where they tell."""
    machines = dict.fromkeys(str(record.compute) for record in run.records if record.compute is not None)
    return f"Computed on {'; '.join(machines)}." if machines else ""


def _tables(run: Run, form: str, rank_published: bool, plugins: Plugins | None) -> str:
    if run.task in _RANKABLE:
        return render_t2m(run, form, rank_published=rank_published)
    known = load_plugins() if plugins is None else plugins
    registration = known.get("task", run.task) if run.task in known.names("task") else None
    if isinstance(registration, TaskRegistration) and registration.table is not None:
        return str(imported(registration.table)(run, form))
    return render_rows(run, form)


def render_rows(run: Run, form: str = "github") -> str:
    """Rows and metrics of a run as they are: what a task without a table of its own gets.

    Raises:
        ResultsError: no records, or records that do not belong together.
        UnknownNameError: no such format.
    """
    rows = rows_of(run)
    measured = [column for column in metric_columns(rows, run.columns) if any(column.key in m.estimates for m in rows)]
    stepped = any(m.row.steps is not None for m in rows)
    scaled = bool(guidance_swept(rows))
    lines = [line_of(m, run.names, ranked=False) for m in rows]
    lines = [Line({**line.cells, "guidance": m.row.guidance}) for line, m in zip(lines, rows, strict=True)]
    columns = [MODEL, *([STEPS] if stepped else []), *([_GUIDANCE] if scaled else []), *measured]
    notes = dict.fromkeys(note for record in run.records for note in record.details.notes)
    first = run.records[0]
    caption = "; ".join([f"Task {run.task}, dataset {first.dataset}, protocol {first.protocol}", *notes]) + "."
    document = Document([Table(run.task, columns, lines)], data_of(rows, run, measured), caption)
    return render(document, form)


def published_tables(run: Run) -> tuple[int, ...]:
    """The paper's tables in the layout of a run: 3 and 4, 6, or 1 and 5; none where they stand beside it anyway."""
    if run.task == "mti":
        return (3, 4)
    if run.task not in _RANKABLE:
        return ()
    if is_ablation(run):
        return (6,)
    return () if published_beside(run.records[0].dataset).by_model else (1, 5)

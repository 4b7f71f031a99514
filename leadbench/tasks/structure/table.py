"""The table of a run of ``leadbench structure``: how well actions and captions can be told from both spaces."""

from __future__ import annotations

from collections.abc import Mapping

from leadbench.core.errors import ResultsError
from leadbench.report.names import alignment, row_name
from leadbench.report.tables.engine import Between, Cell, Column, Document, Line, Table
from leadbench.report.tables.engine import render as render_document
from leadbench.results.details import StructureDetails
from leadbench.results.records import Record, Run

_METRICS = (
    Column("knn_accuracy_euclidean", "kNN, Euclidean ↑"),
    Column("knn_accuracy_cosine", "kNN, cosine ↑"),
    Column("silhouette_euclidean", "Silhouette, Euclidean ↑"),
    Column("silhouette_cosine", "Silhouette, cosine ↑"),
    Column("r_precision_1", "R@1 ↑"),
    Column("r_precision_2", "R@2 ↑"),
    Column("r_precision_3", "R@3 ↑"),
    Column("median_rank", "Median rank ↓"),
)


def render(run: Run, form: str = "github") -> str:
    """One row a space, then controls and differences; in brackets the 95 % bootstrap interval.

    Raises:
        ResultsError: no records, or records of more than one latent space or dataset.
        UnknownNameError: no such format.
    """
    if not run.records:
        raise ResultsError("no records to make a table of")
    if len({(record.dataset, record.evaluator) for record in run.records}) > 1:
        raise ResultsError("records of several datasets or latent spaces do not belong in one table")
    columns = [Column("row", "Space"), Column("width", "Width"), *_METRICS]
    shown = [_line(record, run.names, ranks=True) for record in run.records]
    data = [_line(record, run.names, ranks=False) for record in run.records]
    document = Document(
        [Table("Latent structure (Figure 3, right)", columns, shown)], Table("", columns, data), _caption(run)
    )
    return render_document(document, form)


def details_of(record: Record) -> StructureDetails:
    """Details of a record of this task."""
    assert isinstance(record.details, StructureDetails)  # the schema of the task
    return record.details


def panel_title(record: Record, metric: str) -> str:
    """What stands above the picture of a space: its numbers, and the metric that it was drawn by."""
    details = details_of(record)
    space = f"After the LEAD projector, {alignment(details.aligned)}" if record.row.projector else "Autoencoder latents"
    knn, silhouette = (
        " | ".join(f"{record.metrics[name.format(m)]:.3f}" for m in ("euclidean", "cosine"))
        for name in ("knn_accuracy_{}", "silhouette_{}")
    )
    return (
        f"{space} ({details.width} wide, t-SNE by {'Euclidean' if metric == 'euclidean' else metric})\n"
        f"kNN accuracy {knn},  silhouette {silhouette}  (Euclidean | cosine)"
    )


def verdict(record: Record) -> str:
    """The paired differences in words: of accuracies and silhouettes by each metric, with their intervals."""
    parts = []
    intervals = details_of(record).intervals
    for column in (column for column in _METRICS if column.key in intervals):
        low, high = intervals[column.key]
        title = column.title.removesuffix(" ↑")
        parts.append(f"{title} {record.metrics[column.key]:+.3f} [{low:+.3f}, {high:+.3f}]")
    return "Projected less latents, with 95 % intervals: " + "; ".join(parts)


def _line(record: Record, names: Mapping[str, str], *, ranks: bool) -> Line:
    details = details_of(record)
    cells: dict[str, Cell] = {
        "row": row_name(record.row, names),
        "width": str(details.width) if ranks else details.width,
    }
    signed = record.row.setting["space"] == "difference"
    for column in _METRICS:
        value = record.metrics.get(column.key)
        if value is not None and column.key in details.intervals:
            cells[column.key] = Between(value, *details.intervals[column.key], signed=signed)
        elif value is not None:
            cells[column.key] = f"{value:g} of {details.captions}" if ranks else value
    return Line(cells)


def _caption(run: Run) -> str:
    first, details = run.records[0], details_of(run.records[0])
    aligned = next((text for r in run.records if (text := alignment(details_of(r).aligned))), None)
    parts = [
        f"Dataset {first.dataset}, {details.labelled} of {details.samples} motions in {len(details.labels)} labels: "
        f"{details.labels_source}",
        *([f"projector {aligned}"] if aligned else []),
        f"kNN: {details.neighbours} neighbours, leave-one-out, pieces and mirrored copies of a clip left out",
        f"R@k: own caption of a motion among {details.pool} by cosine; median rank: its best caption among all",
        "PCA: both spaces in as many dimensions, since silhouettes of two widths do not compare in size",
        f"in brackets: 95 % intervals of {details.resamples} bootstrap resamples of {details.clips} clips, "
        "paired in differences",
        *details.notes,
    ]
    return "; ".join(parts) + "."

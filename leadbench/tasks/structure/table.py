"""The table of a run of ``leadbench structure``: how well actions and captions can be told from both spaces."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence

from tabulate import tabulate

from leadbench.core.errors import ResultsError
from leadbench.report.tables.t2m import check_format
from leadbench.results.spaces import DIFFERENCE, LATENTS
from leadbench.results.store import Record

_TITLES = {
    "knn_accuracy_euclidean": "kNN, Euclidean ↑",
    "knn_accuracy_cosine": "kNN, cosine ↑",
    "silhouette_euclidean": "Silhouette, Euclidean ↑",
    "silhouette_cosine": "Silhouette, cosine ↑",
    "r_precision_1": "R@1 ↑",
    "r_precision_2": "R@2 ↑",
    "r_precision_3": "R@3 ↑",
    "median_rank": "Median rank ↓",
}
_STYLES = {"github": "github", "latex": "latex_raw", "plain": "simple"}
_LATEX = (("↑", r"$\uparrow$"), ("↓", r"$\downarrow$"), (" - ", " $-$ "), ("%", r"\%"), ("_", r"\_"))


def render_structure(records: Sequence[Record], form: str = "github") -> str:
    """One row a space, then controls and differences; in brackets the 95 % bootstrap interval.

    Raises:
        ResultsError: the records are of another benchmark, or of more than one latent space or dataset.
        UnknownNameError: no such format.
    """
    check_format(form)
    if not records or any(record.protocol != "structure" for record in records):
        raise ResultsError("the records are not of latent structure (leadbench structure)")
    if len({(record.dataset, record.evaluator) for record in records}) > 1:
        raise ResultsError("records of several datasets or latent spaces do not belong in one table")
    if form == "json":
        return json.dumps(
            {"caption": _caption(records), "rows": [_as_json(r) for r in records]}, indent=2, ensure_ascii=False
        )
    if form == "csv":
        return _as_csv(records)
    header = ["Space", "Width", *_TITLES.values()]
    body = [[r.row, str(r.details["width"]), *(_cell(r, name) for name in _TITLES)] for r in records]
    title, caption = "Latent structure (Figure 3, right)", _caption(records)
    if form == "latex":
        header, body = [_latex(cell) for cell in header], [[_latex(cell) for cell in line] for line in body]
        title, caption = f"% {title}", _latex(caption)
    elif form == "github":
        title = f"**{title}**\n"
    return f"{title}\n{tabulate(body, header, _STYLES[form], disable_numparse=True)}\n\n{caption}"


def panel_title(record: Record, metric: str) -> str:
    """What stands above the picture of a space: its numbers, and the metric that it was drawn by."""
    space = "Autoencoder latents" if record.row == LATENTS else f"After the LEAD projector, {record.projector}"
    knn, silhouette = (
        " | ".join(f"{record.metrics[name.format(m)]:.3f}" for m in ("euclidean", "cosine"))
        for name in ("knn_accuracy_{}", "silhouette_{}")
    )
    return (
        f"{space} ({record.details['width']} wide, t-SNE by {'Euclidean' if metric == 'euclidean' else metric})\n"
        f"kNN accuracy {knn},  silhouette {silhouette}  (Euclidean | cosine)"
    )


def verdict(record: Record) -> str:
    """The paired differences in words: of accuracies and silhouettes by each metric, with their intervals."""
    parts = []
    for name in (n for n in _TITLES if n in record.details["intervals"]):
        low, high = record.details["intervals"][name]
        title = _TITLES[name].removesuffix(" ↑")
        parts.append(f"{title} {record.metrics[name]:+.3f} [{low:+.3f}, {high:+.3f}]")
    return "Projected less latents, with 95 % intervals: " + "; ".join(parts)


def _cell(record: Record, name: str) -> str:
    value = record.metrics.get(name)
    if value is None:
        return "—"
    if name == "median_rank":
        return f"{value:g} of {record.details['captions']}"
    sign = "+" if record.row.startswith(DIFFERENCE) else ""
    low, high = record.details["intervals"][name]
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def _caption(records: Sequence[Record]) -> str:
    details = records[0].details
    told = next((record.projector for record in records if record.projector), None)
    parts = [
        f"Dataset {records[0].dataset}, {details['labelled']} of {details['samples']} motions in "
        f"{len(details['labels'])} labels: {details['labels_source']}",
        *([f"projector {told}"] if told else []),
        f"kNN: {details['neighbours']} neighbours, leave-one-out, pieces and mirrored copies of a clip left out",
        f"R@k: own caption of a motion among {details['pool']} by cosine; median rank: its best caption among all",
        "PCA: both spaces in as many dimensions, since silhouettes of two widths do not compare in size",
        f"in brackets: 95 % intervals of {details['resamples']} bootstrap resamples of {details['clips']} clips, "
        "paired in differences",
        *details["notes"],
    ]
    return "; ".join(parts) + "."


def _as_json(record: Record) -> dict[str, object]:
    return {
        "row": record.row,
        "projector": record.projector,
        "width": record.details["width"],
        "metrics": record.metrics,
        "intervals": record.details["intervals"],
    }


def _as_csv(records: Sequence[Record]) -> str:
    """All rows at full precision."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["row", "width", *(part for name in _TITLES for part in (name, f"{name}_low", f"{name}_high"))])
    for record in records:
        intervals = record.details["intervals"]
        cells = [cell for name in _TITLES for cell in (record.metrics.get(name), *intervals.get(name, (None, None)))]
        writer.writerow([record.row, record.details["width"], *cells])
    return out.getvalue().rstrip("\n")


def _latex(cell: str) -> str:
    for plain, escaped in _LATEX:
        cell = cell.replace(plain, escaped)
    return "--" if cell == "—" else re.sub(r"(?<!\w)([+-])(?=\d)", r"$\1$", cell)

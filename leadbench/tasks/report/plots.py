"""Plots of stored runs and of cards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leadbench.metrics.ratings import crossed_test
from leadbench.metrics.statistics import t_test
from leadbench.report.names import row_name, row_with_steps
from leadbench.report.pages.charts import Chart, Difference, Point, bars, forest, lines, scatter
from leadbench.results.aggregate import Measured, rows_of
from leadbench.results.points import read_points
from leadbench.results.ratings import ratings_of
from leadbench.results.records import Record, Run
from leadbench.results.rows import Row

_SHOWN = {
    "fid": "FID (lower is better)",
    "r_precision_1": "R@1 (higher is better)",
    "r_precision_3": "R@3 (higher is better)",
    "mm_dist": "MM-Dist (lower is better)",
    "all_t2m_r1": "R@1 in the whole split (higher is better)",
}
_STAGES = ("text", "denoise", "project", "decode", "joints")


def plots(run: Run) -> list[Chart]:
    """What a run's records can show."""
    if run.task == "latency":
        return _stages(run)
    if run.task == "structure":
        return _spaces(run)
    if run.task == "study":
        return _rated(run)
    rows = rows_of(run)
    found = [*_over(run, rows, "steps", "steps"), *_over(run, rows, "guidance", "guidance scale")]
    return [*found, *_differences(run), *_norms(run)]


def _over(run: Run, rows: Sequence[Measured], what: str, axis: str) -> list[Chart]:
    """Metrics over steps or guidance, of rows that have several of them and are alike otherwise."""
    series: dict[str, list[Measured]] = {}
    other = "guidance" if what == "steps" else "steps"
    for measured in rows:
        at = getattr(measured.row, what)
        if measured.row.source == "generated" and at is not None:
            series.setdefault(_name(run, measured.row, rows, other), []).append(measured)
    series = {name: group for name, group in series.items() if len({getattr(m.row, what) for m in group}) > 1}
    charts = []
    for metric, title in _SHOWN.items():
        points = [
            Point(name, float(getattr(m.row, what)), e.mean, e.mean - e.half_width, e.mean + e.half_width)
            for name, group in series.items()
            for m in group
            if (e := m.estimates.get(metric)) is not None
        ]
        if points:
            charts.append(lines(f"{title} by {axis}", axis, points, logarithmic=what == "steps"))
    return charts


def _name(run: Run, row: Row, rows: Sequence[Measured], other: str) -> str:
    """A row's name; with its steps or guidance where the same row is there with several of them."""
    alike = [m.row for m in rows if m.row.model_copy(update={other: getattr(row, other)}) == row]
    several = len(alike) > 1
    value = getattr(row, other)
    return row_name(row, run.names) + (f", {other} {value:g}" if several and value is not None else "")


def _differences(run: Run) -> list[Chart]:
    """Each row with a projector or control less the same without, paired over replications."""
    by_row: dict[Row, list[Record]] = {}
    for record in run.records:
        if record.row.source == "generated" and not record.row.setting:
            by_row.setdefault(record.row, []).append(record)
    charts = []
    for metric, title in _SHOWN.items():
        found = []
        for row, records in by_row.items():
            plain = row.model_copy(update={"projector": None, "variant": None, "control": None})
            if row != plain and plain in by_row:
                difference = _paired(metric, by_row[plain], records)
                if difference is not None:
                    found.append(Difference(_full_name(run, row), *difference))
        if found:
            charts.append(forest(f"{title}: difference by an edit of the latents", "difference, 95 % interval", found))
    return charts


def _paired(metric: str, first: Sequence[Record], second: Sequence[Record]) -> tuple[float, float, float] | None:
    """Mean and interval of the difference; None where fewer than two replications have both."""
    values = [{r.replication: v for r in rows if (v := r.metrics.get(metric)) is not None} for rows in (first, second)]
    shared = sorted(set(values[0]) & set(values[1]))
    if len(shared) < 2:
        return None
    test = t_test([values[1][number] - values[0][number] for number in shared])
    return test.mean, test.low, test.high


def _full_name(run: Run, row: Row) -> str:
    """A row's name with its steps, and with its guidance where the backbone has several."""
    swept = len({record.row.guidance for record in run.records if record.row.backbone == row.backbone}) > 1
    guidance = f", guidance {row.guidance:g}" if swept and row.guidance is not None else ""
    return row_with_steps(row, run.names) + guidance


def _norms(run: Run) -> list[Chart]:
    """Mean norms of the latents, by row."""
    found: dict[str, list[float]] = {}
    for record in run.records:
        norm = getattr(record.details, "latent_norm", None)
        if norm is not None:
            found.setdefault(_full_name(run, record.row), []).append(norm)
    parts = [(name, "norm", sum(norms) / len(norms)) for name, norms in found.items()]
    return [bars("Norm of the latents", "mean Euclidean norm", parts, "measure")] if len(parts) > 1 else []


def _spaces(run: Run) -> list[Chart]:
    """Motions in both latent spaces by t-SNE, where the run has kept their places."""
    found = read_points(run.folder)
    if found is None:
        return []
    titles = {"latents": "Autoencoder latents", "projected": "After the projector"}
    return [
        scatter(f"{titles.get(space, space)}, by t-SNE", [*zip(places, found.labels, found.captions, strict=True)])
        for space, places in found.spaces.items()
    ]


def _rated(run: Run) -> list[Chart]:
    """Differences of the ratings of a study's two rows, with participants and pairs as random effects."""
    rows = list(dict.fromkeys(record.row for record in run.records))
    if len(rows) != 2 or len(run.records) < 4:
        return []
    found = []
    for part, title in (("realism", "Realism"), ("relevance", "Text-motion relevance")):
        first, second = (ratings_of(run.records, row, part) for row in rows)
        test = crossed_test(second - first)
        found.append(Difference(title, test.mean, test.low, test.high))
    first_name, second_name = (row_with_steps(row, run.names) for row in rows)
    title = f"Ratings of people: {second_name} less {first_name}"
    return [forest(title, "difference on a scale from 1 to 5, 95 % interval", found)]


def _stages(run: Run) -> list[Chart]:
    """Seconds of each stage, by model and batch."""
    parts = []
    for record in run.records:
        batch = record.row.setting.get("batch")
        name = f"{row_with_steps(record.row, run.names)}, batch {batch}"
        for stage in _STAGES:
            value = record.metrics.get(f"{stage}.median")
            if value is not None:
                parts.append((name, stage, value))
    return [bars("Seconds of each stage", "seconds a prompt, median", parts, "stage")] if parts else []


def training_curves(cards: Mapping[str, Mapping[str, Any]]) -> list[Chart]:
    """The validation score of each training over its steps, from its card; what a score is depends on the stage."""
    charts = []
    for name, card in cards.items():
        points = list(_history(card.get("metrics", {}).get("history")))
        if len(points) > 1:
            series = [Point(name, step, score, score, score) for step, score in points]
            charts.append(lines(f"{name}: score on the validation split", "step", series))
    return charts


def _history(history: object) -> Iterable[tuple[float, float]]:
    for entry in history if isinstance(history, list) else ():
        if isinstance(entry, Mapping) and {"step", "score"} <= set(entry):
            step, score = float(entry["step"]), float(entry["score"])
            if math.isfinite(score):
                yield step, score

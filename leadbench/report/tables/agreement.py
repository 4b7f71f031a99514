"""Whether evaluators order the same models alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from leadbench.core.errors import ResultsError
from leadbench.report.names import row_with_steps
from leadbench.report.tables.engine import Cell, Column, Document, Line, Table, render
from leadbench.results.aggregate import Measured, rows_of
from leadbench.results.records import Run
from leadbench.results.rows import Row

_METRICS = {"fid": "FID", "r_precision_1": "R@1", "r_precision_3": "R@3", "mm_dist": "MM-Dist"}
_LOWER = ("fid", "mm_dist")  # is better
_LEAST = 3  # rows that an order can be told of
COLUMNS = (
    Column("metric", "Metric"),
    Column("first", "First"),
    Column("second", "Second"),
    Column("tau", "Kendall's τ"),
    Column("rows", "Rows"),
    Column("best", "Best of each"),
)
_CAPTION = (
    "Kendall's τ-b between the orders in which two evaluators put the rows that both scored: 1 the same, 0 unrelated, "
    "-1 reversed. Rows that hardly differ count as much as others."
)


def agreement(runs: Sequence[Run], form: str = "github") -> str:
    """Rank correlations of runs that differ in their evaluators.

    Args:
        runs: of one task, dataset and protocol.
        form: format of the table.

    Raises:
        ResultsError: fewer than two evaluators, other tasks, datasets or protocols, or fewer than three shared rows.
        UnknownNameError: no such format.
    """
    _check(runs)
    names = [str(run.records[0].evaluator)[:12] for run in runs]
    rows = [{m.row: m for m in rows_of(run) if m.row.source == "generated"} for run in runs]
    lines = []
    for (a, first), (b, second) in combinations(enumerate(rows), 2):
        shared = [row for row in first if row in second]
        if len(shared) < _LEAST:
            both = f"{runs[a].folder} and {runs[b].folder}"
            raise ResultsError(f"{both}: {len(shared)} rows are in both; needed to compare orders: {_LEAST}")
        for metric, title in _METRICS.items():
            pairs = [(row, _mean(first[row], metric), _mean(second[row], metric)) for row in shared]
            known = [(row, x, y) for row, x, y in pairs if x is not None and y is not None]
            if len(known) >= _LEAST:
                lines.append(_line(title, metric, (names[a], names[b]), known, runs[a]))
    table = Table("Agreement of evaluators", COLUMNS, lines)
    return render(Document([table], table, _CAPTION), form)


def _check(runs: Sequence[Run]) -> None:
    empty = next((run for run in runs if not run.records), None)
    if empty is not None:
        raise ResultsError(f"{empty.folder}: no records")
    evaluators = {run.records[0].evaluator for run in runs}
    if len(evaluators) < 2 or len(evaluators) < len(runs):
        raise ResultsError(f"{len(runs)} runs of {len(evaluators)} evaluators; needed: two or more, each of another")
    for what in ("task", "dataset", "protocol"):
        found = sorted({str(getattr(run.records[0], what)) for run in runs})
        if len(found) > 1:
            raise ResultsError(f"runs of {len(found)} {what}s do not compare: {', '.join(found)}")


def _mean(measured: Measured, metric: str) -> float | None:
    found = measured.estimates.get(metric)
    return None if found is None else found.mean


def _line(title: str, metric: str, names: tuple[str, str], known: Sequence[tuple[Row, float, float]], run: Run) -> Line:
    from scipy.stats import kendalltau  # takes half a second to import

    tau = float(kendalltau([x for _, x, _ in known], [y for _, _, y in known]).statistic)
    choose = min if metric in _LOWER else max
    best = (choose(known, key=lambda item: item[1])[0], choose(known, key=lambda item: item[2])[0])
    told = " | ".join(dict.fromkeys(row_with_steps(row, run.names) for row in best))
    cells: dict[str, Cell] = {"metric": title, "first": names[0], "second": names[1]}
    return Line({**cells, "tau": tau, "rows": len(known), "best": told})

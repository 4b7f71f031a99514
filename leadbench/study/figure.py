"""The picture of a study: Figures 4 and 5."""

from __future__ import annotations

from pathlib import Path

from leadbench.report.figures.ratings import draw_ratings
from leadbench.report.names import row_with_steps
from leadbench.results.aggregate import rows_of
from leadbench.results.records import Run
from leadbench.study.table import ASKED, compare, details_of


def draw_study(run: Run, path: Path) -> Path:
    """Draw the mean ratings of a study with their intervals, and who took part.

    Raises:
        ResultsError: the run is no study of two rows.
    """
    sides, _ = compare(run)
    measured = {m.row: m for m in rows_of(run)}
    rows = {row_with_steps(row, run.names): [measured[row].estimates[part] for part in ASKED] for row in sides}
    details = details_of(run.records[0])
    title = f"User study: {details.samples} pairs, {len(run.records) // 2} participants"
    return draw_ratings(rows, list(ASKED.values()), details.participants, path, title=title)

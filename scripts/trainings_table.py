"""Print the means of several runs beside each other, one column a training: trainings_table.py METRIC RUN [RUN ...]."""

from __future__ import annotations

import sys
from pathlib import Path

from tabulate import tabulate

from leadbench.metrics.statistics import estimate
from leadbench.report.names import row_with_steps
from leadbench.results.aggregate import rows_of
from leadbench.results.store import RunStore


def main() -> None:
    """Print."""
    metric, runs = sys.argv[1], [RunStore(Path(folder)).load() for folder in sys.argv[2:]]
    seeds = [sorted({str(t["seed"]) for t in run.identity["trainings"].values()})[-1] for run in runs]
    measured = [{m.row: m.estimates.get(metric) for m in rows_of(run) if m.row.source == "generated"} for run in runs]
    lines = []
    for row in measured[0]:
        means = [found[row].mean for found in measured if found.get(row) is not None]
        if len(means) == len(runs):
            name = row_with_steps(row, runs[0].names)
            lines.append([name, *(f"{mean:.3f}" for mean in means), f"{estimate(means).mean:.3f}"])
    print(tabulate(lines, [metric, *(f"seed {seed}" for seed in seeds), "mean"], "github", disable_numparse=True))


if __name__ == "__main__":
    main()

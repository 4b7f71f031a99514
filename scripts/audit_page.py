"""Write README.md of a folder with audits of several evaluators: a table that compares them, then the tables of each.

Usage: audit_page.py FOLDER INTRODUCTION.md NAME=RUN [NAME=RUN ...]

A run is a folder below FOLDER or, where it is only to be compared, any other. ``cards`` below FOLDER are listed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from results_page import models_table, tables
from tabulate import tabulate

from leadbench.results.aggregate import rows_of
from leadbench.results.rows import Row
from leadbench.results.store import RunStore
from leadbench.tasks.audit.table import audit_document
from leadbench.tasks.audit.task import row_of

COLUMNS = {
    "FID, jitter 0.005": ("jitter", 0.005, "fid"),
    "0.02": ("jitter", 0.02, "fid"),
    "0.05": ("jitter", 0.05, "fid"),
    "FID, halves exchanged in all": ("shuffled-halves", 1.0, "fid"),
    "R@1, jitter 0.02": ("jitter", 0.02, "r_precision_1"),
    "R@1, 0.05": ("jitter", 0.05, "r_precision_1"),
}


def compared(runs: dict[str, Path]) -> str:
    """One row an evaluator: what jitter costs in it, and from which strength on R@1 and MM-Dist notice it."""
    lines = []
    for name, folder in runs.items():
        run = RunStore(folder).load()
        found: dict[Row, dict[str, float]] = {
            one.row: {key: value.mean for key, value in one.estimates.items()} for one in rows_of(run)
        }
        cells = [f"{found[row_of(what, strength)][key]:.3f}" for what, strength, key in COLUMNS.values()]
        noticed = next(table for table in audit_document(run).tables if table.title.startswith("Least"))
        least = {line.cells["row"].split(" ")[0]: line.cells["jitter"] for line in noticed.lines}
        real = found[Row(source="real")]["r_precision_1"]
        lines.append([name, *cells[:4], f"{real:.3f}", *cells[4:], least["R@1"], least["Precision"], least["MM-Dist"]])
    heads = ["Evaluator", *list(COLUMNS)[:4], "R@1, real", *list(COLUMNS)[4:]]
    heads += ["R@1 notices", "precision notices", "MM-Dist notices"]
    return tabulate(lines, heads, "github", disable_numparse=True)


def main() -> None:
    """Write the page."""
    folder, introduction, *given = sys.argv[1:]
    runs = {name: Path(folder) / run for name, run in (one.split("=") for one in given)}
    parts = [
        Path(introduction).read_text(encoding="utf-8").strip(),
        compared(runs),
        models_table(Path(folder) / "cards"),
    ]
    for name, run in runs.items():
        if run.parent == Path(folder):
            parts += [f"## {name}", f"The records in [{run.name}]({run.name}).", tables(Path(folder), run.name)]
    (Path(folder) / "README.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

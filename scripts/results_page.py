"""Write README.md of a results folder: cards of the models, then the tables of each run as they are stored.

Usage: results_page.py FOLDER INTRODUCTION.md RUN COMMAND SECONDS [RUN COMMAND SECONDS ...]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tabulate import tabulate

from leadbench.report.tables.diagnostics import has_diagnostics, render_diagnostics
from leadbench.results.store import RunStore
from leadbench.tasks.stored import render_run


def models_table(cards: Path) -> str:
    """One row a model: parameters, steps, minutes of training, revision."""
    rows = []
    for path in sorted(cards.glob("*.json")):
        card = json.loads(path.read_text())
        seconds, threads = card["provenance"]["training_seconds"], card["provenance"]["hardware"]["threads"]
        rows.append(
            (
                path.stem,
                f"{card['metrics']['parameters'] / 1e6:.1f} M",
                card["config"]["loop"]["steps"],
                f"{seconds / 60:.0f} min, {threads} thread{'s' * (threads > 1)}",
                card["provenance"]["revision"],
            )
        )
    return tabulate(rows, ("model", "parameters", "steps", "training", "revision"), "github")


def main() -> None:
    """Write the page."""
    folder, introduction, *rest = sys.argv[1:]
    parts = [Path(introduction).read_text().strip(), models_table(Path(folder) / "cards")]
    for run, command, seconds in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        stored = RunStore(Path(folder) / run).load()
        minutes, left = divmod(round(float(seconds)), 60)
        parts += [f"## `{command}`", f"{minutes} min {left} s; records in [{run}]({run}).", render_run(stored)]
        if has_diagnostics(stored):
            parts += ["Latent norm and foot skating (`leadbench tables --diagnostics`):", render_diagnostics(stored)]
    (Path(folder) / "README.md").write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()

"""Write README.md of a results folder: cards of the models, then the tables of each run as they are stored.

Usage: results_page.py FOLDER INTRODUCTION.md RUN COMMAND SECONDS [RUN COMMAND SECONDS ...]
       results_page.py FOLDER              render the tables of an existing page again
"""

from __future__ import annotations

import json
import re
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


def tables(folder: Path, run: str) -> str:
    """The tables of a stored run, as ``leadbench tables`` prints them."""
    stored = RunStore(folder / run).load()
    parts = [render_run(stored)]
    if has_diagnostics(stored):
        parts += ["Latent norm and foot skating (`leadbench tables --diagnostics`):", render_diagnostics(stored)]
    return "\n\n".join(parts)


def refreshed(folder: Path) -> str:
    """The page with each run's tables as they are rendered now, line for line; everything else stays."""
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        marker = re.search(r"records in \[([\w-]+)\]\(\1\)\.$", line)
        if marker is not None:
            rendered = tables(folder, marker[1]).splitlines()
            lines[number + 2 : number + 2 + len(rendered)] = rendered
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    folder, *rest = sys.argv[1:]
    if not rest:
        (Path(folder) / "README.md").write_text(refreshed(Path(folder)), encoding="utf-8")
        return
    introduction, *rest = rest
    cards = Path(folder) / "cards"
    parts = [Path(introduction).read_text().strip(), *([models_table(cards)] if cards.is_dir() else [])]
    for run, command, seconds in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        minutes, left = divmod(round(float(seconds)), 60)
        parts += [f"## `{command}`", f"{minutes} min {left} s; records in [{run}]({run}).", tables(Path(folder), run)]
    (Path(folder) / "README.md").write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()

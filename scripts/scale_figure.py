"""The figure of docs/scale.md: how far a sweep goes with the number of workers, by the model of ``sweep plan``.

    python scripts/scale_figure.py sweeps/bnr.toml docs/scale.png

Tasks that can be cut are, into 1, 8 and 32 parts. Seconds are those that the description expects; pieces without any
take none.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from leadbench.cli.sweep import options_of
from leadbench.sweep.description import read_sweep
from leadbench.sweep.estimate import Outlook, costs_of, outlook
from leadbench.sweep.pieces import pieces_of

WORKERS = (1, 2, 4, 8, 16, 32, 64)
PARTS = (1, 8, 32)


def outlooks(file: Path, changes: Sequence[str], overhead: float) -> tuple[int, list[Outlook]]:
    """Pieces of a sweep, and what each number of workers makes of them."""
    pieces = pieces_of(read_sweep(file, changes), options_of)
    seconds = {name: cost.seconds for name, cost in costs_of(pieces, ()).items() if cost.seconds is not None}
    return len(pieces), [outlook(pieces, seconds, count, overhead) for count in WORKERS]


def main() -> None:
    """Print a table, and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path)
    parser.add_argument("png", type=Path)
    parser.add_argument("--overhead", type=float, default=0.0, help="Seconds that a piece costs beside its own.")
    parser.add_argument("--seeds", type=int, default=5, help="Trainings.")
    given = parser.parse_args()
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    print("| parts | pieces | longest chain |" + "".join(f" {count} |" for count in WORKERS))
    print("|---" * (3 + len(WORKERS)) + "|")
    for parts in PARTS:
        tasks = enumerate(read_sweep(given.sweep).task)
        changes = [f"task.{number}.parts={parts}" for number, task in tasks if "part" in options_of(task.command)]
        changes.append(f"seeds={list(range(given.seeds))}")
        count, found = outlooks(given.sweep, changes, given.overhead)
        cells = "".join(f" {one.seconds / 3600:.2f} h, {one.utilisation:.0%} |" for one in found)
        print(f"| {parts} | {count} | {found[0].chain / 3600:.2f} h |{cells}")
        label = "1 part" if parts == 1 else f"{parts} parts"
        axes[0].plot(WORKERS, [found[0].seconds / one.seconds for one in found], marker="o", label=label)
        axes[1].plot(WORKERS, [100 * one.utilisation for one in found], marker="o", label=label)
    axes[0].plot(WORKERS, WORKERS, color="0.6", linestyle=":", label="ideal")
    for axis, title in zip(axes, ("Times faster than one worker", "Workers' time used, %"), strict=True):
        axis.set(xscale="log", xlabel="workers", title=title, xticks=WORKERS, xticklabels=WORKERS)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set(yscale="log", yticks=WORKERS, yticklabels=WORKERS)
    axes[0].minorticks_off()
    axes[0].legend()
    axes[1].set_ylim(0, 105)
    figure.savefig(given.png, dpi=110)


if __name__ == "__main__":
    main()

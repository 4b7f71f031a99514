"""Pictures of vector spaces: points side by side, coloured and shaped by label, as one PNG."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from leadbench.core.errors import DataError, NonFiniteError

# Okabe-Ito colours without yellow, which is faint on white; after seven labels another shape begins
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SHAPES = ("o", "^", "s", "X")
OTHER = "#CCCCCC"
_INK = "#333333"


@dataclass(frozen=True, eq=False)
class Panel:
    """One space: what stands above it, and its points [N, 2]."""

    title: str
    points: NDArray[np.float64]


def draw_spaces(panels: Sequence[Panel], labels: Sequence[str], path: Path, *, title: str, caption: str) -> Path:
    """Draw the same N motions in each panel, with one legend, and return the PNG's path.

    Labels are told by colour and shape together, the most frequent first; from the 29th on they are grey.

    Raises:
        DataError: no panel, or points that are not [N, 2] for N labels.
        NonFiniteError: NaN or infinite points.
    """
    if not panels:
        raise DataError("draw_spaces: no panel")
    for panel in panels:
        if panel.points.shape != (len(labels), 2):
            raise DataError(f"draw_spaces: points {panel.points.shape} for {len(labels)} labels, expected [N, 2]")
        if not np.isfinite(panel.points).all():
            raise NonFiniteError(f"draw_spaces: NaN or infinite points in {panel.title.splitlines()[0]!r}")
    counts = Counter(labels)
    names = sorted(counts, key=lambda name: (-counts[name], name))
    figure = Figure(figsize=(6.0 * len(panels) + 2.0, 7.4))
    FigureCanvasAgg(figure)
    width = 6.0 / figure.get_figwidth()
    for number, panel in enumerate(panels):
        axes = figure.add_axes((0.01 + number * width, 0.10, width - 0.015, 0.76))
        _draw_points(axes, panel, labels, names)
    figure.text(0.012, 0.965, title, fontsize=13, weight="bold", color=_INK, va="center")
    figure.text(0.012, 0.045, textwrap.fill(caption, 90 * len(panels)), fontsize=10, color=_INK, va="center")
    figure.legend(
        handles=[_handle(name, rank, counts[name]) for rank, name in enumerate(names[: _drawn()])]
        + ([_handle("other", _drawn(), len(labels))] if len(names) > _drawn() else []),
        loc="upper left", bbox_to_anchor=(0.005 + len(panels) * width, 0.87), frameon=False, fontsize=10,
        handletextpad=0.3, labelspacing=0.35,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, facecolor="white", bbox_inches="tight", pad_inches=0.15)
    return path


def _drawn() -> int:
    return len(COLOURS) * len(SHAPES)


def _style(rank: int) -> tuple[str, str]:
    """Colour and shape of a label by its rank."""
    if rank >= _drawn():
        return OTHER, "."
    return COLOURS[rank % len(COLOURS)], SHAPES[rank // len(COLOURS)]


def _draw_points(axes: Axes, panel: Panel, labels: Sequence[str], names: Sequence[str]) -> None:
    for rank, name in reversed(list(enumerate(names))):
        points = panel.points[[label == name for label in labels]]
        colour, shape = _style(rank)
        axes.scatter(
            points[:, 0], points[:, 1], s=34, marker=shape, c=colour, alpha=0.85, edgecolors="white", linewidths=0.4
        )
    for name in names[: _drawn()]:
        # the name stands at a motion in the middle of its label, so that it is never between two clusters
        points = panel.points[[label == name for label in labels]]
        x, y = points[np.abs(points - np.median(points, axis=0)).sum(axis=1).argmin()].tolist()
        axes.text(
            x, y, name, fontsize=8, color=_INK, ha="center", va="bottom", zorder=5,
            path_effects=[withStroke(linewidth=2.5, foreground="white", alpha=0.85)],
        )  # fmt: skip
    axes.set_title(panel.title, loc="left", fontsize=11, color=_INK)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    for spine in axes.spines.values():
        spine.set_color("#BBBBBB")


def _handle(name: str, rank: int, count: int) -> Line2D:
    colour, shape = _style(rank)
    text = name if rank >= _drawn() else f"{name} ({count})"
    return Line2D([], [], color=colour, marker=shape, linestyle="", markersize=7, label=text)

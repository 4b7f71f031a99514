"""R@1 by the size of the pool, with chance: one PNG of a run that measured ``pools``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leadbench.core.errors import DataError
from leadbench.metrics.statistics import Estimate

_INK = "#333333"


@dataclass(frozen=True)
class Curve:
    """R@1 of one row by pool size, in the order of the sizes."""

    name: str
    sizes: tuple[int, ...]
    values: tuple[Estimate, ...]


def draw_pools(curves: Sequence[Curve], path: Path, *, title: str) -> Path:
    """Draw the curves with their 95 % intervals over a logarithmic axis of sizes, chance below them; the PNG's path.

    Raises:
        DataError: no curve, or one without points.
    """
    # tables of every run import this module, for the curves
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator

    from leadbench.report.figures.spaces import COLOURS, SHAPES

    if not curves or not all(curve.sizes for curve in curves):
        raise DataError("no R@1 by size of the pool to draw (leadbench run --metric pools measures it)")
    figure = Figure(figsize=(9.0, 5.6))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.08, 0.12, 0.58, 0.78))
    for rank, curve in enumerate(curves):
        colour, shape = COLOURS[rank % len(COLOURS)], SHAPES[rank // len(COLOURS) % len(SHAPES)]
        means = [value.mean for value in curve.values]
        reach = [value.half_width or 0.0 for value in curve.values]
        axes.errorbar(
            curve.sizes, means, yerr=reach, color=colour, marker=shape, markersize=5, capsize=3, label=curve.name
        )
    sizes = sorted({size for curve in curves for size in curve.sizes})
    axes.plot(sizes, [1 / size for size in sizes], color=_INK, linestyle=":", label="chance")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([str(size) for size in sizes])
    axes.set(xlabel="motions in the pool", ylabel="R@1", ylim=(0, 1))
    axes.grid(color="#E5E5E5")
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", fontsize=11, color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, facecolor="white", bbox_inches="tight", pad_inches=0.15)
    return path

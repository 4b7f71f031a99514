"""Mean ratings of two rows with their intervals, and who took part: one PNG (the paper's Figures 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from leadbench.core.errors import DataError
from leadbench.metrics.statistics import Estimate
from leadbench.report.figures.spaces import COLOURS, OTHER

_INK = "#333333"


def draw_ratings(
    rows: Mapping[str, Sequence[Estimate]],
    asked: Sequence[str],
    participants: Mapping[str, Mapping[str, int]],
    path: Path,
    *,
    title: str,
) -> Path:
    """Draw the mean ratings of each row for each question, and beside them the answers about participants.

    Args:
        rows: name -> mean for each question.
        asked: the questions.
        participants: question -> choice -> how many; may be empty.
        path: of the PNG.
        title: above.

    Raises:
        DataError: no row, or one without a mean for each question.
    """
    if not rows or any(len(means) != len(asked) for means in rows.values()):
        raise DataError("no ratings to draw: needed are rows with a mean for each question")
    figure = Figure(figsize=(10.5 if participants else 5.5, 4.6))
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(1, 2, width_ratios=(1, 1)) if participants else figure.add_gridspec(1, 1)
    _bars(figure.add_subplot(grid[0, 0]), rows, asked)
    if participants:
        _people(figure.add_subplot(grid[0, 1]), participants)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=_INK)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, facecolor="white", bbox_inches="tight", pad_inches=0.15)
    return path


def _bars(axes: Axes, rows: Mapping[str, Sequence[Estimate]], asked: Sequence[str]) -> None:
    width = 0.8 / len(rows)
    for number, (name, means) in enumerate(rows.items()):
        places = [place + (number - (len(rows) - 1) / 2) * width for place in range(len(asked))]
        reach = [mean.half_width for mean in means]
        axes.bar(places, [mean.mean - 1 for mean in means], width * 0.92, 1, label=name, color=COLOURS[number])
        axes.errorbar(places, [mean.mean for mean in means], yerr=reach, fmt="none", ecolor=_INK, capsize=4)
        for place, mean in zip(places, means, strict=True):
            axes.text(place, 1.06, f"{mean.mean:.2f}", ha="center", color="white", fontsize=9)
    axes.set_xticks(range(len(asked)), asked)
    axes.set(ylim=(1, 5), yticks=(1, 2, 3, 4, 5), ylabel="mean rating, 95 % interval")
    axes.grid(axis="y", color="#E5E5E5")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), frameon=False, fontsize=9, ncols=2)


def _people(axes: Axes, participants: Mapping[str, Mapping[str, int]]) -> None:
    """Choices below each other, question by question, the first one on top."""
    places, counts, labels, colours, at = [], [], [], [], 0.0
    for number, (question, choices) in enumerate(participants.items()):
        axes.text(0, at - 0.75, question, fontsize=9, weight="bold", color=_INK, va="center")
        for choice, count in choices.items():
            places.append(at)
            counts.append(count)
            labels.append(choice)
            colours.append(OTHER if choice == "not said" else COLOURS[(number + 2) % len(COLOURS)])
            at += 1
        at += 1.2
    axes.barh(places, counts, 0.8, color=colours)
    axes.set_yticks(places, labels, fontsize=9)
    axes.set_ylim(at - 1.5, -1.3)
    axes.set_xlabel("participants")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)

"""How large a study must be to see a difference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from leadbench.core.errors import ResultsError
from leadbench.metrics.ratings import Spread, crossed_power
from leadbench.report.published import published
from leadbench.report.tables.engine import Cell, Column, Document, Line, Table, check_format, render
from leadbench.results.store import RunStore
from leadbench.study.table import compare

ASSUMED = Spread(participants=0.5, pairs=0.7, rest=1.1)
"""Of differences of two ratings from 1 to 5: an assumption, for who has no pilot; 1.4 in all."""
PARTICIPANTS = (5, 10, 20, 30, 40, 80)
PAIRS = (5, 10, 20, 40)
_WANTED = 0.8
_MOST = 1000


def measured_spread(pilot: Path) -> dict[str, Spread]:
    """Spread of the answers to each question of a stored study.

    Raises:
        ResultsError: it is none.
    """
    run = RunStore(pilot).load()
    if run.task != "study":
        raise ResultsError(f"--pilot {pilot}: a run of {run.task}; needed: one of leadbench study results")
    return {item.part: item.spread for item in compare(run)[1]}


def render_power(
    difference: float | None, spreads: Mapping[str, Spread], level: float = 0.05, form: str = "github"
) -> str:
    """Tables of the power by participants and pairs, and how many participants give 80 %.

    Args:
        difference: of mean ratings; None: those that the paper reports.
        spreads: question -> spread of answers; ``assumed`` speaks for all.
        level: of the test.
        form: table format.

    Raises:
        UnknownNameError: no such format.
    """
    check_format(form)
    wanted = _published() if difference is None else {"the given difference": ("", difference)}
    lines = []
    for name, (asked, size) in wanted.items():
        for question, spread in spreads.items():
            if asked and question not in ("assumed", asked):
                continue
            lines += [_line(name if asked else f"{name}, {question}", size, spread, pairs, level) for pairs in PAIRS]
    columns = [
        Column("difference", "Difference"),
        Column("size", "Size", digits=2),
        Column("pairs", "Pairs"),
        *(Column(f"power_{people}", f"{people} people", digits=2) for people in PARTICIPANTS),
        Column("needed", "People for 80 %", absent=f"> {_MOST}"),
    ]
    table = Table("Power of a study", columns, lines)
    told = "; ".join(
        f"{name}: {s.participants:.2f} between participants, {s.pairs:.2f} between pairs, {s.rest:.2f} the rest"
        for name, s in spreads.items()
    )
    caption = (
        f"Probability of finding the difference at level {level:g}, two-sided, participants and pairs random. "
        f"Standard deviations of a difference of two ratings, {told}."
    )
    return render(Document([table], table, caption), form)


def _published() -> dict[str, tuple[str, float]]:
    """Differences of the paper's Figure 5: name -> what was asked, and how large it is."""
    found = {}
    for study in published().user_study:
        for asked in ("realism", "relevance"):
            means: Mapping[str, float] = getattr(study, asked)
            found[f"{study.comparison}, {asked}"] = (asked, round(abs(means["LEAD"] - _other(means)), 2))
    return found


def _other(means: Mapping[str, float]) -> float:
    return next(value for name, value in means.items() if name != "LEAD")


def _line(name: str, size: float, spread: Spread, pairs: int, level: float) -> Line:
    cells: dict[str, Cell] = {"difference": name, "size": size, "pairs": pairs}
    cells |= {f"power_{people}": crossed_power(size, spread, people, pairs, level) for people in PARTICIPANTS}
    cells["needed"] = next(
        (people for people in range(2, _MOST + 1) if crossed_power(size, spread, people, pairs, level) >= _WANTED), None
    )
    return Line(cells)

"""The paper's own numbers, as data: every row of its Tables 1 to 6, the user study and the inference times.

They are shown beside measured rows, never ranked with them: another dataset, other models, another evaluator.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import Field

from leadbench.core.config import FrozenModel
from leadbench.core.errors import ConfigError
from leadbench.metrics.statistics import Estimate
from leadbench.report.tables.engine import Column, Document, Line, Table, render
from leadbench.report.tables.rows import METRICS, MODEL, STEPS

REAL = "Real"  # the row of the real motions, in all of the paper's tables


@dataclass(frozen=True)
class Beside:
    """Lines that are shown below the measured ones of the two layouts of text-to-motion, with notes for the caption."""

    by_model: tuple[Line, ...] = ()
    by_steps: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()


class PublishedValue(FrozenModel):
    """A mean, with the half width of its 95 % interval where the paper gives one."""

    mean: float
    half_width: float | None = None


class PublishedRow(FrozenModel):
    """A row of one of the paper's tables.

    Attributes:
        table: 1 to 6; ``row``: its name there, without the reference.
        steps: of Table 5; ``projected``: whether motions were realigned, in Tables 3 and 4.
        metrics: by the names of our records; what the paper leaves out is absent.
        note: where the paper contradicts itself.
    """

    table: int = Field(ge=1, le=6)
    row: str
    steps: int | None = None
    projected: bool | None = None
    metrics: dict[str, PublishedValue]
    note: str | None = None


class UserStudy(FrozenModel):
    """Mean ratings, 1 to 5, of two methods."""

    comparison: str
    participants: int
    realism: dict[str, float]
    relevance: dict[str, float]


class Published(FrozenModel):
    """Everything that the paper reports in numbers."""

    source: str
    datasets: dict[int, str]
    rows: tuple[PublishedRow, ...]
    inference_seconds_per_prompt: dict[str, float]
    user_study: tuple[UserStudy, ...]

    def table(self, number: int) -> tuple[PublishedRow, ...]:
        """Rows of one table.

        Raises:
            ConfigError: the paper has no such table.
        """
        if number not in self.datasets:
            raise ConfigError(f"--table {number}: the paper has tables {min(self.datasets)} to {max(self.datasets)}")
        return tuple(row for row in self.rows if row.table == number)


@cache
def published() -> Published:
    """The paper's numbers.

    >>> [row.row for row in published().table(4)]
    ['Real', 'noALIGN', 'noKL', 'noREC', 'PROJ']
    """
    return Published.model_validate(json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8")))


def render_published(number: int, form: str = "github") -> str:
    """One of the paper's tables in a format of ours.

    Raises:
        ConfigError: no such table.
        UnknownNameError: no such format.
    """
    paper = published()
    found = paper.table(number)
    title = f"Published, Table {number} ({paper.datasets[number]}): not measured here"
    steps = [STEPS] if any(row.steps is not None for row in found) else []
    table = Table(title, [*steps, MODEL, *_columns(found)], [_line(row) for row in found])
    return render(Document([table], table, "\n\n".join(f"{row.row}: {row.note}" for row in found if row.note)), form)


def _columns(rows: Sequence[PublishedRow]) -> list[Column]:
    """All of the paper's metrics, and others that these rows have."""
    known = {column.key for column in METRICS}
    extra = dict.fromkeys(metric for row in rows for metric in row.metrics if metric not in known)
    return [*METRICS, *(Column(metric, metric) for metric in extra)]


_TABLES = {"humanml3d": {"by_model": 1, "by_steps": 5}, "kit": {"by_model": 2}}


def published_beside(dataset: str, *, ranked: bool = False) -> Beside:
    """Rows of the paper's tables that belong beside measured ones of a dataset; none for datasets not in the paper.

    >>> [line.cells["row"] for line in published_beside("kit").by_model][:2], published_beside("bnr").by_model
    (['Real (paper)', 'JL2P (paper)'], ())
    """
    rows = {
        layout: tuple(
            _line(row, beside=True, ranked=ranked, by_steps=layout == "by_steps") for row in published().table(number)
        )
        for layout, number in _TABLES.get(dataset, {}).items()
    }
    if not rows:
        return Beside()
    tables = list(_TABLES[dataset].values())
    notes = [f"{row.row} (paper): {row.note}." for number in tables for row in published().table(number) if row.note]
    source = (
        f"Rows marked (paper) are published: Tables {', '.join(map(str, tables))} of {published().source}, under the "
        "evaluator of Guo et al. (guo)."
    )
    return Beside(**rows, notes=(source, *notes))


def published_real(dataset: str) -> dict[str, float] | None:
    """Metrics of the published Real row of a dataset; None for datasets not in the paper.

    >>> published_real("kit")["mm_dist"]
    2.788
    """
    number = _TABLES.get(dataset, {}).get("by_model")
    if number is None:
        return None
    row = next(row for row in published().table(number) if row.row == REAL)
    return {metric: value.mean for metric, value in row.metrics.items()}


def _line(row: PublishedRow, *, beside: bool = False, ranked: bool = False, by_steps: bool = False) -> Line:
    name = row.row if row.projected is None else f"{row.row}, {'projected' if row.projected else 'not projected'}"
    estimates = {
        metric: Estimate(value.mean, value.half_width or 0.0, 1 if value.half_width is None else 20)
        for metric, value in row.metrics.items()
    }
    cells = {"row": f"{name} (paper)" if beside else name, "steps": row.steps, **estimates}
    return Line(cells, ranked=ranked and row.row != REAL, group=row.steps if by_steps else None)

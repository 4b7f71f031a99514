"""Tables of an audit: every measure by corruption and strength, and from what strength on each notices a corruption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from leadbench.metrics.statistics import t_test
from leadbench.report.tables.engine import Column, Document, Line, Table
from leadbench.report.tables.engine import render as render_document
from leadbench.report.tables.rows import data_of, line_of, metric_columns, more_tables
from leadbench.results.aggregate import Measured, rows_of
from leadbench.results.records import Run
from leadbench.results.rows import REAL, Row
from leadbench.tasks.audit.corruptions import CORRUPTIONS
from leadbench.tasks.audit.task import NOTHING

_CORRUPTION, _STRENGTH = Column("row", "Corruption"), Column("strength", "Strength", absent="", digits=3)


@dataclass(frozen=True)
class Notice:
    """What a measure makes of a corruption.

    Attributes:
        first: the least strength from which on it is significantly worse than without; None: it never is.
        monotone: whether it gets worse from each strength to the next, from ``first`` on.
    """

    first: float | None
    monotone: bool

    def __str__(self) -> str:
        if self.first is None:
            return "never"
        return f"{self.first:g}" if self.monotone else f"{self.first:g}, not monotone"


def render(run: Run, form: str = "github") -> str:
    """The tables of a stored audit.

    Raises:
        ResultsError: no records, or records that do not belong together.
        UnknownNameError: no such format.
    """
    return render_document(audit_document(run), form)


def audit_document(run: Run) -> Document:
    """Measures by corruption, those of sets below them, and what is noticed."""
    rows = rows_of(run)
    columns = [c for c in metric_columns(rows, run.columns) if any(c.key in m.estimates for m in rows)]
    further = more_tables(rows, run.columns)
    titles = {"Real motions under corruption": columns, **further}
    every = [column for measured in titles.values() for column in measured]
    noticed = {column: _notices(run, rows, column) for column in every if column.better is not None}
    lines = _lines(rows, run)
    tables = [Table(title, [_CORRUPTION, _STRENGTH, *measured], lines) for title, measured in titles.items()]
    tables.append(_summary(noticed))
    return Document(
        tables,
        data_of(rows, run, every),
        _caption(run, rows),
        {"noticed": {c.key: {name: asdict(found) for name, found in of.items()} for c, of in noticed.items()}},
    )


def _lines(rows: Sequence[Measured], run: Run) -> list[Line]:
    lines = []
    for measured in rows:
        line = line_of(measured, run.names, ranked=False)
        strength = measured.row.setting.get("strength") if measured.row not in (REAL, NOTHING) else None
        lines.append(Line({**line.cells, "strength": strength}))
    return lines


def _summary(noticed: Mapping[Column, Mapping[str, Notice]]) -> Table:
    """One line a measure, one column a corruption."""
    names = list(dict.fromkeys(name for of in noticed.values() for name in of))
    columns = [Column("row", "Measure"), *(Column(name, name) for name in names)]
    lines = [
        Line({"row": column.title, **{name: str(found) for name, found in of.items()}})
        for column, of in noticed.items()
    ]
    return Table("Least strength that is noticed", columns, lines)


def _notices(run: Run, rows: Sequence[Measured], column: Column) -> dict[str, Notice]:
    """By corruption, of a measure; none where there is no interval."""
    of: dict[Row, dict[int, float]] = {}
    for record in run.records:
        value = record.metrics.get(column.key)
        if value is not None:
            of.setdefault(record.row, {})[record.replication] = value
    real = of.get(REAL, {})
    costs = {row: {r: _cost(v, real.get(r), column.better) for r, v in values.items()} for row, values in of.items()}
    base = costs.get(NOTHING, {})
    found: dict[str, Notice] = {}
    for name in dict.fromkeys(str(m.row.setting.get("corruption", "")) for m in rows):
        series = sorted((float(r.setting["strength"]), r) for r in costs if r.setting.get("corruption") == name)
        if name not in CORRUPTIONS or not series or len(base) < 2:
            continue
        found[name] = _notice([(strength, costs[row]) for strength, row in series], base)
    return found


def _cost(value: float, real: float | None, better: int | None) -> float:
    """How bad a value is: more is worse."""
    return abs(value - (real or 0.0)) if better == 0 else -float(better or 0) * value


def _notice(series: Sequence[tuple[float, Mapping[int, float]]], base: Mapping[int, float]) -> Notice:
    worse = []
    for _, values in series:
        shared = sorted(set(values) & set(base))
        worse.append(len(shared) > 1 and t_test([values[r] - base[r] for r in shared]).low > 0)
    # noticed from a strength on: at every greater one too
    first = next((place for place in range(len(series)) if all(worse[place:])), None)
    if first is None:
        return Notice(None, False)
    means = [sum(values.values()) / len(values) for _, values in series[first:]]
    return Notice(series[first][0], all(b > a for a, b in pairwise(means)))


def _caption(run: Run, rows: Sequence[Measured]) -> str:
    first = run.records[0]
    units = "; ".join(
        f"{name}: {CORRUPTIONS[name].unit}"
        for name in dict.fromkeys(str(m.row.setting.get("corruption", "")) for m in rows)
        if name in CORRUPTIONS
    )
    notes = sorted({note for record in run.records for note in record.details.notes})
    parts = [
        f"Dataset {first.dataset}, {first.details.samples} motions; protocol {first.protocol}; evaluator "
        f"{first.evaluator[:12]}; {len({r.replication for r in run.records})} replications, mean ± 95 % interval",
        "none: through joints and back to features",
        f"strengths: {units}",
        "noticed: worse than none at that strength and every greater one, paired over replications, p < 0.05",
        *notes,
    ]
    return "; ".join(parts) + "."

"""Two runs against each other: paired differences of the rows that both have, and what else differs between them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from leadbench.core.errors import ResultsError
from leadbench.metrics.statistics import t_test
from leadbench.report.names import row_name, row_with_steps
from leadbench.report.pages.charts import Chart, Difference, forest
from leadbench.report.pages.page import write_page
from leadbench.report.tables.engine import Between, Column, Document, Line, Table, render
from leadbench.results.records import Record, Run
from leadbench.results.rows import Row
from leadbench.results.store import RunStore

_UNTOLD = "—"


def write_comparison(first: Path, second: Path, path: Path) -> Path:
    """Write a page that says what changed from one run to another.

    Args:
        first, second: run folders of one task, dataset, protocol and evaluator; replications of both show the same
            captions, crops and noise, so their differences are paired.
        path: of the page; written whole or not at all.

    Raises:
        ResultsError: the runs do not compare, or share no row.
    """
    runs = RunStore(first).load(), RunStore(second).load()
    _check(*runs)
    changes = list(_changes(*runs))
    if not changes:
        raise ResultsError(f"{first} and {second}: no row is in both")
    content = {
        "title": f"{runs[0].folder.name} → {runs[1].folder.name}",
        "first": runs[0].folder.name,
        "second": runs[1].folder.name,
        "changes": Markup(_table(changes)),
        "charts": _charts(changes),
        "differences": Markup(_provenance(*runs)),
        "missing": _only_in(*runs),
    }
    return write_page("compare.html.j2", content, path)


def _check(first: Run, second: Run) -> None:
    if not first.records or not second.records:
        empty = first if not first.records else second
        raise ResultsError(f"{empty.folder}: no records to compare")
    a, b = first.records[0], second.records[0]
    for what in ("task", "dataset", "protocol", "evaluator"):
        if getattr(a, what) != getattr(b, what):
            raise ResultsError(
                f"{first.folder} and {second.folder}: {what} {str(getattr(a, what))[:20]} and "
                f"{str(getattr(b, what))[:20]}: their numbers do not compare"
            )
    contents = [_entry(run.identity, "dataset", "identity") for run in (first, second)]
    if contents[0] != contents[1]:
        raise ResultsError(f"{first.folder} and {second.folder}: datasets {a.dataset} of other content do not compare")


def _entry(values: Mapping[str, Any], *keys: str) -> object:
    found: object = values
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


Change = tuple[str, str, list[float], list[float]]
"""Row, metric, values of both runs over the replications that both have."""


def _changes(first: Run, second: Run) -> Iterator[Change]:
    theirs = _by_row(second)
    for row, records in _by_row(first).items():
        if row not in theirs:
            continue
        for metric in dict.fromkeys(name for record in records for name in record.metrics):
            a, b = (_values(found, metric) for found in (records, theirs[row]))
            shared = sorted(set(a) & set(b))
            if shared:
                yield row_with_steps(row, first.names), metric, [a[n] for n in shared], [b[n] for n in shared]


def _by_row(run: Run) -> dict[Row, list[Record]]:
    """Records by row; guidance is left open where a row has a single one."""
    rows = dict.fromkeys(record.row for record in run.records)
    opened = [row.model_copy(update={"guidance": None}) for row in rows]
    found: dict[Row, list[Record]] = {}
    for record in run.records:
        anyhow = record.row.model_copy(update={"guidance": None})
        found.setdefault(anyhow if opened.count(anyhow) == 1 else record.row, []).append(record)
    return found


def _values(records: list[Record], metric: str) -> dict[int, float]:
    return {r.replication: value for r in records if (value := r.metrics.get(metric)) is not None}


def _difference(a: list[float], b: list[float]) -> Between | float:
    differences = [y - x for x, y in zip(a, b, strict=True)]
    if len(differences) < 2:
        return differences[0]
    test = t_test(differences)
    return Between(test.mean, test.low, test.high, signed=True)


def _table(changes: list[Change]) -> str:
    columns = [
        Column("row", "Row"),
        Column("metric", "Metric"),
        Column("first", "First", digits=4),
        Column("second", "Second", digits=4),
        Column("change", "Change, 95 % interval", digits=4),
        Column("n", "n"),
    ]
    lines = [
        Line(
            {
                "row": name,
                "metric": metric,
                "first": sum(a) / len(a),
                "second": sum(b) / len(b),
                "change": _difference(a, b),
                "n": len(a),
            }
        )
        for name, metric, a, b in changes
    ]
    table = Table("What changed", columns, lines)
    return render(Document([table], table), "html")


def _charts(changes: list[Change]) -> list[Chart]:
    found: dict[str, list[Difference]] = {}
    for name, metric, a, b in changes:
        difference = _difference(a, b)
        if isinstance(difference, Between):
            item = Difference(name, difference.value, difference.low, difference.high)
            found.setdefault(metric, []).append(item)
    axis = "difference, 95 % interval"
    return [forest(f"{metric}: second less first", axis, items) for metric, items in found.items()]


def _provenance(first: Run, second: Run) -> str:
    """What of identity and provenance differs."""
    sides = [dict(_flat({"identity": run.identity, "provenance": run.provenance})) for run in (first, second)]
    keys = sorted(set(sides[0]) | set(sides[1]))
    lines = [
        Line({"what": key, "first": sides[0].get(key, _UNTOLD), "second": sides[1].get(key, _UNTOLD)})
        for key in keys
        if sides[0].get(key) != sides[1].get(key)
    ]
    columns = [Column("what", "What"), Column("first", "First"), Column("second", "Second")]
    table = Table("What else differs", columns, lines)
    return render(Document([table], table), "html")


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield name, text if len(text) <= 60 else f"{text[:57]}..."


def _only_in(first: Run, second: Run) -> list[str]:
    rows = [_by_row(run) for run in (first, second)]
    found = []
    for which, there, other, run in (("first", rows[0], rows[1], first), ("second", rows[1], rows[0], second)):
        names = dict.fromkeys(row_name(row, run.names) for row in there if row not in other)
        if names:
            found.append(f"Only in the {which}: {', '.join(names)}.")
    return found

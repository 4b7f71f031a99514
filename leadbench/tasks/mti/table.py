"""The layouts of the paper's Tables 3 and 4, and a table of unseen styles: what words learnt from motions are worth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from leadbench.core.errors import ResultsError
from leadbench.report.tables.t2m import (
    REAL,
    Column,
    TableRow,
    aggregate,
    check_format,
    columns_named,
    in_format,
    render_columns,
)
from leadbench.results.store import Record

METRICS = ("r_precision_3", "fid", "mm_dist", "diversity")
DISTANCE = "exemplar_distance"
INITIAL = "Initial word"
PROTOCOLS = ("mti", "styles")
STYLE_COLUMNS = (
    Column("style_share", "Style ↑", 1),
    Column("style_distance", "To style ↓", -1),
    Column(DISTANCE, "To exemplar ↓", -1),
)
_WHOLE = "MTI lead + project"
_ABLATED = ("MTI lead, w/o align", "MTI lead, w/o KL", "MTI lead, w/o rec")


def render_inversion(records: Sequence[Record], form: str = "github") -> str:
    """Table 3 of a run of ``leadbench mti run``, and Table 4 where it holds projectors of the ablation.

    Raises:
        ResultsError: the records are of another benchmark.
    """
    check_format(form)
    if any(record.protocol not in PROTOCOLS for record in records):
        raise ResultsError("the records are not of motion textual inversion (leadbench mti run)")
    rows = aggregate(records)
    if form == "json":
        content = [{"row": row.name, "metrics": {m: asdict(e) for m, e in row.estimates.items()}} for row in rows]
        return json.dumps(content, indent=2, ensure_ascii=False)
    if records[0].protocol == "styles":
        table = _table("Words of unseen styles (the question of Figure 7)", rows, form, STYLE_COLUMNS)
        return table if form == "csv" else f"{table}\n\n{in_format(_caption(records, rows), form)}"
    ablated = [row for row in rows if row.name.startswith(_ABLATED)]
    losses = [row for row in rows if row not in ablated]
    parts = [_table("Motion textual inversion (layout of Table 3)", losses, form)]
    if ablated:
        chosen = [row for row in rows if row.name in (REAL, _WHOLE) or row in ablated]
        parts.append(_table("Projectors in motion textual inversion (layout of Table 4)", chosen, form))
    if form == "csv":
        return _table("", rows, form)
    return "\n\n".join([*parts, in_format(_caption(records, rows), form)])


def _table(title: str, rows: Sequence[TableRow], form: str, more: Sequence[Column] = ()) -> str:
    ranked = [row for row in rows if row.name != REAL and not row.name.startswith(INITIAL)]
    return render_columns(title, rows, [*more, *columns_named(METRICS)], form, ranked=ranked)


def _caption(records: Sequence[Record], rows: Sequence[TableRow]) -> str:
    first = records[0]
    rates = {r.row: r.details["learning_rate"] for r in records if r.details.get("learning_rate") is not None}
    told = "; ".join(f"{row} {rate:g}" for row, rate in rates.items() if "+" not in row)
    near = "; ".join(f"{row.name} {row.estimates[DISTANCE].mean:.3f}" for row in rows if DISTANCE in row.estimates)
    count = len({record.replication for record in records})
    return (
        f"Dataset {first.dataset}; {'; '.join(first.details['notes'])}; evaluator {first.evaluator[:12]}; "
        f"{count} replications, mean ± 95 % interval. Learning rates, as a share of a word vector's root mean square, "
        f"chosen on validation: {told}. Mean evaluator distance to the exemplar: {near}."
    )

"""The layout of the paper's Table 3: losses of motion textual inversion, with and without projection."""

from __future__ import annotations

import json
from collections.abc import Sequence

from leadbench.errors import ResultsError
from leadbench.results import Record
from leadbench.table import REAL, aggregate, check_format, render_columns

METRICS = ("r_precision_3", "fid", "mm_dist", "diversity")
DISTANCE = "exemplar_distance"


def render_inversion(records: Sequence[Record], form: str = "github") -> str:
    """Table 3 of a run of ``leadbench mti run``.

    Raises:
        ResultsError: the records are of another benchmark.
    """
    check_format(form)
    if any(record.protocol != "mti" for record in records):
        raise ResultsError("the records are not of motion textual inversion (leadbench mti run)")
    rows = aggregate(records)
    if form == "json":
        content = [{"row": r.name, "metrics": {m: vars(e) for m, e in r.estimates.items()}} for r in rows]
        return json.dumps(content, indent=2, ensure_ascii=False)
    ranked = [row for row in rows if row.name not in (REAL, "Initial word")]
    table = render_columns("Motion textual inversion (layout of Table 3)", rows, METRICS, form, ranked=ranked)
    first = records[0]
    rates = {r.row: r.details["learning_rate"] for r in records if "learning_rate" in r.details}
    told = "; ".join(f"{row} {rate:g}" for row, rate in rates.items() if "+" not in row)
    near = "; ".join(f"{row.name} {row.estimates[DISTANCE].mean:.3f}" for row in rows if DISTANCE in row.estimates)
    notes = "; ".join(first.details["notes"])
    count = len({record.replication for record in records})
    return (
        f"{table}\n\nDataset {first.dataset}; {notes}; evaluator {first.evaluator[:12]}; {count} replications, "
        f"mean ± 95 % interval. Learning rates, chosen on validation: {told}. "
        f"Mean evaluator distance to the exemplar: {near}."
    )

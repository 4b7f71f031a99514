"""The layout of the paper's Table 6: projectors of other architectures or without a loss, beside the whole one.

All rows of a replication share captions, lengths and noise, so that differences between them are paired.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from leadbench.core.errors import ResultsError
from leadbench.metrics.statistics import PairedTest, t_test
from leadbench.report.tables.t2m import (
    REAL,
    TableRow,
    aggregate,
    check_format,
    columns_named,
    in_format,
    render_columns,
)
from leadbench.results.store import Record

METRICS = ("r_precision_3", "fid", "mm_dist", "diversity", "multimodality")
_ORDER = (
    "{}",
    "{} + clamp",
    "{} + rescale",
    "LEAD mlp ({})",
    "LEAD skip ({})",
    "LEAD w/o KL ({})",
    "LEAD w/o align ({})",
    "LEAD w/o rec ({})",
    "LEAD ({})",
)


def is_ablation(records: Sequence[Record]) -> bool:
    """Whether records are those of ``leadbench ablate projector``."""
    return any(record.row.startswith(("LEAD mlp", "LEAD skip")) for record in records)


def render_ablation(records: Sequence[Record], form: str = "github") -> str:
    """Table 6 of a run of ``leadbench ablate projector``, and the paired differences of FID from the whole projector.

    Raises:
        ResultsError: the run holds no ablation, or more than one setting of a backbone.
    """
    check_format(form)
    settings = {(r.display, r.steps, r.guidance) for r in records if r.display is not None}
    if len(settings) != 1:
        raise ResultsError(f"the ablation is of one backbone at one number of steps, the records hold {len(settings)}")
    ((display, *_),) = settings
    rows = {row.name: row for row in aggregate(records)}
    names = [REAL, *(name.format(display) for name in _ORDER)]
    chosen = [rows[name] for name in names if name in rows]
    whole = f"LEAD ({display})"
    if whole not in rows or len(chosen) < 4:
        raise ResultsError("the records hold no ablation (leadbench ablate projector)")
    differences = {row.name: _difference(records, whole, row.name) for row in chosen if row.name not in (REAL, whole)}
    if form == "json":
        return json.dumps([_as_json(row, differences) for row in chosen], indent=2, ensure_ascii=False)
    ranked = [row for row in chosen if not row.name.startswith(f"{display} +")]
    table = render_columns(
        "Ablation of the projector (layout of Table 6)", chosen, columns_named(METRICS), form, ranked=ranked
    )
    told = [f"{n}: {d.mean:+.3f} [{d.low:+.3f}, {d.high:+.3f}]" for n, d in differences.items() if d is not None]
    if form == "csv" or not told:
        return table
    caption = f"FID less that of {whole}, paired over replications, 95 % intervals by Student's t: {'; '.join(told)}."
    return f"{table}\n\n{in_format(caption, form)}"


def _difference(records: Sequence[Record], base: str, other: str) -> PairedTest | None:
    """Of the replications that both rows have; None below two."""
    first, second = (
        {r.replication: r.metrics["fid"] for r in records if r.row == row and r.metrics["fid"] is not None}
        for row in (base, other)
    )
    values = [(second[r] or 0.0) - (first[r] or 0.0) for r in sorted(set(first) & set(second))]
    return t_test(values) if len(values) > 1 else None


def _as_json(row: TableRow, differences: dict[str, PairedTest | None]) -> dict[str, object]:
    found = differences.get(row.name)
    metrics = {name: vars(row.estimates[name]) for name in METRICS if name in row.estimates}
    return {"row": row.name, "metrics": metrics, "fid_difference": asdict(found) if found else None}

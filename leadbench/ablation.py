"""The layout of the paper's Table 6: projectors of other architectures or without a loss, beside the whole one.

All rows of a replication share captions, lengths and noise, so that differences between them are paired.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from leadbench.errors import ResultsError
from leadbench.results import Record
from leadbench.statistics import Estimate, paired_difference
from leadbench.table import REAL, TableRow, aggregate, check_format, columns_named, render_columns

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
    lines = [f"{name}: {found.mean:+.3f} ± {found.half_width:.3f}" for name, found in differences.items()]
    count = next(iter(differences.values())).n
    return f"{table}\n\nFID less that of {whole}, paired over {count} replications: " + "; ".join(lines) + "."


def _difference(records: Sequence[Record], base: str, other: str) -> Estimate:
    values = []
    for row in (base, other):
        found = {r.replication: r.metrics["fid"] for r in records if r.row == row and r.metrics["fid"] is not None}
        values.append([found[replication] for replication in sorted(found)])
    return paired_difference(values[0], values[1])


def _as_json(row: TableRow, differences: dict[str, Estimate]) -> dict[str, object]:
    found = differences.get(row.name)
    metrics = {name: vars(row.estimates[name]) for name in METRICS if name in row.estimates}
    return {"row": row.name, "metrics": metrics, "fid_difference": vars(found) if found else None}

"""The layout of the paper's Table 6: projectors of other architectures or without a loss, beside the whole one.

All rows of a replication share captions, lengths and noise, so that differences between them are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from leadbench.core.errors import ResultsError
from leadbench.metrics.statistics import PairedTest, t_test
from leadbench.report.names import row_name
from leadbench.report.tables.engine import Document, Table
from leadbench.report.tables.rows import MODEL, columns_named, data_of, line_of
from leadbench.results.aggregate import rows_of
from leadbench.results.records import Record, Run
from leadbench.results.rows import REAL, Row
from leadbench.tasks.shared.controls import CONTROLS

METRICS = ("r_precision_3", "fid", "mm_dist", "diversity", "multimodality")
_VARIANTS = ("mlp", "skip", "no-var", "no-align", "no-rec")


def is_ablation(run: Run) -> bool:
    """Whether a run is one of ``leadbench ablate projector``: only that has projectors of other architectures."""
    return any(record.row.variant in ("mlp", "skip") for record in run.records)


def ablation_document(run: Run) -> Document:
    """Table 6, with the paired differences of FID from the whole projector.

    Raises:
        ResultsError: the run holds no ablation, or more than one sampling of a backbone.
    """
    rows = {measured.row: measured for measured in rows_of(run)}
    samplings = {(r.backbone, r.steps, r.guidance) for r in rows if r.source == "generated"}
    if len(samplings) != 1:
        raise ResultsError(f"the ablation is of one backbone at one number of steps, the records hold {len(samplings)}")
    plain = next(r for r in rows if r.source == "generated").model_copy(
        update={"projector": None, "variant": None, "control": None}
    )
    others = [row for row in rows if row.projector not in (None, "lead")]
    wanted = [REAL, *_places(plain)[:-1], *others, _places(plain)[-1]]
    chosen = [rows[row] for row in wanted if row in rows]
    whole = wanted[-1]
    if whole not in rows or len(chosen) < 4:
        raise ResultsError("the records hold no ablation (leadbench ablate projector)")
    differences = {m.row: _difference(run.records, whole, m.row) for m in chosen if m.row not in (REAL, whole)}
    lines = [line_of(m, run.names, ranked=m.row != REAL and m.row.control is None) for m in chosen]
    columns = columns_named(METRICS)
    table = Table("Ablation of the projector (layout of Table 6)", [MODEL, *columns], lines)
    named = {row_name(row, run.names): found for row, found in differences.items() if found is not None}
    shown = [f"{name}: {found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]" for name, found in named.items()]
    caption = (
        f"FID less that of {row_name(whole, run.names)}, paired over replications, 95 % intervals by Student's t: "
    )
    return Document(
        [table],
        data_of(chosen, run, columns),
        f"{caption}{'; '.join(shown)}." if shown else "",
        {"fid_differences": {name: asdict(found) for name, found in named.items()}},
    )


def _places(plain: Row) -> list[Row]:
    """Rows of a backbone in the order of the table: plain, controls, variants, the whole projector."""
    lead = plain.model_copy(update={"projector": "lead"})
    return [
        plain,
        *(plain.model_copy(update={"control": name}) for name in CONTROLS),
        *(lead.model_copy(update={"variant": name}) for name in _VARIANTS),
        lead,
    ]


def _difference(records: Sequence[Record], base: Row, other: Row) -> PairedTest | None:
    """Of the replications that both rows have; None below two."""
    first, second = (
        {r.replication: r.metrics["fid"] for r in records if r.row == row and r.metrics["fid"] is not None}
        for row in (base, other)
    )
    values = [(second[r] or 0.0) - (first[r] or 0.0) for r in sorted(set(first) & set(second))]
    return t_test(values) if len(values) > 1 else None

"""What records hold beside the metrics: how large latents are, how much feet slide, and where the time went."""

from __future__ import annotations

from collections.abc import Sequence

from leadbench.metrics.statistics import estimate
from leadbench.report.names import row_name
from leadbench.report.tables.engine import Cell, Column, Document, Line, Table, render
from leadbench.results.details import T2MDetails
from leadbench.results.records import Record, Run
from leadbench.results.rows import Row

_FIGURES = ("latent_norm", "skating_ratio")


def has_diagnostics(run: Run) -> bool:
    """Whether a run measured latent norms and foot skating."""
    return any(isinstance(r.details, T2MDetails) and r.details.latent_norm is not None for r in run.records)


def render_diagnostics(run: Run, form: str = "github") -> str:
    """Mean latent norm and foot skating ratio of each row over its replications; rows without latents are left out.

    Raises:
        UnknownNameError: no such format.
    """
    groups: dict[Row, list[T2MDetails]] = {}
    for record in run.records:
        if isinstance(record.details, T2MDetails) and record.details.latent_norm is not None:
            groups.setdefault(record.row, []).append(record.details)
    lines = []
    for row, group in groups.items():
        cells: dict[str, Cell] = {"row": row_name(row, run.names), "steps": row.steps, "guidance": row.guidance}
        for name in _FIGURES:
            values = [value for details in group if (value := getattr(details, name)) is not None]
            cells[name] = estimate(values).mean if values else None
        lines.append(Line(cells))
    columns = [Column(name, name, absent="") for name in ("row", "steps", "guidance", *_FIGURES)]
    table = Table("", columns, lines)
    return render(Document([table], table), form)


def render_profile(records: Sequence[Record], form: str = "github") -> str:
    """Seconds of every stage of a run over all its records, longest first, and their share.

    Stages run in several threads, each on its own chunk of motions: their seconds add up to more than the clock shows.

    Raises:
        UnknownNameError: no such format.
    """
    spent: dict[str, float] = {}
    for record in records:
        for stage, seconds in record.seconds.items():
            spent[stage] = spent.get(stage, 0.0) + seconds
    whole = sum(spent.values()) or 1.0
    rows = [*sorted(spent.items(), key=lambda item: -item[1]), ("all", sum(spent.values()))]
    lines = [Line({"stage": stage, "seconds": seconds, "share": 100 * seconds / whole}) for stage, seconds in rows]
    columns = [Column("stage", "stage"), Column("seconds", "thread seconds"), Column("share", "%")]
    table = Table("", columns, lines)
    return render(Document([table], table), form)

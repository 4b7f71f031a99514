"""What records tell beside the metrics: how large latents are, and how much feet slide."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from tabulate import tabulate

from leadbench.metrics.statistics import estimate
from leadbench.report.tables.t2m import check_format
from leadbench.results.store import Record

_FIGURES = ("latent_norm", "skating_ratio")
_STYLES = {"github": "github", "latex": "latex", "plain": "simple"}


def render_diagnostics(records: Sequence[Record], form: str = "github") -> str:
    """Mean latent norm and foot skating ratio of each row over its replications; rows without latents are left out.

    Raises:
        UnknownNameError: no such format.
    """
    check_format(form)
    groups: dict[tuple[str, int | None, float | None], list[Record]] = {}
    for record in records:
        if all(figure in record.details for figure in _FIGURES):
            groups.setdefault((record.row, record.steps, record.guidance), []).append(record)
    rows = [
        (*key, *(estimate([float(record.details[figure]) for record in group]).mean for figure in _FIGURES))
        for key, group in groups.items()
    ]
    return _printed(("row", "steps", "guidance", *_FIGURES), rows, form)


def render_profile(records: Sequence[Record], form: str = "github") -> str:
    """Seconds of every stage of a run over all its records, longest first, and their share.

    Stages run in several threads, each on its own chunk of motions: their seconds add up to more than the clock shows.

    Raises:
        UnknownNameError: no such format.
    """
    check_format(form)
    spent: dict[str, float] = {}
    for record in records:
        for stage, seconds in record.seconds.items():
            spent[stage] = spent.get(stage, 0.0) + seconds
    whole = sum(spent.values()) or 1.0
    longest_first = sorted(spent.items(), key=lambda item: -item[1])
    rows = [(stage, seconds, 100 * seconds / whole) for stage, seconds in longest_first]
    return _printed(("stage", "thread seconds", "%"), [*rows, ("all", sum(spent.values()), 100.0)], form)


def _printed(header: Sequence[str], rows: Sequence[Sequence[object]], form: str) -> str:
    if form == "json":
        return json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=2)
    if form == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([header, *rows])
        return out.getvalue()
    return str(tabulate(rows, header, _STYLES[form], floatfmt=".3f"))

"""What records tell beside the metrics: how large latents are, and how much feet slide."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from tabulate import tabulate

from leadbench.results import Record
from leadbench.statistics import estimate
from leadbench.table import check_format

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
    header = ("row", "steps", "guidance", *_FIGURES)
    if form == "json":
        return json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=2)
    if form == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([header, *rows])
        return out.getvalue()
    return str(tabulate(rows, header, _STYLES[form], floatfmt=".3f"))

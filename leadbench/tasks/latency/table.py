"""The latency benchmark as the paper compares it: seconds per prompt, and what the projector adds in per cent."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tabulate import tabulate

from leadbench.core.errors import ResultsError, unknown_name
from leadbench.results.store import Record

PUBLISHED = (("MLD", 0.236), ("LEAD (MLD)", 0.245))
"""Seconds per prompt of the paper, section 5.3, on hardware that it does not name."""

FORMATS = ("github", "plain", "latex", "csv", "json")
_STYLES = {"github": "github", "plain": "simple", "latex": "latex", "csv": "tsv"}
_STAGES = ("text", "denoise", "project", "decode", "joints")


def check_latency_format(name: str) -> None:
    """Raise UnknownNameError unless ``name`` is a format of this table."""
    if name not in FORMATS:
        raise unknown_name("table format", name, FORMATS, where="--format")


def render_latency(records: Sequence[Record], form: str = "github") -> str:
    """The table of a run of ``leadbench latency``.

    Raises:
        ResultsError: no records, or records of another benchmark.
        UnknownNameError: no such format.
    """
    check_latency_format(form)
    if not records or any(record.protocol != "latency" for record in records):
        raise ResultsError("the records are not of the latency benchmark (leadbench latency)")
    if form == "json":
        content = [{**_setting(r), "metrics": r.metrics, "details": r.details} for r in records]
        published = [{"row": name, "seconds_per_prompt": value} for name, value in PUBLISHED]
        return json.dumps({"rows": content, "published": published}, indent=2, ensure_ascii=False)
    plain = {_cell_of(r): r for r in records if r.projector is None}
    body = [_line(record, plain.get(_cell_of(record))) for record in records]
    body += [[f"{name}, published", "", "1", f"{value:.3f}", "", "", *[""] * 5] for name, value in PUBLISHED]
    body[-1][5] = f"{PUBLISHED[1][1] / PUBLISHED[0][1] - 1:+.1%}"
    header = ["Model", "Steps", "Batch", "s / prompt", "p95", "Projector adds", *(f"{name} ms" for name in _STAGES)]
    if form == "csv":
        return "\n".join(",".join(f'"{cell}"' for cell in line) for line in [header, *body])
    return tabulate(body, header, _STYLES[form], disable_numparse=True) + "\n\n" + _caption(records)


def _setting(record: Record) -> dict[str, object]:
    return {
        "row": record.row,
        "backbone": record.backbone,
        "projector": record.projector,
        "steps": record.steps,
        "batch": record.chunk_size,
    }


def _cell_of(record: Record) -> tuple[str | None, int | None, int]:
    return record.backbone, record.steps, record.chunk_size


def _line(record: Record, without: Record | None) -> list[str]:
    """Stage times are those of the whole batch."""
    metrics = record.metrics
    added = ""
    if record.projector is not None and without is not None:
        added = f"{(metrics['aits'] or 0) / (without.metrics['aits'] or 1) - 1:+.1%}"
    stages = [metrics.get(f"{name}.median") for name in _STAGES]
    times = [f"{metrics['aits']:.4f}", f"{metrics['aits_p95']:.4f}"]
    cells = ["" if value is None else f"{1000 * value:.1f}" for value in stages]
    return [record.row, str(record.steps), str(record.chunk_size), *times, added, *cells]


def _caption(records: Sequence[Record]) -> str:
    details = records[0].details
    machine, probe = details["hardware"], details["probe"]
    counts = {r.display: r.details["parameters"] for r in records}
    parameters = "; ".join(
        f"{display}: " + ", ".join(f"{name} {n / 1e6:.2f}" for name, n in parts.items())
        for display, parts in counts.items()
    )
    notes = sorted({f"{r.display}: {note}" for r in records for note in r.details["notes"]})
    products = "; ".join(
        f"{r.row}, {r.steps} step{'s' * (r.steps != 1)}: {sum(r.details['multiply_accumulates'].values()) / 1e9:.2f}"
        for r in records
        if r.projector is None and r.chunk_size == records[0].chunk_size
    )
    return " ".join(
        [
            f"{records[0].dataset}; {details['frames']} frames; medians; {machine['gpu'] or machine['cpu']}, "
            f"{machine['threads']} threads; matrix product {probe['product']:.0f} GFLOP/s, "
            f"copy {probe['copy']:.1f} GB/s.",
            f"Millions of parameters: {parameters}.",
            f"10^9 multiply-accumulates of batch {records[0].chunk_size}: {products}.",
            f"Peak memory {max(r.details['peak_memory_mib'] for r in records):.0f} MiB.",
            *(f"{note}." for note in notes),
            "Published times are of the paper's own hardware: only the per cent compares.",
        ]
    )

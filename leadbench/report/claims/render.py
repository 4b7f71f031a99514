"""Judged claims as a table, and as JSON with every comparison."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from leadbench.report.claims.gather import Report
from leadbench.report.claims.judge import Comparison, Finding, Judged, RowRef
from leadbench.report.published import published
from leadbench.report.tables.t2m import check_format, in_format, render_grid

HEADER = ("Claim", "Says", "Compared", "Paper", "Here", "Difference", "p", "n", "Verdict")
_ROWS = {  # our row -> table, row and projected in the paper, where the names differ
    "LEAD mlp (MLD)": "LEAD (mlp)",
    "LEAD skip (MLD)": "LEAD (skip)",
    "LEAD w/o KL (MLD)": "LEAD w/o KL",
    "LEAD w/o align (MLD)": "LEAD w/o Align",
    "LEAD w/o rec (MLD)": "LEAD w/o Rec",
    "MTI lead, w/o align + project": "noALIGN",
    "MTI lead, w/o KL + project": "noKL",
    "MTI lead, w/o rec + project": "noREC",
}


def render_claims(reports: Sequence[Report], form: str = "github") -> str:
    """All claims with their verdicts; notes follow. ``json`` holds every comparison with its interval.

    Raises:
        UnknownNameError: no such format.
    """
    check_format(form)
    if form == "json":
        return json.dumps([_report_json(report) for report in reports], indent=2, ensure_ascii=False)
    return "\n\n".join(_report(report, form) for report in reports)


def _report(report: Report, form: str) -> str:
    body = [line for judged in report.judged if judged.findings for line in _lines(judged)]
    table = render_grid(f"Claims of the paper on {report.dataset}", HEADER, body, form)
    if form == "csv":
        return table
    unmeasured = [judged.claim.name for judged in report.judged if not judged.findings]
    counts = {v: sum(j.verdict == v for j in report.judged) for v in ("holds", "fails", "inconclusive", "not measured")}
    notes = [
        f"{judged.claim.name}: {judged.claim.note}" for judged in report.judged if judged.findings and judged.claim.note
    ]
    runs = sorted({j.run for j in report.judged if j.run})
    prose = "\n\n".join(
        [
            ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + ".",
            "Differences are second less first, paired over replications, with 95 % intervals by Student's t; p-values "
            "are adjusted by Holm's method over all comparisons of a dataset. Replications vary the random numbers of "
            "the evaluation, not the trainings, nor the motions and words of an inversion; intervals of clusters are "
            f"bootstraps over clips. Runs: {', '.join(runs)}.",
            *(["Notes. " + " ".join(notes)] if notes else []),
            *([f"Not measured here: {', '.join(unmeasured)}."] if unmeasured else []),
        ]
    )
    return f"{table}\n\n{in_format(prose, form)}"


def _lines(judged: Judged) -> list[list[str]]:
    claim = judged.claim
    lines = []
    for number, finding in enumerate(judged.findings):
        head = [claim.name, claim.statement] if number == 0 else ["", ""]
        whole = judged.verdict if number == 0 else ""
        part = "" if len(judged.findings) == 1 else finding.verdict
        verdict = f"{whole} ({part})" if whole and part else whole or part
        lines.append([*head, *_cells(finding, claim.table), verdict])
    return lines


def _cells(finding: Finding, table: int | None) -> list[str]:
    comparison, test = finding.comparison, finding.test
    kind = " (distance to Real)" if comparison.to_real else " (share)" if comparison.relative else ""
    return [
        f"{_NAMES.get(comparison.metric, comparison.metric)}: {comparison.first} → {comparison.second}",
        _paper(comparison, table),
        f"{finding.first:.3f} → {finding.second:.3f}",
        f"{test.mean:+.4f} [{test.low:+.4f}, {test.high:+.4f}]{kind}",
        "< 0.001" if finding.adjusted < 0.001 else f"{finding.adjusted:.3f}",
        str(test.n),
    ]


_NAMES = {
    "fid": "FID",
    "r_precision_1": "R@1",
    "r_precision_2": "R@2",
    "r_precision_3": "R@3",
    "mm_dist": "MM-Dist",
    "diversity": "Diversity",
    "multimodality": "MModality",
    "knn_accuracy_euclidean": "kNN accuracy, Euclidean",
    "knn_accuracy_cosine": "kNN accuracy, cosine",
    "silhouette_euclidean": "silhouette, Euclidean",
    "silhouette_cosine": "silhouette, cosine",
    "skating_ratio": "foot skating",
    "style_share": "share of that style",
    "exemplar_distance": "distance to the exemplars",
}


def _paper(comparison: Comparison, table: int | None) -> str:
    """The paper's two values: of the claim's table, or of any that has both."""
    if comparison.metric == "seconds":
        seconds = published().inference_seconds_per_prompt
        return f"{seconds['MLD']} → {seconds['LEAD (MLD)']}"
    for number in published().datasets if table is None else (table,):
        values = [_published_value(number, row, comparison.metric) for row in (comparison.first, comparison.second)]
        if None not in values:
            return f"{values[0]} → {values[1]}"
    return "—"


def _published_value(table: int, ref: RowRef, metric: str) -> float | None:
    name, projected = _published_name(table, ref.row)
    for row in published().table(table):
        if (row.row, row.projected) == (name, projected) and row.steps == (ref.steps if table == 5 else None):
            return row.metrics[metric].mean if metric in row.metrics else None
    return None


def _published_name(table: int, row: str) -> tuple[str, bool | None]:
    """Name and column "Project" of one of our rows in a table of the paper."""
    if table == 3 and row.startswith("MTI "):
        loss, _, suffix = row.removeprefix("MTI ").partition(" + ")
        return f"MTI_{loss}", suffix == "project"
    if table == 4:
        return _ROWS.get(row, "PROJ" if row == "MTI lead + project" else row), True
    if table == 6 and row == "LEAD (MLD)":
        return "LEAD", None
    return _ROWS.get(row, row), None


def _report_json(report: Report) -> dict[str, object]:
    return {"dataset": report.dataset, "claims": [_claim_json(judged) for judged in report.judged]}


def _claim_json(judged: Judged) -> dict[str, object]:
    claim = judged.claim
    return {
        "name": claim.name,
        "statement": claim.statement,
        "source": claim.source,
        "published": claim.published,
        "note": claim.note or None,
        "verdict": judged.verdict,
        "run": judged.run or None,
        "comparisons": [
            {
                **asdict(finding.comparison),
                "paper": _paper(finding.comparison, claim.table),
                "first_mean": finding.first,
                "second_mean": finding.second,
                "difference": asdict(finding.test),
                "p_adjusted": finding.adjusted,
                "verdict": finding.verdict,
            }
            for finding in judged.findings
        ],
    }

"""Judged claims as a table, and as JSON with every comparison."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from leadbench.metrics.statistics import PairedTest, smallest_visible
from leadbench.report.claims.gather import Judgement
from leadbench.report.claims.judge import Comparison, Evidence, Judged
from leadbench.report.names import model_name, row_name, row_with_steps
from leadbench.report.published import published
from leadbench.report.tables.engine import Column, Document, Line, Table, check_format, in_format, render
from leadbench.results.rows import Row

COLUMNS = tuple(
    Column(name, name)
    for name in (
        "Claim", "Says", "Compared", "Guidance", "Paper", "Here", "Difference", "Visible", "p", "n", "Trainings",
        "Verdict",
    )
)  # fmt: skip
_VERDICTS = ("holds", "fails", "inconclusive", "not measured")
_TABLE_4 = {None: "PROJ", "no-align": "noALIGN", "no-var": "noKL", "no-rec": "noREC"}
_TABLE_6 = {
    None: "LEAD",
    "mlp": "LEAD (mlp)",
    "skip": "LEAD (skip)",
    "no-var": "LEAD w/o KL",
    "no-align": "LEAD w/o Align",
    "no-rec": "LEAD w/o Rec",
}
"""Variant -> name of the row in the paper's table."""


def render_claims(judgements: Sequence[Judgement], form: str = "github") -> str:
    """Verdicts on all datasets in one table, then the evidence on each; notes follow.

    ``json`` holds every comparison with its interval, ``csv`` the evidence alone.

    Raises:
        UnknownNameError: no such format.
    """
    check_format(form)
    if form == "json":
        return json.dumps([_as_json(judgement) for judgement in judgements], indent=2, ensure_ascii=False)
    first = [] if form == "csv" else [_overview(judgements, form)]
    return "\n\n".join([*first, *(_rendered(judgement, form) for judgement in judgements)])


def _overview(judgements: Sequence[Judgement], form: str) -> str:
    """A line for each claim that was measured somewhere, a column for each dataset."""
    columns = [Column("Claim", "Claim"), Column("Says", "Says"), *(Column(j.dataset, j.dataset) for j in judgements)]
    lines: dict[str, dict[str, str]] = {}
    for judgement in judgements:
        for item in judgement.judged:
            if item.findings:
                cells = lines.setdefault(item.claim.name, {"Claim": item.claim.name, "Says": item.claim.statement})
                cells[judgement.dataset] = f"{item.verdict} ({item.trainings})"
    grid = Table("Verdicts", columns, [Line(dict(cells)) for cells in lines.values()])
    said = (f"{judgement.dataset}: {counts(judgement.judged)}" for judgement in judgements)
    prose = f"In brackets: how many trainings a verdict rests on. {'; '.join(said)}."
    return f"{render(Document([grid], grid), form)}\n\n{in_format(prose, form)}"


def counts(judged: Sequence[Judged]) -> str:
    """How many claims have each verdict."""
    return ", ".join(f"{sum(item.verdict == verdict for item in judged)} {verdict}" for verdict in _VERDICTS)


def evidence_table(judged: Judged, names: Mapping[str, str], form: str = "github") -> str:
    """The comparisons of one claim.

    Raises:
        UnknownNameError: no such format.
    """
    hidden = ("Claim", "Says")
    columns = [column for column in COLUMNS if column.key not in hidden]
    keys = [column.key for column in COLUMNS]
    lines = [Line(dict(zip(keys, line, strict=True))) for line in _lines(judged, names)]
    grid = Table("", columns, lines)
    return render(Document([grid], grid), form)


def _rendered(judgement: Judgement, form: str) -> str:
    body = [line for judged in judgement.judged if judged.findings for line in _lines(judged, judgement.names)]
    lines = [Line(dict(zip((column.key for column in COLUMNS), line, strict=True))) for line in body]
    grid = Table(f"Claims of the paper on {judgement.dataset}", COLUMNS, lines)
    table = render(Document([grid], grid), form)
    if form == "csv":
        return table
    judged = judgement.judged
    unmeasured = [item.claim.name for item in judged if not item.findings]
    notes = [f"{item.claim.name}: {item.claim.note}" for item in judged if item.findings and item.claim.note]
    runs = sorted({run for item in judged for run in item.runs})
    prose = "\n\n".join(
        [
            f"{counts(judged)}.",
            "Differences are second less first, paired over replications, with 95 % intervals by Student's t; p-values "
            "are adjusted by Holm's method over all comparisons of a dataset. Of several trainings each counts once, "
            "by its mean over replications, and n is their number; of one, n is that of replications, which vary the "
            "random numbers of the evaluation, not the training, nor the motions and words of an inversion. Intervals "
            "of clusters are bootstraps over clips; in those of ratings participants and pairs are random. "
            "Visible: the smallest true difference that as many values of this spread show with a probability of 80 %, "
            f"before adjustment. Runs: {', '.join(runs)}.",
            *(["Notes. " + " ".join(notes)] if notes else []),
            *([f"Not measured here: {', '.join(unmeasured)}."] if unmeasured else []),
        ]
    )
    return f"{table}\n\n{in_format(prose, form)}"


def _lines(judged: Judged, names: Mapping[str, str]) -> list[list[str]]:
    claim = judged.claim
    lines = []
    for number, finding in enumerate(judged.findings):
        head = [claim.name, claim.statement] if number == 0 else ["", ""]
        whole = judged.verdict if number == 0 else ""
        part = "" if len(judged.findings) == 1 else finding.verdict
        verdict = f"{whole} ({part})" if whole and part else whole or part
        compared, *numbers = _cells(finding, claim.table, names)
        guidance = ", ".join(f"{value:g}" for value in judged.guidance) or "—"
        lines.append([*head, compared, guidance, *numbers, verdict])
    return lines


def _cells(finding: Evidence, table: int | None, names: Mapping[str, str]) -> list[str]:
    comparison, test = finding.comparison, finding.test
    kind = " (distance to Real)" if comparison.to_real else " (share)" if comparison.relative else ""
    rows = " → ".join(row_with_steps(row, names) for row in (comparison.first, comparison.second))
    return [
        f"{_NAMES.get(comparison.metric, comparison.metric)}: {rows}",
        _paper(comparison, table),
        f"{finding.first:.3f} → {finding.second:.3f}",
        f"{test.mean:+.4f}{f' [{test.low:+.4f}, {test.high:+.4f}]' if test.n > 1 else ''}{kind}",
        f"{smallest_visible(test):.4f}" if test.n > 1 else "—",
        "< 0.001" if finding.adjusted < 0.001 else f"{finding.adjusted:.3f}",
        str(test.n),
        str(len(finding.trainings)),
    ]


_NAMES = {
    "fid": "FID",
    "all_t2m_r1": "gallery R@1",
    "all_m2t_r1": "gallery R@1, motion to text",
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
    "realism": "realism",
    "relevance": "text-motion relevance",
    "style_share": "share of that style",
    "exemplar_distance": "distance to the exemplars",
}


def _paper(comparison: Comparison, table: int | None) -> str:
    """The paper's two values: of the claim's table, or of any that has both."""
    if comparison.metric == "seconds":
        seconds = published().inference_seconds_per_prompt
        return f"{seconds['MLD']} → {seconds['LEAD (MLD)']}"
    if comparison.metric in ("realism", "relevance"):
        return _published_ratings(comparison)
    for number in published().datasets if table is None else (table,):
        values = [_published_value(number, row, comparison.metric) for row in (comparison.first, comparison.second)]
        if None not in values:
            return f"{values[0]} → {values[1]}"
    return "—"


def _published_ratings(comparison: Comparison) -> str:
    """Of the user study that compared these methods."""
    names = [model_name(row.projector or row.backbone or "") for row in (comparison.first, comparison.second)]
    for study in published().user_study:
        means: Mapping[str, float] = getattr(study, comparison.metric)
        if all(name in means for name in names):
            return f"{means[names[0]]} → {means[names[1]]}"
    return "—"


def _published_value(table: int, row: Row, metric: str) -> float | None:
    name, projected = _published_name(table, row)
    for found in published().table(table):
        if (found.row, found.projected) == (name, projected) and found.steps == (row.steps if table == 5 else None):
            return found.metrics[metric].mean if metric in found.metrics else None
    return None


def _published_name(table: int, row: Row) -> tuple[str, bool | None]:
    """Name and column "Project" of one of our rows in a table of the paper."""
    words = row.setting.get("words")
    if table == 3 and words not in (None, "initial"):
        return f"MTI_{words}", row.projector is not None
    if table == 4:
        return (_TABLE_4.get(row.variant, "") if words == "lead" and row.projector else row_name(row)), True
    if table == 6 and row.projector is not None:
        return _TABLE_6.get(row.variant, ""), None
    return row_name(row), None


def _as_json(judgement: Judgement) -> dict[str, object]:
    return {"dataset": judgement.dataset, "claims": [_claim_json(judged) for judged in judgement.judged]}


def _claim_json(judged: Judged) -> dict[str, object]:
    claim = judged.claim
    return {
        "name": claim.name,
        "statement": claim.statement,
        "source": claim.source,
        "published": claim.published,
        "note": claim.note or None,
        "verdict": judged.verdict,
        "runs": list(judged.runs),
        "guidance": list(judged.guidance),
        "trainings": judged.trainings,
        "comparisons": [
            {
                **_comparison_json(finding.comparison),
                "paper": _paper(finding.comparison, claim.table),
                "first_mean": finding.first,
                "second_mean": finding.second,
                "difference": _difference(finding.test),
                "by_training": list(finding.trainings),
                "smallest_visible": _finite(smallest_visible(finding.test)),
                "p_adjusted": finding.adjusted,
                "verdict": finding.verdict,
            }
            for finding in judged.findings
        ],
    }


def _comparison_json(comparison: Comparison) -> dict[str, object]:
    rows = {name: getattr(comparison, name).fields for name in ("first", "second")}
    return {**vars(comparison), **rows}


def _difference(test: PairedTest) -> dict[str, float | int | None]:
    """A test as JSON holds it: an interval that does not exist is null."""
    told = {name: value for name, value in asdict(test).items() if name != "freedom" or value is not None}
    return {name: _finite(value) for name, value in told.items()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""Stored runs to judged claims: for each claim and dataset, the run that holds its rows in most replications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from leadbench.core.errors import ResultsError
from leadbench.metrics.statistics import PairedTest, holm, interval_test, t_test
from leadbench.report.claims.judge import Claim, Comparison, Finding, Judged, Values, paired_values
from leadbench.report.claims.paper import claims
from leadbench.results.spaces import DIFFERENCE, PCA
from leadbench.results.store import Record, RunStore

_DEFAULT_PROTOCOL = "guo-2022"
_WITH_EVALUATOR = ("t2m", "mti", "styles")
_BENCHMARKS = {_DEFAULT_PROTOCOL: "t2m", "mld": "t2m"}  # protocol -> benchmark, where they differ


PAPER = ("humanml3d", "kit")  # on these, a claim is judged only where the paper makes it
BACKBONE = "mld"  # that the paper inverts
DIAGNOSTICS = ("skating_ratio",)  # measured in every run, beside its metrics


@dataclass(frozen=True, eq=False)
class StoredRun:
    """Records of one run folder, as values by row.

    ``differences`` holds what a benchmark without replications has instead: bootstrap estimates by metric.
    """

    name: str
    dataset: str
    identity: str  # of the dataset's content
    evaluator: str  # "" for benchmarks that have none
    benchmark: str
    protocol: str
    values: Values
    differences: Mapping[str, PairedTest] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """Judged claims of one dataset, by one evaluator."""

    dataset: str
    judged: tuple[Judged, ...]


def judge_results(root: Path) -> list[Report]:
    """Judge all claims on every dataset whose runs lie below ``root``.

    Raises:
        ResultsError: there is no run, or one that cannot be read.
    """
    runs = [_stored(path.parent) for path in sorted(root.rglob("records.jsonl"))]
    found = [run for run in runs if run is not None]
    if not found:
        raise ResultsError(f"{root}: no run with records below it (leadbench run writes them)")
    return [
        Report(label, judge([c for c in claims() if name not in PAPER or c.dataset in (None, name)], runs))
        for (name, label), runs in _groups(found).items()
    ]


def _groups(found: Sequence[StoredRun]) -> dict[tuple[str, str], list[StoredRun]]:
    """(dataset, label) -> runs that may be judged together: of one content and, where that matters, one evaluator.

    Runs without an evaluator join the only one that there is.
    """
    groups: dict[tuple[str, str], list[StoredRun]] = {}
    for run in found:
        contents = {other.identity for other in found if other.dataset == run.dataset}
        same = [other for other in found if (other.dataset, other.identity) == (run.dataset, run.identity)]
        evaluators = sorted({other.evaluator for other in same if other.evaluator})
        evaluator = evaluators[0] if len(evaluators) == 1 and not run.evaluator else run.evaluator
        label = run.dataset + (f" ({run.identity[:8]})" if len(contents) > 1 else "")
        if len(evaluators) > 1:
            label += f", evaluator {evaluator[:12]}" if evaluator else ", without an evaluator"
        groups.setdefault((run.dataset, label), []).append(run)
    return groups


def _stored(folder: Path) -> StoredRun | None:
    """A run; None for one whose rows are not the paper's settings.

    These are: a sweep of guidance, an inversion of another backbone, and records with a warning.
    """
    store = RunStore(folder)
    records = store.records()
    if not records or len({(r.row, r.steps) for r in records}) < len({(r.row, r.steps, r.guidance) for r in records}):
        return None
    first = records[0]
    if first.details.get("stamps") or first.details.get("backbone", BACKBONE) != BACKBONE:
        return None
    described = store.header()["config"].get("dataset", {})
    identity = str(described.get("identity", "")) if isinstance(described, dict) else ""
    benchmark = _BENCHMARKS.get(first.protocol, first.protocol)
    return StoredRun(
        name=folder.name,
        dataset=first.dataset,
        identity=identity,
        evaluator=first.evaluator if benchmark in _WITH_EVALUATOR else "",
        benchmark=benchmark,
        protocol=first.protocol,
        values=_values(records),
        differences=_differences(records),
    )


def _differences(records: Iterable[Record]) -> dict[str, PairedTest]:
    """Of a run of ``leadbench structure``: paired over bootstrap resamples of clips."""
    found = {}
    for record in (record for record in records if record.row == DIFFERENCE + PCA):
        for metric, (low, high) in record.details["intervals"].items():
            mean = record.metrics[metric]
            if mean is not None:
                found[metric] = interval_test(mean, low, high, record.details["clips"])
    return found


def _values(records: Iterable[Record]) -> Values:
    """Values by row; one that has a single number of steps is also found without it."""
    found = list(records)
    steps: dict[str, set[int | None]] = {}
    for record in found:
        steps.setdefault(record.row, set()).add(record.steps)
    values: dict[tuple[str, int | None], dict[str, dict[int, float]]] = {}
    for record in found:
        if record.details.get("rounds") and record.chunk_size == 1:  # of the latency benchmark, timed in turns
            rounds = values.setdefault((record.row, None), {})
            rounds["seconds"] = dict(enumerate(record.details["rounds"]))
        measured = {name: record.details[name] for name in DIAGNOSTICS if name in record.details} | record.metrics
        for count in {record.steps, None} if len(steps[record.row]) == 1 else {record.steps}:
            row = values.setdefault((record.row, count), {})
            for metric, value in measured.items():
                if value is not None:
                    row.setdefault(metric, {})[record.replication] = value
    return values


def judge(wanted: Sequence[Claim], runs: Sequence[StoredRun]) -> tuple[Judged, ...]:
    """Judge claims on the runs of one dataset and evaluator; all comparisons together are one family."""
    chosen = {claim.name: _tell(claim, runs) for claim in wanted}
    flat = [(name, item) for name, (items, _) in chosen.items() for item in items]
    # two claims may look at one comparison, which is then one test
    keys = [(item.comparison.question, chosen[name][1]) for name, item in flat]
    p_values = dict(zip(keys, (item.test.p_value for _, item in flat), strict=True))
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    findings: dict[str, list[Finding]] = {}
    for key, (name, item) in zip(keys, flat, strict=True):
        found = Finding(item.comparison, item.first, item.second, item.test, adjusted[key])
        findings.setdefault(name, []).append(found)
    return tuple(Judged(claim, tuple(findings.get(claim.name, ())), chosen[claim.name][1]) for claim in wanted)


@dataclass(frozen=True)
class _Tested:
    comparison: Comparison
    first: float
    second: float
    test: PairedTest


def _tell(claim: Claim, runs: Sequence[StoredRun]) -> tuple[list[_Tested], str]:
    """Tests of a claim in the run that holds all of its rows in most replications, or nothing."""
    best: tuple[list[_Tested], str] = ([], "")
    largest = (0, False)
    for run in runs:
        if run.benchmark != claim.benchmark:
            continue
        tested = [_test(comparison, run) for comparison in claim.comparisons]
        whole = [item for item in tested if item is not None]
        size = (min((item.test.n for item in whole), default=0), run.protocol == _DEFAULT_PROTOCOL)
        if len(whole) == len(claim.comparisons) and size > largest:
            best, largest = (whole, run.name), size
    return best


def _test(comparison: Comparison, run: StoredRun) -> _Tested | None:
    values = run.values
    if comparison.metric in run.differences:
        means = (_raw_mean(comparison, values, 0), _raw_mean(comparison, values, 1))
        return _Tested(comparison, *means, run.differences[comparison.metric])
    pairs = paired_values(comparison, values)
    if pairs is None:
        return None
    first, second = pairs
    scale = first if comparison.relative else [1.0] * len(first)
    differences = [(b - a) / unit for a, b, unit in zip(first, second, scale, strict=True)]
    test = t_test(differences, comparison.bound, equivalence=comparison.direction == "equal")
    means = (_raw_mean(comparison, values, 0), _raw_mean(comparison, values, 1))
    return _Tested(comparison, *means, test)


def _raw_mean(comparison: Comparison, values: Values, which: int) -> float:
    """Mean of a row's own values, which a reader finds in the tables."""
    row = (comparison.first, comparison.second)[which]
    found: Mapping[int, float] = values[row.row, row.steps][comparison.metric]
    return sum(found.values()) / len(found)

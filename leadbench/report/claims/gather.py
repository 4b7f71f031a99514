"""Stored runs to judged claims: for each claim and dataset, the run that holds its rows in most replications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from leadbench.core.errors import ResultsError, unknown_name
from leadbench.metrics.ratings import Floats, crossed_test
from leadbench.metrics.statistics import PairedTest, holm, interval_test, t_test, untested
from leadbench.report.claims.judge import Claim, Comparison, Evidence, Judged, Values, paired_values
from leadbench.report.claims.paper import PUBLISHED_BACKBONES, PUBLISHED_GUIDANCE, claims, gallery_claims, own_claims
from leadbench.report.claims.trainings import Tested, Training, of_other_trainings, together
from leadbench.results.details import LatencyDetails, StructureDetails, StudyDetails
from leadbench.results.ratings import ratings_of
from leadbench.results.records import Record, Run
from leadbench.results.rows import Row
from leadbench.results.store import RECORDS, RunStore, run_folders

_DEFAULT_PROTOCOL = "guo-2022"
_WITH_EVALUATOR = ("t2m", "mti", "styles")


PAPER = ("humanml3d", "kit")  # on these, a claim is judged only where the paper makes it
DIAGNOSTICS = ("skating_ratio",)  # measured in every run, beside its metrics


LEAD = "lead"


@dataclass(frozen=True, eq=False)
class StoredRun:
    """Records of one run folder, as values by row.

    ``differences`` holds what a task without replications has instead: bootstrap estimates by metric; ``ratings`` those
    of a study: row -> metric -> [participants, pairs].
    """

    name: str
    dataset: str
    identity: str  # of the dataset's content
    evaluator: str  # "" for tasks that have none
    task: str
    protocol: str
    values: Values
    differences: Mapping[str, PairedTest] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)  # of backbones and projectors
    training: Training = field(default_factory=Training)
    guidance: Mapping[Row, float | None] = field(default_factory=dict)  # of the rows of ``values``
    ratings: Mapping[Row, Mapping[str, Floats]] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """Judged claims of one dataset, by one evaluator; ``names`` are those of backbones and projectors in the runs."""

    dataset: str
    judged: tuple[Judged, ...]
    names: Mapping[str, str] = field(default_factory=dict)


def judge_results(*roots: Path, projector: str = LEAD) -> list[Judgement]:
    """Judge all claims on every dataset whose runs lie below one of ``roots``.

    Args:
        roots: folders; a run that lies below two of them counts once.
        projector: registered name of the one that stands in LEAD's place.

    Raises:
        ResultsError: there is no run below one of them, or one that cannot be read.
        UnknownNameError: no record is of that projector.
    """
    stored = [run for root in roots for run in _below(root)]
    stored = list({run.folder.resolve(): run for run in stored}.values())
    there = {record.row.projector for run in stored for record in run.records if record.row.projector}
    if projector != LEAD and projector not in there:
        raise unknown_name("projector", projector, there, where="--projector")
    runs = [_stored(in_leads_place(run, projector)) for run in stored]
    found = [run for run in runs if run is not None]
    if not found:
        where = ", ".join(map(str, roots))
        raise ResultsError(f"{where}: no run with records below it that shows the paper's settings")
    return [
        Judgement(
            label,
            (
                *judge([c for c in claims() if name not in PAPER or c.dataset in (None, name)], runs),
                # a family of its own: the paper's stays as it is
                *judge([*own_claims(_own_backbones(runs)), *gallery_claims()], runs),
            ),
            {key: value for run in runs for key, value in run.names.items()},
        )
        for (name, label), runs in _groups(found).items()
    ]


def _below(root: Path) -> list[Run]:
    found = [RunStore(folder).load() for folder in run_folders(root, RECORDS)]
    if not found:
        raise ResultsError(f"{root}: no run with records below it (leadbench run writes them)")
    return found


def _own_backbones(runs: Sequence[StoredRun]) -> dict[str, tuple[str, list[int]]]:
    """Backbones that the paper does not have and that were measured with LEAD: names in tables, numbers of steps."""
    steps: dict[str, set[int]] = {}
    names: dict[str, str] = {}
    for run in runs:
        names |= run.names
        for row in run.values if run.task == "t2m" else ():
            mine = row.projector == LEAD and row.variant is None and row.backbone not in PUBLISHED_BACKBONES
            if mine and row.backbone is not None and row.steps is not None:
                steps.setdefault(row.backbone, set()).add(row.steps)
    return {name: (names.get(name, name), sorted(steps[name])) for name in sorted(steps)}


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


def in_leads_place(run: Run, projector: str) -> Run:
    """A run in which the rows of a projector are those that claims name, and LEAD's own are not there."""
    if projector == LEAD:
        return run
    records = []
    for record in run.records:
        if record.row.projector == projector:
            records.append(record.model_copy(update={"row": record.row.model_copy(update={"projector": LEAD})}))
        elif record.row.projector is None:
            records.append(record)
    names = {**run.names, LEAD: run.names.get(projector, projector)}
    return replace(run, records=tuple(records), names=names)


def _stored(run: Run) -> StoredRun | None:
    """A run; None for one that is empty, sweeps guidance, or has records with a warning: not the paper's settings."""
    records = run.records
    rows = {record.row for record in records}
    if not records or len({_open(row) for row in rows}) < len(rows):
        return None
    first = records[0]
    if first.details.warnings:
        return None
    described = run.identity.get("dataset", {})
    return StoredRun(
        name=run.folder.name + (" (not finished)" if run.missing else ""),
        dataset=first.dataset,
        identity=str(described.get("identity", "")) if isinstance(described, dict) else "",
        evaluator=first.evaluator if run.task in _WITH_EVALUATOR else "",
        task=run.task,
        protocol=first.protocol,
        values=_values(records),
        differences=_differences(records),
        names=run.names,
        training=Training.of(run.identity),
        guidance={form: row.guidance for row in rows for form in (_open(row), _without_steps(row))},
        ratings=_ratings(records),
    )


def _ratings(records: Sequence[Record]) -> dict[Row, dict[str, Floats]]:
    """Of a study: row, with and without steps -> metric -> [participants, pairs]; empty for other tasks."""
    found: dict[Row, dict[str, Floats]] = {}
    for row in dict.fromkeys(record.row for record in records if isinstance(record.details, StudyDetails)):
        held: dict[str, Floats] = {metric: ratings_of(records, row, metric) for metric in ("realism", "relevance")}
        found |= {_open(row): held, _without_steps(row): held}
    return found


def _open(row: Row) -> Row:
    """The row at whatever guidance."""
    return row.model_copy(update={"guidance": None})


def _differences(records: Iterable[Record]) -> dict[str, PairedTest]:
    """Of a run of ``leadbench structure``: paired over bootstrap resamples of clips, both spaces of one width."""
    found = {}
    for record in records:
        setting, details = record.row.setting, record.details
        if (setting.get("space"), setting.get("reduction")) != ("difference", "pca"):
            continue
        assert isinstance(details, StructureDetails)  # the schema of the task that has spaces
        for metric, (low, high) in details.intervals.items():
            mean = record.metrics[metric]
            if mean is not None:
                found[metric] = interval_test(mean, low, high, details.clips)
    return found


def _values(records: Iterable[Record]) -> Values:
    """Values by row; one that has a single number of steps is also found without it."""
    found = list(records)
    steps: dict[Row, set[int | None]] = {}
    for record in found:
        steps.setdefault(_without_steps(record.row), set()).add(record.row.steps)
    values: dict[Row, dict[str, dict[int, float]]] = {}
    for record in found:
        anyhow = _without_steps(record.row)
        for row in {_open(record.row), *([anyhow] if len(steps[anyhow]) == 1 else [])}:
            for metric, value in _measured(record).items():
                if value is not None:
                    values.setdefault(row, {}).setdefault(metric, {})[record.replication] = value
        if isinstance(record.details, LatencyDetails) and len(steps[anyhow]) == 1:
            # timed in turns: a round pairs what a replication pairs elsewhere
            values.setdefault(anyhow, {})["seconds"] = dict(enumerate(record.details.rounds))
    return values


def _without_steps(row: Row) -> Row:
    return row.model_copy(update={"guidance": None, "steps": None})


def _measured(record: Record) -> dict[str, float | None]:
    """Metrics, and the diagnostics that every run has."""
    return {name: getattr(record.details, name, None) for name in DIAGNOSTICS} | record.metrics


def judge(wanted: Sequence[Claim], runs: Sequence[StoredRun]) -> tuple[Judged, ...]:
    """Judge claims on the runs of one dataset and evaluator; all comparisons together are one family."""
    chosen = {claim.name: _tell(claim, runs) for claim in wanted}
    flat = [(name, item) for name, told in chosen.items() for item in told.tested]
    # two claims may look at one comparison, which is then one test
    keys = [(item.comparison.question, chosen[name].runs) for name, item in flat]
    # one replication is no test, and does not make others harder
    p_values = {key: item.test.p_value for key, (_, item) in zip(keys, flat, strict=True) if item.test.n > 1}
    adjusted = {**dict.fromkeys(keys, 1.0), **dict(zip(p_values, holm(list(p_values.values())), strict=True))}
    findings: dict[str, list[Evidence]] = {}
    for key, (name, item) in zip(keys, flat, strict=True):
        found = Evidence(item.comparison, item.first, item.second, item.test, adjusted[key], item.trainings)
        findings.setdefault(name, []).append(found)
    return tuple(
        Judged(claim, tuple(findings.get(claim.name, ())), chosen[claim.name].runs, chosen[claim.name].guidance)
        for claim in wanted
    )


@dataclass(frozen=True)
class _Told:
    """Tests of a claim, the runs that they are of, and the scales of guidance of its rows."""

    tested: Sequence[Tested] = ()
    runs: tuple[str, ...] = ()
    guidance: tuple[float, ...] = ()


_Telling = tuple[StoredRun, Sequence[Tested]]


def _tell(claim: Claim, runs: Sequence[StoredRun]) -> _Told:
    """Tests of a claim in the run that holds all of its rows: at the paper's guidance before others, then of most
    trainings, then in most replications; or nothing.

    Runs of other trainings of the same recipes, at the same guidance, join it.
    """
    told = []
    for run in runs:
        if run.task != claim.task:
            continue
        tested = [_test(comparison, run) for comparison in claim.comparisons]
        whole = [item for item in tested if item is not None]
        if whole and len(whole) == len(claim.comparisons):
            published = all(value in (None, PUBLISHED_GUIDANCE) for value in _guidance(claim, run))
            size = (published, min(item.test.n for item in whole), run.protocol == _DEFAULT_PROTOCOL)
            told.append((size, run, whole))
    told.sort(key=lambda item: item[0], reverse=True)  # stable: of equal ones the first that was found
    tellings = [(run, whole) for _, run, whole in told]
    families = [_family(claim, first, tellings) for first in tellings]
    if not families:
        return _Told()
    # the training is the unit of evidence: a run with fewer replications tells, where more trainings stand beside it
    best = max(range(len(told)), key=lambda at: (told[at][0][0], len(families[at]), -at))
    chosen = families[best]
    scales = tuple(sorted({value for value in _guidance(claim, told[best][1]) if value is not None}))
    names = tuple(name for _, name in chosen)
    if len(chosen) == 1:
        return _Told(chosen[0][0], names, scales)
    return _Told([together(parts) for parts in zip(*(tested for tested, _ in chosen), strict=True)], names, scales)


def _family(claim: Claim, first: _Telling, others: Sequence[_Telling]) -> list[tuple[Sequence[Tested], str]]:
    """What a run says, and those of other trainings of its recipes at the same guidance, with their names."""
    wanted = _guidance(claim, first[0])
    alike = [first, *(each for each in others if each is not first and _guidance(claim, each[0]) == wanted)]
    return of_other_trainings([(run.training, whole, run.name) for run, whole in alike])


def _guidance(claim: Claim, run: StoredRun) -> list[float | None]:
    return [run.guidance.get(row) for comparison in claim.comparisons for row in (comparison.first, comparison.second)]


def _test(comparison: Comparison, run: StoredRun) -> Tested | None:
    values = run.values
    if comparison.metric in run.differences:
        means = (_raw_mean(comparison, values, 0), _raw_mean(comparison, values, 1))
        test = run.differences[comparison.metric]
        return Tested(comparison, *means, test, (test.mean,))
    pairs = paired_values(comparison, values)
    if pairs is None:
        return None
    if run.ratings:
        rated = [run.ratings[row][comparison.metric] for row in (comparison.first, comparison.second)]
        test = crossed_test(rated[1] - rated[0])
        return Tested(comparison, float(rated[0].mean()), float(rated[1].mean()), test, (test.mean,))
    first, second = pairs
    scale = first if comparison.relative else [1.0] * len(first)
    differences = [(b - a) / unit for a, b, unit in zip(first, second, scale, strict=True)]
    if len(differences) == 1:
        test = untested(differences[0])
    else:
        test = t_test(differences, comparison.bound, equivalence=comparison.direction == "equal")
    means = (_raw_mean(comparison, values, 0), _raw_mean(comparison, values, 1))
    return Tested(comparison, *means, test, (test.mean,))


def _raw_mean(comparison: Comparison, values: Values, which: int) -> float:
    """Mean of a row's own values, which a reader finds in the tables."""
    row = (comparison.first, comparison.second)[which]
    found: Mapping[int, float] = values[row][comparison.metric]
    return sum(found.values()) / len(found)

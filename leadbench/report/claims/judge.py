"""From paired values to verdicts: what a claim says, what the records show, and whether that settles it.

A claim is made of comparisons; each is a statistic with one value a replication, tested against a bound. Comparisons
of all claims on a dataset are one family, and their p-values are adjusted by Holm's method. Where the records are of
one training, values vary with the random numbers of the evaluation alone, and a verdict is about these trained models;
where they are of several, the training is the unit (:mod:`leadbench.report.claims.trainings`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from leadbench.metrics.statistics import PairedTest
from leadbench.results.rows import REAL, Row

Verdict = Literal["holds", "fails", "inconclusive", "not measured"]
Direction = Literal["below", "above", "equal"]
LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """A statement about ``metric`` of ``second`` less that of ``first``, replication by replication.

    Attributes:
        first, second: rows; one without steps is the row of the only number of steps, and guidance is left open.
        direction: ``below`` and ``above`` the ``bound``; or ``equal``, within ``bound`` either way.
        to_real: compare how far the means are from the Real row's, instead of the values.
        relative: compare (second - first) / first.
    """

    metric: str
    first: Row
    second: Row
    direction: Direction
    bound: float = 0.0
    to_real: bool = False
    relative: bool = False

    @property
    def question(self) -> tuple[object, ...]:
        """What makes two comparisons one test: all but the side on which the difference is claimed to be."""
        return (
            self.metric, self.first, self.second, self.direction == "equal", self.bound, self.to_real, self.relative
        )  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """A statement of the paper that numbers can support or refute.

    Attributes:
        name: such as ``table5.fid``.
        statement: in our words.
        source: where the paper says so.
        task: whose records can tell: ``t2m``, ``mti``, ``latency``, ``structure`` or ``styles``.
        comparisons: all must hold.
        note: where the paper's text and numbers disagree, or what it leaves out.
        published: whether the paper makes the claim; others are ours.
        dataset: the paper's, where it makes an opposite claim on another one.
    """

    name: str
    statement: str
    source: str
    task: str
    comparisons: tuple[Comparison, ...]
    note: str = ""
    published: bool = True
    dataset: str | None = None

    @property
    def table(self) -> int | None:
        """The paper's table that it is about."""
        head = self.name.partition(".")[0].removeprefix("table")
        return int(head) if head.isdigit() else None


@dataclass(frozen=True)
class Evidence:
    """A comparison with what the records show.

    Attributes:
        first, second: means of both rows.
        test: over replications, or over trainings where there are several.
        adjusted: the test's p-value after Holm's adjustment.
        trainings: mean difference of each.
    """

    comparison: Comparison
    first: float
    second: float
    test: PairedTest
    adjusted: float
    trainings: tuple[float, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether the difference is beyond the bound on the claimed side, on the other side, or cannot be told."""
        wanted, bound = self.comparison.direction, self.comparison.bound
        if wanted == "equal":
            if self.adjusted < LEVEL:
                return "holds"
            outside = self.test.low > bound or self.test.high < -bound
            return "fails" if outside else "inconclusive"
        if self.adjusted >= LEVEL:
            return "inconclusive"
        below = self.test.mean < bound
        return "holds" if below == (wanted == "below") else "fails"


@dataclass(frozen=True)
class Judged:
    """A claim with its findings; none where the records do not hold its rows.

    Attributes:
        runs: folders that tell.
        guidance: scales at which its rows were sampled.
    """

    claim: Claim
    findings: tuple[Evidence, ...]
    runs: tuple[str, ...] = ()
    guidance: tuple[float, ...] = ()

    @property
    def trainings(self) -> int:
        """How many trainings the verdict rests on."""
        return min((len(finding.trainings) for finding in self.findings), default=0)

    @property
    def verdict(self) -> Verdict:
        """Fails if any part does, holds if all do."""
        if not self.findings:
            return "not measured"
        found = {finding.verdict for finding in self.findings}
        if "fails" in found:
            return "fails"
        return "holds" if found == {"holds"} else "inconclusive"


Values = Mapping[Row, Mapping[str, Mapping[int, float]]]
"""Row, as :class:`Comparison` names it -> metric -> replication -> value, of one run."""


def paired_values(comparison: Comparison, values: Values) -> tuple[list[float], list[float]] | None:
    """Values of both rows over the replications that have both (and Real's, where it is needed); None: there are none.

    Distances to Real carry the sign that their mean has: the size of single differences would grow with their noise.
    """
    first = _series(values, comparison.first, comparison.metric)
    second = _series(values, comparison.second, comparison.metric)
    real = _series(values, REAL, comparison.metric) if comparison.to_real else None
    shared = sorted(set(first) & set(second) & (set(first) if real is None else set(real)))
    if not shared:
        return None
    if real is None:
        return [first[r] for r in shared], [second[r] for r in shared]
    away, nearer = ([found[r] - real[r] for r in shared] for found in (first, second))
    return _outward(away), _outward(nearer)


def _outward(differences: list[float]) -> list[float]:
    """The differences with the sign that makes their mean positive."""
    sign = 1.0 if sum(differences) >= 0 else -1.0
    return [sign * value for value in differences]


def _series(values: Values, row: Row, metric: str) -> Mapping[int, float]:
    return values.get(row, {}).get(metric, {})


def overall(judged: Sequence[Judged]) -> int:
    """Exit status: 0 if every measured claim holds, 3 if one fails, 4 if none fails and some cannot be told.

    >>> overall([])
    0
    """
    verdicts = {item.verdict for item in judged}
    return 3 if "fails" in verdicts else 4 if "inconclusive" in verdicts else 0

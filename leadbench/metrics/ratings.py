"""Ratings by people: a test that generalises over participants and motions at once, its power, and agreement.

A study is crossed: every participant rates every pair. Whoever tests over participants alone speaks of these motions
only, and whoever tests over motions alone of these participants only (Clark, "The language-as-fixed-effect fallacy",
1973); both are random here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.metrics.statistics import PairedTest

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a difference of ratings: between participants, between pairs of motions, and the rest."""

    participants: float
    pairs: float
    rest: float


def crossed_spread(differences: Floats) -> Spread:
    """Components of the variance of crossed differences, by the mean squares of a two-way analysis of variance.

    Args:
        differences: [participants, pairs], one answer each, none missing.

    Returns:
        Standard deviations; a component whose estimate is negative is 0.

    Raises:
        DataError: fewer than 2 participants or 2 pairs.
        NonFiniteError: NaN or infinity.

    >>> spread = crossed_spread(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> round(spread.participants, 3), round(spread.pairs, 3), round(spread.rest, 3)
    (1.414, 0.707, 0.0)
    """
    people, pairs = differences.shape
    by_person, by_pair, rest = _mean_squares(differences)
    return Spread(
        math.sqrt(max(0.0, by_person - rest) / pairs), math.sqrt(max(0.0, by_pair - rest) / people), math.sqrt(rest)
    )


def crossed_test(differences: Floats) -> PairedTest:
    """Test the mean of differences of ratings against 0, with participants and pairs of motions as random effects.

    The variance of the mean is ``sP² / P + sI² / I + s² / (P I)``, of the components of :func:`crossed_spread`; degrees
    of freedom are those of Satterthwaite for the sum of mean squares that this is.

    Args:
        differences: [participants, pairs], one answer each, none missing.

    Returns:
        The test; ``n`` is the number of participants.

    Raises:
        DataError: fewer than 2 participants or 2 pairs.
        NonFiniteError: NaN or infinity.

    >>> found = crossed_test(np.array([[1.0, 2.0, 1.0], [2.0, 2.0, 3.0], [1.0, 3.0, 2.0], [0.0, 2.0, 1.0]]))
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)
    (1.667, 0.318, 3.016)
    """
    people, pairs = differences.shape
    by_person, by_pair, rest = _mean_squares(differences)
    freedoms = (people - 1, pairs - 1, (people - 1) * (pairs - 1))
    # a negative component is none: its mean square measures the rest
    squares = [by_person if by_person > rest else 0.0, by_pair if by_pair > rest else 0.0]
    signs = [s > 0 for s in squares]
    leftover = -rest if all(signs) else 0.0 if any(signs) else rest
    total = sum(squares) + leftover
    spread = sum(s**2 / f for s, f in zip((*squares, leftover), freedoms, strict=True))
    freedom = max(1.0, total**2 / spread) if spread > 0 else float(people - 1)
    error = math.sqrt(total / (people * pairs))
    mean = float(differences.mean())
    reach = error * float(special.stdtrit(freedom, 0.975))
    p_value = 2 * float(special.stdtr(freedom, -abs(mean) / (error or 1e-300)))
    return PairedTest(mean, mean - reach, mean + reach, p_value if mean else 1.0, people, freedom)


def crossed_power(difference: float, spread: Spread, participants: int, pairs: int, level: float = 0.05) -> float:
    """Probability that :func:`crossed_test` finds a true difference, two-sided, by the noncentral t distribution.

    Args:
        difference: of the mean ratings.
        spread: of single differences; of a pilot, or assumed.
        participants, pairs: at least 2 of each.
        level: of the test.

    Raises:
        DataError: fewer than 2 participants or 2 pairs.

    >>> round(crossed_power(0.85, Spread(0.45, 0.7, 1.1), participants=40, pairs=10), 2)
    0.9
    """
    _require(participants, pairs)
    rest = spread.rest**2
    squares = (pairs * spread.participants**2 + rest, participants * spread.pairs**2 + rest, -rest)
    freedoms = (participants - 1, pairs - 1, (participants - 1) * (pairs - 1))
    total = sum(squares)
    if total <= 0:
        return 1.0 if difference else level
    freedom = max(1.0, total**2 / sum(s**2 / f for s, f in zip(squares, freedoms, strict=True)))
    shift = abs(difference) / math.sqrt(total / (participants * pairs))
    limit = float(special.stdtrit(freedom, 1 - level / 2))
    if shift > limit + 10:  # beyond what the noncentral distribution is computed for
        return 1.0
    wrong = float(special.nctdtr(freedom, shift, -limit)) if shift < 4 else 0.0  # found on the other side
    return float(1 - special.nctdtr(freedom, shift, limit)) + wrong


def krippendorff_alpha(ratings: Floats, level: Literal["ordinal", "interval"] = "ordinal") -> float:
    """Agreement of raters on an ordered scale: 1 all agree, 0 as chance would have it (Krippendorff, 2011).

    Args:
        ratings: [raters, units]; NaN where one is missing.
        level: how far two ratings are apart: by the ratings between them, or by their difference.

    Returns:
        Alpha; NaN where all ratings are equal, which leaves nothing to agree on.

    Raises:
        DataError: no unit that two raters have rated.

    >>> round(krippendorff_alpha(np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 5.0]])), 3)
    0.978
    """
    held = np.asarray(ratings, dtype=np.float64)
    held = held[:, (~np.isnan(held)).sum(axis=0) > 1]
    if held.ndim != 2 or held.size == 0:
        raise DataError("krippendorff_alpha: no unit was rated twice")
    values = np.unique(held[~np.isnan(held)])
    counts = np.stack([(held == value).sum(axis=0) for value in values], axis=1).astype(np.float64)  # [units, values]
    weights = 1 / (counts.sum(axis=1) - 1)
    coincidences = np.einsum("uv,uw,u->vw", counts, counts, weights) - np.diag(weights @ counts)
    margin = coincidences.sum(axis=1)
    total = margin.sum()
    expected = (np.outer(margin, margin) - np.diag(margin)) / (total - 1)
    apart = _apart(values, margin, level)
    denominator = float((expected * apart).sum())
    return 1 - float((coincidences * apart).sum()) / denominator if denominator > 0 else math.nan


def _apart(values: Floats, margin: Floats, level: Literal["ordinal", "interval"]) -> Floats:
    """Squared distances [V, V] of values."""
    if level == "ordinal":
        values = np.cumsum(margin) - margin / 2
    return np.square(values[:, None] - values[None, :])


def _mean_squares(differences: Floats) -> tuple[float, float, float]:
    """Of participants, of pairs, and of what is left."""
    people, pairs = differences.shape
    _require(people, pairs)
    if not np.isfinite(differences).all():
        raise NonFiniteError("ratings: NaN or infinity")
    mean, rows, columns = differences.mean(), differences.mean(axis=1), differences.mean(axis=0)
    left = differences - rows[:, None] - columns[None, :] + mean
    rest = float(np.square(left).sum()) / ((people - 1) * (pairs - 1))
    return float(pairs * rows.var(ddof=1)), float(people * columns.var(ddof=1)), rest if rest > 1e-12 else 0.0


def _require(participants: int, pairs: int) -> None:
    if participants < 2 or pairs < 2:
        raise DataError(f"ratings of {participants} participants and {pairs} pairs; at least 2 of each are needed")

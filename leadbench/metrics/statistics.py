"""Replications to estimates: mean and 95 % interval as the field computes them, and paired comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leadbench.core.errors import DataError


@dataclass(frozen=True)
class Estimate:
    """Mean over ``n`` replications with the half width of its 95 % interval."""

    mean: float
    half_width: float
    n: int


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and 1.96 * deviation / sqrt(n), deviation with ddof 0 (text-to-motion, final_evaluations.py).

    Raises:
        DataError: no values.

    >>> estimate([1.0, 3.0])
    Estimate(mean=2.0, half_width=1.3859292911256331, n=2)
    """
    if not values:
        raise DataError("estimate: no replication to average")
    n = len(values)
    return Estimate(float(np.mean(values)), 1.96 * float(np.std(values)) / math.sqrt(n), n)


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Estimate of ``second - first`` over replications that share their random numbers.

    Raises:
        DataError: different numbers of replications.

    >>> paired_difference([1.0, 2.0], [2.0, 3.0]).mean
    1.0
    """
    if len(first) != len(second):
        raise DataError(f"paired difference: {len(first)} and {len(second)} replications")
    return estimate([b - a for a, b in zip(first, second, strict=True)])


@dataclass(frozen=True)
class PairedTest:
    """Mean of ``n`` values with its 95 % interval by Student's t, and the two-sided p-value of a mean of ``bound``.

    For an equivalence the p-value is that of two one-sided tests: small if the mean is within ``bound`` either way.
    ``freedom`` are the degrees of freedom of the interval; None: ``n - 1``.
    """

    mean: float
    low: float
    high: float
    p_value: float
    n: int
    freedom: float | None = None


def smallest_visible(test: PairedTest, power: float = 0.8, level: float = 0.05) -> float:
    """The smallest true difference that a test of as many values, spread as these are, finds with a given power.

    From the quantiles of Student's t: ``(t(1 - level / 2) + t(power)) * error``, at the test's degrees of freedom.

    Args:
        test: of :func:`t_test`.
        power: probability of finding it.
        level: of the test, two-sided, before any adjustment.

    Returns:
        The difference in the unit of the values; infinity for a single value.

    >>> round(smallest_visible(t_test([1.0, 2.0, 3.0])), 2)
    3.1
    """
    if test.n < 2:
        return math.inf
    from scipy import special  # not at the top: half a second, and every command imports this module

    freedom = test.n - 1 if test.freedom is None else test.freedom
    error = (test.high - test.low) / 2 / float(special.stdtrit(freedom, 0.975))
    return error * float(special.stdtrit(freedom, 1 - level / 2) + special.stdtrit(freedom, power))


def untested(difference: float) -> PairedTest:
    """One difference alone, of which nothing can be told: no interval, and a p-value of 1."""
    return PairedTest(difference, -math.inf, math.inf, 1.0, 1)


def t_test(values: Sequence[float], bound: float = 0.0, *, equivalence: bool = False) -> PairedTest:
    """Test the mean of paired differences against a bound; with ``equivalence`` whether it lies within ±bound.

    Raises:
        DataError: fewer than two values.

    >>> found = t_test([1.0, 2.0, 3.0])
    >>> round(found.mean, 3), round(found.low, 3), round(found.p_value, 4)
    (2.0, -0.484, 0.0742)
    """
    n = len(values)
    if n < 2:
        raise DataError(f"t-test: {n} replication(s), at least 2 are needed")
    from scipy import special

    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(n)
    reach = error * float(special.stdtrit(n - 1, 0.975))
    # a statistic that never varies: beyond any doubt on one side of the bound, or exactly at it
    scale = error or 1e-300
    if equivalence:
        p_value = max(
            float(special.stdtr(n - 1, (mean - bound) / scale)), float(special.stdtr(n - 1, -(mean + bound) / scale))
        )
    else:
        p_value = 2 * float(special.stdtr(n - 1, -abs(mean - bound) / scale))
    return PairedTest(mean, mean - reach, mean + reach, p_value, n)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number by Holm's step-down method, in the given order.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    count, worst = len(p_values), 0.0
    adjusted = [0.0] * count
    for rank, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = worst
    return adjusted


def interval_test(mean: float, low: float, high: float, n: int) -> PairedTest:
    """A bootstrap estimate with its 95 % interval as a test against 0, by the normal distribution of that width.

    >>> round(interval_test(0.1, 0.0, 0.2, 50).p_value, 3)
    0.05
    """
    from scipy import special

    error = (high - low) / (2 * float(special.ndtri(0.975)))
    return PairedTest(mean, low, high, 2 * float(special.ndtr(-abs(mean) / (error or 1e-300))), n)

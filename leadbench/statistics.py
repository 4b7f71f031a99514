"""Replications to estimates: mean and 95 % interval as the field computes them, and paired comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leadbench.errors import DataError


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

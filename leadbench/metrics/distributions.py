"""Two sets of embeddings compared by more than their first two moments, in float64.

FID sees means and covariances alone, and falls with the number of rows even where both sets are of one distribution.
The measures here see other things: kernels all moments (:func:`kernel_distance`), nearest neighbours what is made up
and what is missing (:func:`precision_recall`), the spectrum of similarities how many kinds there are
(:func:`vendi_score`), the curve of FID over the number of rows what it would be without end (:func:`fid_infinity`),
distances to the train split what was learnt by heart (:func:`nearest_distances`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from leadbench.core.errors import DataError
from leadbench.core.random import stream
from leadbench.metrics.arrays import ArrayLike, finite_float64
from leadbench.metrics.frechet import FeatureStatistics, frechet_distance

NEIGHBOURS = 5
"""k of precision, recall, density and coverage, as in Naeem et al. 2020."""

LEAST = 8
"""Rows of each set that an extrapolation needs."""


@dataclass(frozen=True)
class KernelDistance:
    """Squared maximum mean discrepancy and its standard error; the unbiased estimate of 0 may be below 0."""

    value: float
    error: float


@dataclass(frozen=True)
class PrecisionRecall:
    """Shares of generated rows that look real, and of real rows that are covered, in two versions each."""

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class ExtrapolatedFid:
    """FID at several numbers of rows, and the value at 1/N = 0 of the straight line through them."""

    value: float
    sizes: tuple[int, ...]
    values: tuple[float, ...]


def kernel_distance(real: ArrayLike, generated: ArrayLike, *, degree: int = 3, paired: bool = False) -> KernelDistance:
    """KID: unbiased squared MMD with the kernel (x · y / E + 1)^degree (Bińkowski et al. 2018, Eq. 4), of all rows.

    The published estimate averages random subsets of 1,000 rows; that of all rows has the same expectation, less
    variance and no draw. The standard error is the jackknife's over rows.

    Args:
        real: embeddings [N, E], N at least 3.
        generated: embeddings [K, E], K at least 3.
        degree: of the kernel.
        paired: row i of both belongs together (a caption's real and its generated motion), so that the two are not
            independent: they are not compared with each other (the U-statistic of Gretton et al. 2012, Eq. 3).

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: other than two axes, sets of different width, too few rows, or pairs of sets of different size.

    >>> rows = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    >>> close = kernel_distance(rows[:100], rows[100:])
    >>> abs(close.value) < 3 * close.error, kernel_distance(rows[:100], rows[100:] + 1).value > 1
    (True, True)
    """
    x, y = _pair(real, generated, least=3)
    _check_pairs(x, y, paired)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / x.shape[1] + 1.0) ** degree

    of_x, of_y, across = _without_own(kernel(x, x)), _without_own(kernel(y, y)), kernel(x, y)
    n, k = len(x), len(y)
    if paired:
        across = _without_own(across)
        total = of_x + of_y - across - across.T
        value = total.sum() / (n * (n - 1))
        without = [(total.sum() - 2 * total.sum(1)) / ((n - 1) * (n - 2))]
    else:
        of_xx, of_yy, of_xy = of_x.sum(), of_y.sum(), across.sum()
        mean_x, mean_y = of_xx / (n * (n - 1)), of_yy / (k * (k - 1))
        value = mean_x + mean_y - 2 * of_xy / (n * k)
        shrunk_x = (of_xx - 2 * of_x.sum(1)) / ((n - 1) * (n - 2))
        shrunk_y = (of_yy - 2 * of_y.sum(1)) / ((k - 1) * (k - 2))
        without = [
            shrunk_x + mean_y - 2 * (of_xy - across.sum(1)) / ((n - 1) * k),
            mean_x + shrunk_y - 2 * (of_xy - across.sum(0)) / (n * (k - 1)),
        ]
    variance = sum(float((len(w) - 1) / len(w) * (w - w.mean()).square().sum()) for w in without)
    return KernelDistance(float(value), math.sqrt(variance))


def precision_recall(real: ArrayLike, generated: ArrayLike, *, neighbours: int = NEIGHBOURS) -> PrecisionRecall:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020), by k nearest
    neighbours.

    A row's ball reaches to its k-th nearest neighbour of its own set. Precision: generated rows in some real ball.
    Recall: real rows in some generated ball. Density: real balls that a generated row is in, over k; above 1 where
    generated rows crowd. Coverage: real rows whose ball holds a generated row.

    Args:
        real: embeddings [N, E], more rows than ``neighbours``.
        generated: embeddings [K, E], more rows than ``neighbours``.
        neighbours: k.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: other than two axes, sets of different width, or too few rows.

    >>> rows = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    >>> precision_recall(rows, rows + 100)
    PrecisionRecall(precision=0.0, recall=0.0, density=0.0, coverage=0.0)
    """
    if neighbours < 1:
        raise DataError(f"neighbours {neighbours} must be at least 1")
    x, y = _pair(real, generated, least=neighbours + 1)
    across = _distances(x, y)
    x_reach, y_reach = (_reach(rows, neighbours)[:, None] for rows in (x, y))
    in_real = x_reach > across  # [N, K]
    in_made = y_reach > across.T  # [K, N]
    return PrecisionRecall(
        precision=float(in_real.any(0).double().mean()),
        recall=float(in_made.any(0).double().mean()),
        density=float(in_real.sum(0).double().mean() / neighbours),
        coverage=float((across.min(1).values < x_reach[:, 0]).double().mean()),
    )


def vendi_score(embeddings: ArrayLike) -> float:
    """Vendi score (Friedman and Dieng 2022): the effective number of different rows of [N, E], from 1 to min(N, E).

    The exponential of the entropy of the eigenvalues of K / N, where K holds the cosines of all pairs of rows; a row of
    zeros is like no other.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: other than two axes, or no rows.

    >>> round(vendi_score(torch.eye(4).repeat(3, 1)), 6)
    4.0
    """
    rows = finite_float64(embeddings, "N E", "embeddings")
    if not len(rows):
        raise DataError("the Vendi score needs at least 1 row")
    unit = torch.nn.functional.normalize(rows, dim=1)
    # K = U Uᵀ and Uᵀ U share their eigenvalues other than 0; the smaller one is taken
    small = unit.T @ unit if unit.shape[1] < len(unit) else unit @ unit.T
    shares = torch.linalg.eigvalsh(small).clamp(min=0) / len(rows)
    return float(torch.special.entr(shares).sum().exp())


def fid_infinity(
    real: ArrayLike,
    generated: ArrayLike,
    *,
    points: int = 10,
    smallest: float = 0.25,
    repeats: int = 3,
    seed: int = 0,
    paired: bool = False,
) -> ExtrapolatedFid:
    """FID without the bias of finite sets: extrapolated over 1/N to N = infinity (Chong and Forsyth 2020).

    Their real set is large, and the generated one alone is cut; here the real set is a split of the same size, so both
    are cut to N rows. The bias of each covariance falls with 1/N, so FID is close to a straight line in 1/N.

    Args:
        real: embeddings [N, E].
        generated: embeddings [K, E].
        points: numbers of rows that FID is measured at, evenly spaced in 1/N up to the smaller set.
        smallest: the least of them, as a share of the smaller set.
        repeats: draws of rows at each of them, averaged.
        seed: of the draws.
        paired: row i of both belongs together; both lose the same rows then, since whatever the two share would make
            FID of all rows smaller than the line through the others.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: other than two axes, sets of different width, or too few rows.

    >>> rows = torch.randn(800, 4, generator=torch.Generator().manual_seed(0))
    >>> found = fid_infinity(rows[:400], rows[400:])
    >>> abs(found.value) < found.values[0]
    True
    """
    x, y = _pair(real, generated, least=LEAST)
    if points < 2 or not (0 < smallest < 1) or repeats < 1:
        raise DataError(
            f"points {points} (2 or more), smallest {smallest:g} (between 0 and 1), repeats {repeats} (1 or more)"
        )
    _check_pairs(x, y, paired)
    most = min(len(x), len(y))
    inverse = np.linspace(1 / max(2.0, smallest * most), 1 / most, points)
    sizes = tuple(round(1 / value) for value in inverse)
    generator = stream(seed, "fid-infinity")

    def measured(size: int) -> float:
        found = []
        for _ in range(repeats if size < most else 1):
            at = torch.from_numpy(generator.permutation(len(x))[:size])
            also = at if paired else torch.from_numpy(generator.permutation(len(y))[:size])
            parts = (FeatureStatistics.from_embeddings(rows) for rows in (x[at], y[also]))
            found.append(frechet_distance(*parts))
        return float(np.mean(found))

    values = tuple(measured(size) for size in sizes)
    slope_and_value = np.polyfit([1 / size for size in sizes], values, 1)
    return ExtrapolatedFid(float(slope_and_value[1]), sizes, values)


def nearest_distances(embeddings: ArrayLike, among: ArrayLike, *, block: int = 1024) -> Tensor:
    """Euclidean distance [N] of each row of [N, E] to the nearest row of ``among`` [K, E].

    Of generated rows among the train split: near 0 where motions were learnt by heart. What is near is told by the same
        of real
    test motions.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: other than two axes, sets of different width, or an empty one.

    >>> nearest_distances(torch.tensor([[0.0, 3.0]]), torch.tensor([[4.0, 0.0], [0.0, 1.0]])).tolist()
    [2.0]
    """
    x, y = _pair(embeddings, among, least=1)
    return torch.cat([_distances(part, y).min(1).values for part in x.split(block)])


def _pair(real: ArrayLike, generated: ArrayLike, least: int) -> tuple[Tensor, Tensor]:
    x, y = (finite_float64(rows, "N E", what) for rows, what in _named(real, generated))
    if x.shape[1] != y.shape[1]:
        raise DataError(f"embeddings of widths {x.shape[1]} and {y.shape[1]} do not compare")
    if min(len(x), len(y)) < least:
        raise DataError(f"sets of {len(x)} and {len(y)} rows; at least {least} each are needed")
    return x, y


def _check_pairs(x: Tensor, y: Tensor, paired: bool) -> None:
    if paired and len(x) != len(y):
        raise DataError(f"pairs of {len(x)} and {len(y)} rows; both sets need as many")


def _named(real: ArrayLike, generated: ArrayLike) -> Sequence[tuple[ArrayLike, str]]:
    return ((real, "real embeddings"), (generated, "generated embeddings"))


def _without_own(kernel: Tensor) -> Tensor:
    return kernel - torch.diag(kernel.diagonal())


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # differences rather than |a|² + |b|² - 2ab: equal rows are at distance 0 exactly
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _reach(rows: Tensor, neighbours: int) -> Tensor:
    """Distance [N] of each row to its k-th nearest other row."""
    return _distances(rows, rows).kthvalue(neighbours + 1, dim=1).values

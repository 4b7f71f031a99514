"""Measures of sets against independent implementations, and what they say of distributions that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.metrics.distributions import (
    fid_infinity,
    kernel_distance,
    nearest_distances,
    precision_recall,
    vendi_score,
)
from leadbench.metrics.functional import fid

Array = NDArray[np.float64]


def rows(seed: int, count: int = 40, width: int = 5, shift: float = 0.0, scale: float = 1.0) -> Array:
    return shift + scale * np.random.default_rng(seed).normal(size=(count, width))


def test_kernel_distance_is_that_of_torchmetrics() -> None:
    kid = pytest.importorskip("torchmetrics.image.kid", reason="the reference is torchmetrics")
    real, made = rows(0), rows(1, shift=0.3)
    wanted = float(kid.poly_mmd(torch.from_numpy(real), torch.from_numpy(made), degree=3, gamma=None, coef=1.0))
    assert kernel_distance(real, made).value == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("paired", [False, True])
def test_kernel_distance_pair_by_pair(paired: bool) -> None:
    real, made = rows(0, 12), rows(1, 12 if paired else 9)
    n, k = len(real), len(made)

    def of(x: Array, y: Array) -> float:
        return float((x @ y / 5 + 1) ** 3)

    def estimate(real: Array, made: Array) -> float:
        n, k = len(real), len(made)
        own = [sum(of(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j) for s in (real, made)]
        pairs = [(i, j) for i in range(n) for j in range(k) if not (paired and i == j)]
        across = sum(of(real[i], made[j]) for i, j in pairs) / len(pairs)
        return own[0] / (n * (n - 1)) + own[1] / (k * (k - 1)) - 2 * across

    found = kernel_distance(real, made, paired=paired)
    assert found.value == pytest.approx(estimate(real, made), rel=1e-9)
    without = [[estimate(np.delete(real, i, 0), np.delete(made, i, 0) if paired else made) for i in range(n)]]
    if not paired:
        without.append([estimate(real, np.delete(made, j, 0)) for j in range(k)])
    variance = sum((len(w) - 1) / len(w) * sum((v - np.mean(w)) ** 2 for v in w) for w in without)
    assert found.error == pytest.approx(math.sqrt(variance), rel=1e-9)


def test_the_jackknife_covers_the_truth() -> None:
    """Of sets of one distribution, the estimate is within two standard errors of 0 about as often as it should be."""
    found = [kernel_distance(rows(2 * i, 60), rows(2 * i + 1, 60)) for i in range(60)]
    near = np.mean([abs(one.value) < 2 * one.error for one in found])
    assert 0.85 <= near <= 1.0


def reference_prdc(real: Array, made: Array, k: int) -> tuple[float, float, float, float]:
    def reach(rows: Array) -> list[float]:
        return [sorted(math.dist(a, b) for b in rows)[k] for a in rows]

    real_reach, made_reach = reach(real), reach(made)
    inside = [[math.dist(a, b) < real_reach[i] for b in made] for i, a in enumerate(real)]
    n, m = len(real), len(made)
    precision = sum(any(inside[i][j] for i in range(n)) for j in range(m)) / m
    recall = sum(any(math.dist(a, b) < made_reach[j] for j, b in enumerate(made)) for a in real) / n
    density = sum(map(sum, inside)) / (k * m)
    coverage = sum(any(row) for row in inside) / n
    return precision, recall, density, coverage


@pytest.mark.parametrize("k", [1, 3, 5])
def test_precision_and_recall_neighbour_by_neighbour(k: int) -> None:
    real, made = rows(0, 30, 3), rows(1, 25, 3, shift=0.5, scale=0.7)
    found = precision_recall(real, made, neighbours=k)
    wanted = reference_prdc(real, made, k)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(wanted, rel=1e-9)


def test_precision_falls_with_noise_and_recall_with_collapse() -> None:
    real = rows(0, 200)
    assert precision_recall(real, rows(1, 200, scale=3.0)).precision < precision_recall(real, rows(1, 200)).precision
    assert precision_recall(real, rows(1, 200, scale=0.2)).recall < 0.5 * precision_recall(real, rows(1, 200)).recall


def test_the_vendi_score_by_the_whole_matrix() -> None:
    made = rows(3, 20, 6)
    unit = made / np.linalg.norm(made, axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(unit @ unit.T / len(unit))
    wanted = math.exp(-sum(value * math.log(value) for value in shares if value > 1e-12))
    assert vendi_score(made) == pytest.approx(wanted, rel=1e-9)
    assert vendi_score(np.repeat(made[:1], 7, axis=0)) == pytest.approx(1.0)
    assert vendi_score(made.T @ made) <= 6 + 1e-9


@pytest.mark.parametrize("paired", [False, True])
def test_fid_without_end_is_nearer_the_truth(paired: bool) -> None:
    """Of Gaussians whose distance is known: 8 dimensions, a shift of 0.5 each."""
    truth = 8 * 0.25
    errors = []
    for seed in range(3):
        real, made = rows(2 * seed, 400, 8), rows(2 * seed + 1, 400, 8, shift=0.5)
        found = fid_infinity(real, made, seed=seed, paired=paired)
        assert found.values[-1] == pytest.approx(fid(real, made), rel=1e-9)  # all rows are its last point
        assert list(found.sizes) == sorted(found.sizes)
        errors.append((abs(found.value - truth), abs(found.values[0] - truth)))
    assert sum(one for one, _ in errors) < sum(first for _, first in errors)


def test_splits_of_different_size_compare() -> None:
    """FID of a quarter of the rows is far from that of all; without end they are near."""
    real, made = rows(0, 1200, 12), rows(1, 1200, 12, scale=1.2)
    plain = fid(real[:300], made[:300]) - fid(real, made)
    without_end = fid_infinity(real[:300], made[:300]).value - fid_infinity(real, made).value
    assert abs(without_end) < abs(plain)


def test_nearest_distances_row_by_row() -> None:
    made, train = rows(0, 10), rows(1, 30)
    wanted = [min(math.dist(a, b) for b in train) for a in made]
    assert nearest_distances(made, train, block=3).tolist() == pytest.approx(wanted, rel=1e-12)
    assert float(nearest_distances(train[:5], train).max()) == 0.0


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda: kernel_distance(rows(0, 2), rows(1)), "sets of 2 and 40 rows; at least 3"),
        (lambda: kernel_distance(rows(0), rows(1, width=4)), "widths 5 and 4"),
        (lambda: kernel_distance(rows(0), rows(1, 39), paired=True), "pairs of 40 and 39"),
        (lambda: precision_recall(rows(0, 5), rows(1)), "at least 6"),
        (lambda: precision_recall(rows(0), rows(1), neighbours=0), "must be at least 1"),
        (lambda: fid_infinity(rows(0), rows(1), points=1), "points 1"),
        (lambda: fid_infinity(rows(0), rows(1, 39), paired=True), "pairs of"),
        (lambda: vendi_score(np.zeros((0, 3))), "at least 1 row"),
        (lambda: vendi_score(np.zeros(3)), "expected [N, E]"),
    ],
)
def test_what_does_not_fit_is_told(measure: object, message: str) -> None:
    with pytest.raises(DataError) as told:
        measure()  # type: ignore[operator]
    assert message in str(told.value)


def test_nan_is_refused() -> None:
    bad = rows(0)
    bad[3, 1] = math.nan
    for measure in (kernel_distance, precision_recall, fid_infinity, nearest_distances):
        with pytest.raises(NonFiniteError, match="first rows: 3"):
            measure(rows(1), bad)

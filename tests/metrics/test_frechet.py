"""Fréchet distance: singular covariances, running statistics, refusal of NaN."""

from __future__ import annotations

import numpy as np
import pytest
import reference_metrics
import torch

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.metrics.frechet import FeatureStatistics, frechet_distance


def statistics(rows: torch.Tensor) -> FeatureStatistics:
    return FeatureStatistics.from_embeddings(rows)


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return frechet_distance(statistics(a), statistics(b))


@pytest.mark.parametrize("rows", [200, 7])
def test_agrees_with_the_slow_references(rows: int) -> None:
    a = torch.randn(rows, 12, dtype=torch.float64) @ torch.randn(12, 12, dtype=torch.float64)
    b = torch.randn(rows + 3, 12, dtype=torch.float64) * 2 + 1
    value = distance(a, b)
    assert value == pytest.approx(reference_metrics.frechet_nuclear(a.numpy(), b.numpy()), rel=1e-7)
    if rows > 12:
        assert value == pytest.approx(reference_metrics.frechet_sqrtm(a.numpy(), b.numpy()), rel=1e-9)


def test_known_value_of_diagonal_gaussians() -> None:
    """(m1 - m2)^2 + (s1 - s2)^2 for each dimension."""
    rows = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    scale, shift = torch.tensor([3.0, 0.5]), torch.tensor([2.0, -1.0])
    deviation = float(rows[:, 0].std())
    expected = 4 + 1 + (2 * deviation) ** 2 + (0.5 * deviation) ** 2
    assert distance(rows, rows * scale + shift) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rows", [3, 400])
def test_zero_for_itself_symmetric_and_never_negative(rows: int) -> None:
    a, b = torch.randn(rows, 32), torch.randn(rows, 32)
    assert distance(a, a) == pytest.approx(0, abs=1e-6)
    assert distance(a, a) >= 0
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-9)


def test_constant_embeddings_are_no_special_case() -> None:
    a, b = torch.zeros(10, 4), torch.ones(10, 4)
    assert distance(a, b) == pytest.approx(4, rel=1e-12)


def test_parts_of_any_size_merge_exactly() -> None:
    rows = torch.randn(50, 6) + 100
    whole = statistics(rows)
    merged = statistics(rows[:1])
    for part in (rows[1:2], rows[2:30], rows[30:]):
        merged = merged.merge(statistics(part))
    assert merged.n == 50
    torch.testing.assert_close(merged.mean, whole.mean, rtol=1e-13, atol=0)
    torch.testing.assert_close(merged.covariance, whole.covariance, rtol=1e-10, atol=1e-12)
    expected = np.cov(rows.double().numpy(), rowvar=False)
    np.testing.assert_allclose(whole.covariance.numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_non_finite_embeddings_are_refused(bad: float) -> None:
    rows = torch.zeros(5, 3)
    rows[3, 1] = bad
    with pytest.raises(NonFiniteError, match=r"generated: 1 of 5 rows .* \(first rows: 3\)"):
        FeatureStatistics.from_embeddings(rows, "generated")


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match="expected"):
        statistics(torch.zeros(3))
    with pytest.raises(DataError, match="no rows"):
        statistics(torch.zeros(0, 3))
    with pytest.raises(DataError, match="at least 2 rows"):
        distance(torch.zeros(1, 3), torch.zeros(4, 3))
    with pytest.raises(DataError, match="widths 3 and 4 do not compare"):
        distance(torch.zeros(3, 3), torch.zeros(3, 4))
    with pytest.raises(DataError, match="do not merge"):
        statistics(torch.zeros(3, 3)).merge(statistics(torch.zeros(3, 4)))

"""What metrics take, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.metrics.arrays import finite_float64, row_indices


@pytest.mark.parametrize("values", [np.ones((2, 3), dtype=np.float32), torch.ones(2, 3, requires_grad=True)])
def test_arrays_and_tensors_become_float64_without_gradient(values: object) -> None:
    found = finite_float64(values, "N E", "rows")
    assert (found.dtype, found.requires_grad, tuple(found.shape)) == (torch.float64, False, (2, 3))


def test_the_callers_array_is_not_shared() -> None:
    values = np.zeros((1, 1))
    finite_float64(values, "N E", "rows").add_(1)
    assert values[0, 0] == 0


def test_shape_and_rows_are_named() -> None:
    with pytest.raises(DataError, match=r"rows: shape \(2,\), expected \[N, E\]"):
        finite_float64(np.ones(2), "N E", "rows")
    bad = np.zeros((9, 2, 2))
    bad[[1, 3, 4, 5, 6, 8], 0, 1] = np.inf
    with pytest.raises(NonFiniteError, match=r"6 of 9 rows .* \(first rows: 1, 3, 4, 5, 6\)"):
        finite_float64(bad, "N F D", "motions")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([0.0]), "must be integers"),
        (np.array([[0]]), "must be integers"),
        (np.array([True]), "must be integers"),
        (np.array([0, 3]), "0 to 3 do not all lie in 0 to 2"),
        (np.array([-1]), "-1 to -1 do not all lie"),
    ],
)
def test_indices_that_are_none(values: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        row_indices(values, 3, "order")


def test_indices() -> None:
    assert row_indices(np.array([2, 0], dtype=np.int32), 3, "order").tolist() == [2, 0]
    assert row_indices(torch.zeros(0, dtype=torch.long), 3, "order").dtype == torch.long

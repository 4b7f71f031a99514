"""Quaternion algebra holds, also where shortest rotations are singular."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from leadbench.motion import quaternion as quat


def random_unit(*shape: int) -> Tensor:
    return quat.normalize(torch.randn(*shape, dtype=torch.float64))


def test_rotation_is_conjugation_and_agrees_with_the_matrix() -> None:
    q, r, v = random_unit(50, 4), random_unit(50, 4), torch.randn(50, 3, dtype=torch.float64)
    pure = torch.cat((torch.zeros(50, 1, dtype=torch.float64), v), dim=-1)
    conjugated = quat.multiply(quat.multiply(q, pure), quat.inverse(q))[..., 1:]
    torch.testing.assert_close(quat.rotate(q, v), conjugated)
    torch.testing.assert_close(quat.rotate(q, v), (quat.to_matrix(q) @ v[..., None])[..., 0])
    torch.testing.assert_close(quat.rotate(quat.multiply(q, r), v), quat.rotate(q, quat.rotate(r, v)))
    torch.testing.assert_close(quat.multiply(q, quat.inverse(q)), quat.identity_like(q))


@pytest.mark.parametrize("between", [quat.between, quat.between_stable])
def test_between_turns_one_direction_into_the_other(between: object) -> None:
    assert callable(between)
    u, v = torch.randn(50, 3, dtype=torch.float64), torch.randn(50, 3, dtype=torch.float64)
    q = between(u, v)
    torch.testing.assert_close(quat.rotate(q, quat.normalize(u)), quat.normalize(v))
    assert (q[..., 0] >= 0).all()
    torch.testing.assert_close((q[..., 1:] * u).sum(-1), torch.zeros(50, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stable_between_near_opposite_vectors(dtype: torch.dtype) -> None:
    u = random_unit(200, 3).to(dtype)
    sideways = quat.normalize(torch.linalg.cross(u, random_unit(200, 3).to(dtype), dim=-1))
    eps = torch.finfo(dtype).eps
    for gap in (0.0, 1e-12, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-1):
        v = quat.normalize(-u + gap * sideways)
        q = quat.between_stable(u, v)
        torch.testing.assert_close(q.norm(dim=-1), torch.ones(200, dtype=dtype))
        assert (quat.rotate(q, u) - v).abs().max() < 20 * eps, gap


def test_stable_between_of_a_zero_vector_is_the_identity() -> None:
    q = quat.between_stable(torch.zeros(3), torch.tensor([0.0, 1.0, 0.0]))
    assert q.tolist() == [1.0, 0.0, 0.0, 0.0]


def test_six_numbers_and_back() -> None:
    q = random_unit(200, 4)
    matrix = quat.to_matrix(q)
    torch.testing.assert_close(quat.matrix_from_6d(quat.to_6d(q)), matrix)
    torch.testing.assert_close(quat.to_matrix(quat.from_6d(quat.to_6d(q))), matrix)
    any_values = quat.matrix_from_6d(torch.randn(20, 6, dtype=torch.float64))
    torch.testing.assert_close(any_values @ any_values.mT, torch.eye(3, dtype=torch.float64).expand(20, 3, 3))
    torch.testing.assert_close(torch.linalg.det(any_values), torch.ones(20, dtype=torch.float64))


def test_matrices_of_half_turns_keep_their_axis() -> None:
    axes = random_unit(50, 3)
    q = torch.cat((torch.zeros(50, 1, dtype=torch.float64), axes), dim=-1)
    back = quat.from_matrix(quat.to_matrix(q))
    torch.testing.assert_close((back * q).sum(-1).abs(), torch.ones(50, dtype=torch.float64))


def test_continuous_signs_along_any_dimension() -> None:
    angle = torch.linspace(0, 4 * math.pi, 100, dtype=torch.float64)
    smooth = quat.about_y(angle / 2)
    signs = torch.where(torch.rand(100) < 0.5, -1.0, 1.0)[:, None]
    signs[0] = 1.0
    torch.testing.assert_close(quat.make_continuous(smooth * signs, dim=0), smooth)
    torch.testing.assert_close(quat.make_continuous((smooth * signs)[None, :], dim=1)[0], smooth)


def test_about_y_turns_z_towards_x() -> None:
    z = torch.tensor([0.0, 0.0, 1.0])
    torch.testing.assert_close(quat.rotate(quat.about_y(torch.tensor(math.pi / 4)), z), torch.tensor([1.0, 0.0, 0.0]))


def _published(matrix: torch.Tensor) -> tuple[int, torch.Tensor]:
    """Branch and quaternion of one rotation by the published formula (Shepperd's method), in scalars."""
    m = matrix.tolist()
    (a, b, c), (d, e, f), (g, h, i) = m
    if i < 0 and a > e:
        x = (1 + a - e - i) ** 0.5
        return 0, torch.tensor([(h - f) / x, x, (b + d) / x, (c + g) / x]) / 2
    if i < 0:
        y = (1 - a + e - i) ** 0.5
        return 1, torch.tensor([(c - g) / y, (b + d) / y, y, (f + h) / y]) / 2
    if a < -e:
        z = (1 - a - e + i) ** 0.5
        return 2, torch.tensor([(d - b) / z, (c + g) / z, (f + h) / z, z]) / 2
    w = (1 + a + e + i) ** 0.5
    return 3, torch.tensor([w, (h - f) / w, (c - g) / w, (d - b) / w]) / 2


def test_signs_of_6d_are_the_published_ones_in_all_four_branches() -> None:
    values = torch.randn(4000, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    found = quat.from_6d(values)
    branches = [0, 0, 0, 0]
    for matrix, mine in zip(quat.matrix_from_6d(values), found, strict=True):
        branch, theirs = _published(matrix)
        branches[branch] += 1
        torch.testing.assert_close(mine, theirs.double(), atol=1e-6, rtol=0)
    assert min(branches) > 500
    assert int((found[:, 0] < 0).sum()) > 200  # which the largest component alone would not give
    differ = (quat.from_matrix(quat.matrix_from_6d(values)) * found).sum(-1) < 0
    assert 0 < int(differ.sum()) < len(values)

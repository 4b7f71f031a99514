"""Quaternions (w, x, y, z) in the last dimension, rotation matrices and the 6D rotation representation.

Everything broadcasts over leading dimensions and keeps dtype and device. A unit quaternion q rotates v to
q v q^-1. 6D is the first column of the rotation matrix followed by its second (Zhou et al., "On the Continuity of
Rotation Representations in Neural Networks", CVPR 2019). Conventions of ``common/quaternion.py`` in
EricGuo5513/text-to-motion, which HumanML3D's features are made with.
"""

from __future__ import annotations

import torch
from torch import Tensor


def normalize(v: Tensor, eps: float = 0.0) -> Tensor:
    """Scale to unit length along the last dimension; NaN for a zero vector unless ``eps`` > 0, then zero."""
    norm: Tensor = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    return v / (norm.clamp_min(eps) if eps > 0 else norm)


def _cross(u: Tensor, v: Tensor) -> Tensor:
    (ux, uy, uz), (vx, vy, vz) = u.unbind(-1), v.unbind(-1)
    return torch.stack((uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx), dim=-1)


def identity_like(q: Tensor) -> Tensor:
    """The identity (1, 0, 0, 0) in the shape of ``q`` [..., 4]."""
    one = q.new_tensor([1.0, 0.0, 0.0, 0.0])
    return one.expand(q.shape)


def inverse(q: Tensor) -> Tensor:
    """Inverse of unit quaternions [..., 4] (the conjugate).

    >>> inverse(torch.tensor([0.0, 1.0, 0.0, 0.0])).tolist()
    [0.0, -1.0, -0.0, -0.0]
    """
    return torch.cat((q[..., :1], -q[..., 1:]), dim=-1)


def multiply(q: Tensor, r: Tensor) -> Tensor:
    """Hamilton product q r of [..., 4] and [..., 4]: the rotation r, then q."""
    w1, x1, y1, z1 = q.unbind(-1)
    w2, x2, y2, z2 = r.unbind(-1)
    return torch.stack(
        (
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        ),
        dim=-1,
    )


def rotate(q: Tensor, v: Tensor) -> Tensor:
    """Rotate vectors [..., 3] by unit quaternions [..., 4]."""
    axis = q[..., 1:]
    first = _cross(axis, v)
    second = _cross(axis, first)
    return v + 2.0 * (q[..., :1] * first + second)


def between(u: Tensor, v: Tensor) -> Tensor:
    """Shortest rotation from ``u`` to ``v`` [..., 3], as published: unit(|u||v| + u.v, u x v), with w >= 0.

    Near-opposite vectors leave the axis to rounding, and exactly opposite or zero ones give NaN: see
    :func:`between_stable`.
    """
    w = ((u * u).sum(-1, keepdim=True) * (v * v).sum(-1, keepdim=True)).sqrt() + (u * v).sum(-1, keepdim=True)
    return normalize(torch.cat((w, _cross(u, v)), dim=-1))


def between_stable(u: Tensor, v: Tensor) -> Tensor:
    """Shortest rotation from ``u`` to ``v`` [..., 3] that stays finite and accurate for opposite vectors.

    The axis is made orthogonal to ``u`` again after rounding, and 1 + cos is computed as sin^2 / (1 - cos) where the
    sum would cancel. For exactly opposite vectors the axis is some fixed perpendicular of ``u``; a zero vector gives
    the identity. The rotation's axis is still discontinuous there: no continuous choice exists.
    """
    tiny = 4.0 * torch.finfo(u.dtype).eps
    u, v = (normalize(t, torch.finfo(t.dtype).tiny) for t in (u, v))
    axis = _cross(u, v)
    axis = axis - u * (axis * u).sum(-1, keepdim=True)
    cos = (u * v).sum(-1, keepdim=True)
    squared = (axis * axis).sum(-1, keepdim=True)
    w = torch.where(cos < 0, squared / (1.0 - cos), 1.0 + cos)
    opposite = (cos < 0) & (squared < tiny**2)
    # the coordinate axis that u has least of, made perpendicular to u
    least = torch.nn.functional.one_hot(u.abs().argmin(-1), 3).to(u.dtype)
    spare = normalize(least - u * (least * u).sum(-1, keepdim=True), torch.finfo(u.dtype).tiny)
    q = torch.cat((w.masked_fill(opposite, 0.0), torch.where(opposite, spare, axis)), dim=-1)
    return normalize(q)


def about_y(half_angle: Tensor) -> Tensor:
    """Rotation [..., 4] about +y by twice the given half angle [...] in radians."""
    zero = torch.zeros_like(half_angle)
    return torch.stack((half_angle.cos(), zero, half_angle.sin(), zero), dim=-1)


def to_matrix(q: Tensor) -> Tensor:
    """Rotation matrices [..., 3, 3] of quaternions [..., 4] of any non-zero norm."""
    w, x, y, z = q.unbind(-1)
    s = 2.0 / (q * q).sum(-1)
    rows = (
        1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w),
        s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w),
        s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y),
    )  # fmt: skip
    return torch.stack(rows, dim=-1).reshape(*w.shape, 3, 3)


def to_6d(q: Tensor) -> Tensor:
    """6D representation [..., 6] of quaternions [..., 4]: the first, then the second matrix column."""
    matrix = to_matrix(q)
    return torch.cat((matrix[..., 0], matrix[..., 1]), dim=-1)


def matrix_from_6d(values: Tensor) -> Tensor:
    """Rotation matrices [..., 3, 3] of any 6D values [..., 6], orthonormalised by Gram-Schmidt."""
    x = normalize(values[..., :3])
    z = normalize(_cross(x, values[..., 3:]))
    return torch.stack((x, _cross(z, x), z), dim=-1)


def from_matrix(matrix: Tensor) -> Tensor:
    """Unit quaternions [..., 4] of rotation matrices [..., 3, 3].

    The component of largest magnitude is taken from the diagonal, which is accurate everywhere, and is positive.
    """
    xx, yy, zz = (matrix[..., i, i] for i in range(3))
    squares = torch.stack((1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz), dim=-1)
    m = matrix
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    sw, sx, sy, sz = squares.unbind(-1)
    outer = torch.stack((sw, wx, wy, wz, wx, sx, xy, xz, wy, xy, sy, yz, wz, xz, yz, sz), dim=-1)
    outer = outer.reshape(*sw.shape, 4, 4)
    largest = squares.argmax(dim=-1)[..., None, None].expand(*outer.shape[:-2], 1, 4)
    return normalize(outer.gather(-2, largest).squeeze(-2))


def from_6d(values: Tensor) -> Tensor:
    """Unit quaternions [..., 4] of any 6D values [..., 6], with the signs of the published ``cont6d_to_quat``.

    The published formula makes a component positive that the diagonal of the matrix chooses: where its last entry is
    negative, x or y, by which of the first two entries is larger; else z or w, by the sign of their sum. That is not
    always the largest component, so w may be negative where :func:`from_matrix` has it positive.
    """
    matrix = matrix_from_6d(values)
    q = from_matrix(matrix)
    xx, yy, zz = (matrix[..., i, i] for i in range(3))
    low, high = torch.where(xx > yy, 1, 2), torch.where(xx < -yy, 3, 0)
    chosen = q.gather(-1, torch.where(zz < 0, low, high)[..., None])
    return torch.where(chosen < 0, -q, q)


def make_continuous(q: Tensor, dim: int = -3) -> Tensor:
    """Choose signs along the time dimension ``dim`` so that neighbours have a non-negative dot product.

    The first frame keeps its sign; q and -q are the same rotation.
    """
    moved = q.movedim(dim, 0)
    flips = ((moved[1:] * moved[:-1]).sum(-1, keepdim=True) < 0).cumsum(0) % 2
    signs = torch.cat((torch.ones_like(moved[:1, ..., :1]), 1.0 - 2.0 * flips.to(q.dtype)))
    return (moved * signs).movedim(0, dim)

"""Joint positions to local rotations, for the formats that animate bones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.skeleton import Skeleton
from leadbench.motion.bvh import SkeletalMotion

FloatArray = NDArray[np.float64]
_TINY = 1e-9


def rest_offsets(motion: SkeletalMotion) -> FloatArray:
    """Offsets [J, 3] of the rest pose of a motion, in its unit: the means over its frames, and a root at the origin."""
    offsets = motion.translations.mean(0)
    offsets[motion.parents.index(-1)] = 0.0
    return np.asarray(offsets)


def skeletal_motion(joints: Any, skeleton: Skeleton, fps: float) -> SkeletalMotion:
    """Local rotations and translations of joint positions; forward kinematics gives the positions back exactly.

    A joint with several children turns as its children's directions do, in the least-squares sense (Kabsch, 1976); one
    with a single child swings by the smallest rotation that points its bone where it is, so that nothing twists without
    need; ends do not turn. Bones of generated motions change their length from frame to frame: that is in the
    translations.

    The rotations in HumanML3D's features are not used: positions are what is drawn and evaluated, and nothing makes a
    model's rotations agree with them.

    Args:
        joints: [F, J, 3], in metres, Y up.

    Raises:
        DataError: another number of joints, or no frame.
        NonFiniteError: NaN or infinity.
    """
    positions = np.asarray(joints, dtype=np.float64)
    if positions.ndim != 3 or positions.shape[1:] != (skeleton.n_joints, 3) or not len(positions):
        raise DataError(f"motion of shape {positions.shape}: needed: [F, {skeleton.n_joints}, 3], at least one frame")
    if not np.isfinite(positions).all():
        raise NonFiniteError("motion: joints hold NaN or infinity")
    frames, count = positions.shape[:2]
    children: list[list[int]] = [[] for _ in range(count)]
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            children[parent].append(joint)
    turned = np.broadcast_to(np.eye(3), (frames, count, 3, 3)).copy()
    local = turned.copy()
    moved = positions.copy()
    for joint, parent in enumerate(skeleton.parents):  # parents come first
        above = turned[:, parent] if parent >= 0 else np.broadcast_to(np.eye(3), (frames, 3, 3))
        ends = children[joint]
        directions = _unit(positions[:, ends] - positions[:, [joint]])
        rest = skeleton.raw_offsets[ends]
        if len(ends) > 1:
            turned[:, joint] = _best_rotation(rest, directions)
        elif ends:
            turned[:, joint] = _swing(above @ rest[0], directions[:, 0]) @ above
        else:
            turned[:, joint] = above
        back = np.swapaxes(above, 1, 2)
        local[:, joint] = back @ turned[:, joint]
        if parent >= 0:
            moved[:, joint] = np.einsum("fij,fj->fi", back, positions[:, joint] - positions[:, parent])
    quaternions = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_quat().reshape(frames, count, 4)
    return SkeletalMotion(skeleton.joint_names, skeleton.parents, moved, _continuous(quaternions), fps)


def _unit(vectors: FloatArray) -> FloatArray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(length > _TINY, vectors / np.maximum(length, _TINY), 0.0)


def _best_rotation(rest: FloatArray, directions: FloatArray) -> FloatArray:
    """Rotations [F, 3, 3] that bring directions at rest [C, 3] nearest to those of each frame [F, C, 3]."""
    left, _, right = np.linalg.svd(np.einsum("fci,cj->fij", directions, rest))
    sign = np.linalg.det(left @ right)
    left[..., 2] *= sign[:, None]
    return np.asarray(left @ right)


def _swing(start: FloatArray, end: FloatArray) -> FloatArray:
    """The smallest rotations [F, 3, 3] from one unit vector [F, 3] to another."""
    axis, cosine = np.cross(start, end), np.sum(start * end, axis=-1)
    sine = np.linalg.norm(axis, axis=-1)
    # opposite directions: any axis that is perpendicular to them does
    other = np.cross(start, np.where(np.abs(start[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]))
    axis = np.where(sine[:, None] > _TINY, axis, np.where(cosine[:, None] < 0, other, [[1.0, 0.0, 0.0]]))
    angle = np.where(np.linalg.norm(end, axis=-1) > _TINY, np.arctan2(sine, cosine), 0.0)
    return np.asarray(Rotation.from_rotvec(_unit(axis) * angle[:, None]).as_matrix())


def _continuous(quaternions: FloatArray) -> FloatArray:
    """Each quaternion [F, J, 4] with the sign that is nearer to the one before: players blend between frames."""
    dots = np.sum(quaternions[1:] * quaternions[:-1], axis=-1)
    signs = np.cumprod(np.where(dots < 0, -1.0, 1.0), axis=0)
    return np.concatenate([quaternions[:1], quaternions[1:] * signs[..., None]])

"""Motion as other tools export it: another axis up, a T-pose in front, left and right exchanged, other units.

A body is upright where its head is above its feet for most of a clip. What can be put right is, and is said; what
cannot be is refused, since features of a body that lies on its side teach a model nonsense without a word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leadbench.core.errors import MotionFileError
from leadbench.core.skeleton import Skeleton

FloatArray = NDArray[np.float64]

_UPRIGHT = 0.5  # mean cosine between the line from feet to head and the axis that points up
_SURE = 0.8  # of a body along an axis other than y
_JUMP = 0.25  # metres that a joint moves in one frame, relative to the root, from a pose that is no part of the motion
_CALM = 6.0  # how many times larger that is than the largest of the next steps
_BACKWARDS = -0.6  # mean cosine between toes and the facing of hips and shoulders
STATURE = (0.9, 2.6)
"""Metres of bones from feet to head within which joints are taken to be in metres."""


@dataclass(frozen=True, eq=False)
class Upright:
    """Joints [F, J, 3], y up, and what had to be done to them."""

    joints: FloatArray
    notes: tuple[str, ...] = ()


def make_upright(joints: FloatArray, skeleton: Skeleton, rest: FloatArray | None = None) -> Upright:
    """Joints with y up and without a pose in front that is no part of the motion.

    Args:
        joints: [F, J, 3] in metres.
        skeleton: whose joints they are.
        rest: [J, 3], the pose of the file's skeleton without any rotation, which tells its axes; None: unknown.

    Raises:
        MotionFileError: the head is above the feet along no axis, or left and right are exchanged.
    """
    body = _body_lines(joints, skeleton)
    axis, cosine = _best_axis(body)
    notes: list[str] = []
    along_y = float(body[:, 1].mean())
    if along_y < _UPRIGHT:
        known = None if rest is None else _best_axis(_body_lines(rest[None], skeleton))[0]
        if axis != (1, 1) and cosine >= _SURE and known in (None, axis):
            joints = _turned(joints, axis)
            notes.append(f"turned upright: {_name(axis)} points up in it, not y")
        elif known != (1, 1):
            raise MotionFileError(
                f"the head is not above the feet (mean cosine with y {along_y:.2f}): export it with y up"
            )
        else:
            notes.append(f"the head is not above the feet in most frames (mean cosine with y {along_y:.2f}): lying?")
    joints, dropped = _without_pose_in_front(joints)
    notes += dropped
    require_sides(joints, skeleton)
    return Upright(joints, tuple(notes))


def require_upright(joints: FloatArray, skeleton: Skeleton, where: object) -> None:
    """Refuse joints of generated motions that are not in metres with y up.

    Raises:
        MotionFileError: they are not; the message says what they look like.
    """
    if skeleton.name != "humanml3d":
        return  # the published joints of KIT-ML are in millimetres
    size = _bone_height(joints, skeleton)
    if not STATURE[0] <= size <= STATURE[1]:
        unit = next((unit for unit, scale in _UNITS.items() if STATURE[0] <= size * scale <= STATURE[1]), None)
        guess = f"they look like {unit}; multiply by {_UNITS[unit]}" if unit else "metres are needed"
        raise MotionFileError(f"{where}: bones from feet to head add up to {size:.3g}, no person in metres ({guess})")
    axis, cosine = _best_axis(_body_lines(joints, skeleton))
    if axis != (1, 1) and cosine >= _SURE:
        raise MotionFileError(f"{where}: {_name(axis)} points up in it; y must point up")


def require_sides(joints: FloatArray, skeleton: Skeleton) -> None:
    """Raise MotionFileError where the toes point against the facing of hips and shoulders in the whole clip."""
    if skeleton.name != "humanml3d":
        return  # KIT-ML's published sides contradict each other
    right_hip, left_hip, right_shoulder, left_shoulder = skeleton.face_joints
    across = joints[:, left_hip] - joints[:, right_hip] + joints[:, left_shoulder] - joints[:, right_shoulder]
    facing = np.stack([-across[:, 2], across[:, 0]], axis=-1)  # (x, z) of across x up
    toes = sum(joints[:, toe] - joints[:, heel] for heel, toe in (skeleton.left_foot, skeleton.right_foot))
    cosine = float(np.mean(_cosines(facing, np.asarray(toes)[:, [0, 2]])))
    if cosine < _BACKWARDS:
        raise MotionFileError(
            f"the toes point backwards (mean cosine with the facing {cosine:.2f}): left and right are exchanged"
        )


_UNITS = {"centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254}


def _spans(joints: FloatArray, skeleton: Skeleton) -> FloatArray:
    """From the middle of the ankles to the head, [F, 3]."""
    feet = (joints[:, skeleton.left_foot[0]] + joints[:, skeleton.right_foot[0]]) / 2
    return np.asarray(joints[:, _head(skeleton)] - feet)


def _bone_height(joints: FloatArray, skeleton: Skeleton) -> float:
    """Median over frames of the bones from the left ankle up to the head, whatever the pose."""
    total = np.zeros(len(joints))
    for end in (skeleton.left_foot[0], _head(skeleton)):
        while (parent := skeleton.parents[end]) >= 0:
            total += np.linalg.norm(joints[:, end] - joints[:, parent], axis=-1)
            end = parent
    return float(np.median(total))


def _head(skeleton: Skeleton) -> int:
    names = skeleton.joint_names
    return names.index("head") if "head" in names else names.index("upper_neck")


def _body_lines(joints: FloatArray, skeleton: Skeleton) -> FloatArray:
    """Unit vectors [F, 3] from feet to head."""
    spans = _spans(joints, skeleton)
    return np.asarray(spans / np.maximum(np.linalg.norm(spans, axis=-1, keepdims=True), 1e-9))


def _best_axis(lines: FloatArray) -> tuple[tuple[int, int], float]:
    """(axis, sign) that lines are along most, and their mean cosine with it."""
    means = lines.mean(axis=0)
    axis = int(np.argmax(np.abs(means)))
    return (axis, 1 if means[axis] > 0 else -1), float(abs(means[axis]))


def _name(axis: tuple[int, int]) -> str:
    return f"{'-' if axis[1] < 0 else ''}{'xyz'[axis[0]]}"


def _turned(joints: FloatArray, axis: tuple[int, int]) -> FloatArray:
    """Joints rotated so that an axis points to +y."""
    index, sign = axis
    up = np.zeros(3)
    up[index] = sign
    if index == 1:  # upside down: about z
        return np.asarray(joints * np.array([-1.0, -1.0, 1.0]))
    side = np.cross(up, [0.0, 1.0, 0.0])
    # columns: where the frame (up, side, up x side) comes from; rows: where it goes to
    source = np.stack([up, side, np.cross(up, side)])
    target = np.stack([np.array([0.0, 1.0, 0.0]), side, np.cross([0.0, 1.0, 0.0], side)])
    return np.asarray(joints @ (target.T @ source).T)


def _without_pose_in_front(joints: FloatArray) -> tuple[FloatArray, list[str]]:
    """Without a first frame that is far from all that follows, as a T-pose for calibration is."""
    if len(joints) < 12:
        return joints, []
    local = joints - joints[:, :1]
    steps = np.linalg.norm(np.diff(local[:12], axis=0), axis=-1).max(axis=-1)
    if steps[0] > _JUMP and steps[0] > _CALM * steps[1:].max():
        return joints[1:], [
            f"first frame left out: a pose apart from the motion (a joint moves {steps[0]:.2f} m in one frame)"
        ]
    return joints, []


def _cosines(first: FloatArray, second: FloatArray) -> FloatArray:
    norms = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return np.asarray((first * second).sum(axis=-1) / np.maximum(norms, 1e-9))

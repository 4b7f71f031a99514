"""A body that is posed by angles and foot places: joints of the 22-joint skeleton with constant segment lengths.

Axes: Y up; at yaw 0 the body faces +Z and its left is +X. Angles are radians. A foot is placed by its ball (the
joint called left_foot or right_foot), so that the heel can rise while the ball stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from leadbench.core.skeleton import get_skeleton

Floats = NDArray[np.float64]

LEFT, RIGHT = 0, 1
SIDE = np.array([1.0, -1.0])
"""+1 for left, -1 for right, as X points to the left."""

_LENGTHS = get_skeleton("humanml3d").bone_lengths
STATURE = float(_LENGTHS[7] / 0.246)
THIGH, SHANK, FOOT = (float(_LENGTHS[joint]) for joint in (4, 7, 10))
HIP = float(_LENGTHS[1])
ANKLE_HEIGHT = 0.039 * STATURE
_SOLE = np.array([0.0, ANKLE_HEIGHT, -np.sqrt(FOOT**2 - ANKLE_HEIGHT**2)])
"""From the ball to the ankle of a flat foot."""
LEG = THIGH + SHANK
STANCE = 0.17
"""Metres between the balls of somebody who stands at ease."""
STANDING = ANKLE_HEIGHT + 0.985 * LEG
"""Height of the pelvis of somebody who stands at ease, knees not locked."""


@dataclass
class Pose:
    """A motion as a body performs it; every array has F frames first, pairs are (left, right).

    Attributes:
        place: [F, 2] pelvis on the floor, x and z in metres; ``height`` [F] of the pelvis.
        yaw, pitch, roll: [F] of the pelvis: to the left, forward, towards the right.
        bend, side, twist: [F] of the spine relative to the pelvis: forward, to the right, to the left.
        nod, look: [F] of the head: down, to the left.
        shoulder, abduction, rotation, elbow: [F, 2] of the arms: raised forward, raised sideways, turned inward, bent.
        ball: [F, 2, 3] places of the balls of the feet; ``foot_yaw``, ``heel`` [F, 2]: heading, and lift of the heel.
        planted: [F, 2] whether a ball must stay where it is.
    """

    place: Floats
    height: Floats
    yaw: Floats
    pitch: Floats
    roll: Floats
    bend: Floats
    side: Floats
    twist: Floats
    nod: Floats
    look: Floats
    shoulder: Floats
    abduction: Floats
    rotation: Floats
    elbow: Floats
    ball: Floats
    foot_yaw: Floats
    heel: Floats
    planted: NDArray[np.bool_]

    @property
    def frames(self) -> int:
        """F."""
        return len(self.height)

    def cut(self, start: int, stop: int) -> Pose:
        """Frames from start to stop."""
        return Pose(**{field.name: getattr(self, field.name)[start:stop] for field in fields(self)})


def stand(frames: int, width: float = STANCE) -> Pose:
    """Standing at ease at the origin, feet ``width`` metres apart."""
    zero, pair = np.zeros(frames), np.zeros((frames, 2))
    ball = np.zeros((frames, 2, 3))
    ball[:, :, 0] = SIDE * width / 2
    ball[:, :, 2] = -_SOLE[2]
    angles = {name: zero.copy() for name in ("yaw", "pitch", "roll", "bend", "side", "twist", "nod", "look")}
    arms = {
        name: np.full((frames, 2), value)
        for name, value in (("shoulder", 0.05), ("abduction", 0.14), ("rotation", 0.25), ("elbow", 0.22))
    }
    return Pose(
        place=np.zeros((frames, 2)),
        height=np.full(frames, STANDING),
        ball=ball,
        foot_yaw=pair + SIDE * 0.10,
        heel=pair.copy(),
        planted=np.ones((frames, 2), dtype=bool),
        **angles,
        **arms,
    )


def rotation(axis: int, angle: Floats) -> Floats:
    """Matrices [..., 3, 3] about x (0), y (1) or z (2).

    >>> rotation(1, np.array(np.pi / 2)).round(6) @ [0, 0, 1]
    array([1., 0., 0.])
    """
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.zeros((*np.shape(angle), 3, 3))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1.0
    matrix[..., a, a], matrix[..., b, b] = cosine, cosine
    matrix[..., a, b], matrix[..., b, a] = -sine, sine
    return matrix


def to_joints(pose: Pose) -> Floats:
    """Joint positions [F, 22, 3] in metres.

    The pelvis is lowered where a planted foot could not be reached otherwise; a foot in the air that is out of reach
    is drawn in. So planted feet stay, and no segment is stretched.
    """
    joints = np.zeros((pose.frames, 22, 3))
    pelvis_turn = rotation(1, pose.yaw) @ rotation(0, pose.pitch) @ rotation(2, pose.roll)
    ankles = _ankles(pose)
    hips_below = pelvis_turn @ np.stack([SIDE * HIP, np.zeros(2), np.zeros(2)])  # [F, 3, 2]
    hips_below = hips_below.transpose(0, 2, 1)
    height = _reachable_height(pose, ankles, hips_below)
    joints[:, 0] = np.stack([pose.place[:, 0], height, pose.place[:, 1]], axis=-1)
    _trunk_and_arms(joints, pose, pelvis_turn)
    for side, (hip, knee, ankle, ball) in enumerate(((1, 4, 7, 10), (2, 5, 8, 11))):
        joints[:, hip] = joints[:, 0] + hips_below[:, side]
        target, toes = ankles[:, side], pose.ball[:, side]
        joints[:, knee], joints[:, ankle] = _two_bones(joints[:, hip], target, pose.foot_yaw[:, side], pelvis_turn)
        joints[:, ball] = toes + (joints[:, ankle] - target)
    return joints


def _ankles(pose: Pose) -> Floats:
    """Ankles [F, 2, 3] of feet that stand on their balls."""
    turn = rotation(1, pose.foot_yaw) @ rotation(0, pose.heel)
    ankles: Floats = pose.ball + turn @ _SOLE
    return ankles


def _reachable_height(pose: Pose, ankles: Floats, hips: Floats) -> Floats:
    """Pelvis height [F] at which no planted leg is longer than it can be."""
    across = ankles[..., [0, 2]] - pose.place[:, None] - hips[..., [0, 2]]
    reach = 0.998 * LEG
    free = np.sqrt(np.maximum(reach**2 - (across**2).sum(-1), 0.05**2))
    highest = np.where(pose.planted, ankles[..., 1] + free - hips[..., 1], np.inf).min(axis=1)
    # a smooth minimum: a hard one would kink the path where the leg straightens
    gap = np.clip((pose.height - highest) / 0.03, -30, 30)
    return np.asarray(np.where(np.isfinite(highest), pose.height - 0.03 * np.logaddexp(0, gap), pose.height))


def _two_bones(hip: Floats, target: Floats, foot_yaw: Floats, pelvis_turn: Floats) -> tuple[Floats, Floats]:
    """Knee and ankle [F, 3]; the knee points where foot and pelvis do."""
    line = target - hip
    distance = np.linalg.norm(line, axis=-1, keepdims=True)
    reach = np.clip(distance, abs(THIGH - SHANK) + 1e-3, 0.9995 * LEG)
    line = line / np.maximum(distance, 1e-9)
    ahead = pelvis_turn[..., 2] + np.stack([np.sin(foot_yaw), np.zeros_like(foot_yaw), np.cos(foot_yaw)], axis=-1)
    pole = ahead - (ahead * line).sum(-1, keepdims=True) * line
    pole /= np.maximum(np.linalg.norm(pole, axis=-1, keepdims=True), 1e-9)
    along = (THIGH**2 - SHANK**2 + reach**2) / (2 * reach)
    out = np.sqrt(np.maximum(THIGH**2 - along**2, 0.0))
    return hip + along * line + out * pole, hip + reach * line


def _trunk_and_arms(joints: Floats, pose: Pose, turn: Floats) -> None:
    up = np.array([0.0, 1.0, 0.0])
    for joint, before, share in ((3, 0, 0.0), (6, 3, 0.35), (9, 6, 0.35), (12, 9, 0.30)):
        step = rotation(0, share * pose.bend) @ rotation(2, share * pose.side) @ rotation(1, share * pose.twist)
        turn = turn @ step
        joints[:, joint] = joints[:, before] + turn @ (up * _LENGTHS[joint])
    head = turn @ rotation(1, pose.look) @ rotation(0, pose.nod)
    joints[:, 15] = joints[:, 12] + head @ (np.array([0.0, 0.85, 0.5268]) * _LENGTHS[15])
    for side, (collar, shoulder, elbow, wrist) in enumerate(((13, 16, 18, 20), (14, 17, 19, 21))):
        sign = SIDE[side]
        joints[:, collar] = joints[:, 9] + turn @ (np.array([sign * 0.787, 0.617, 0.0]) * _LENGTHS[collar])
        joints[:, shoulder] = joints[:, collar] + turn @ (np.array([sign * 0.95, 0.312, 0.0]) * _LENGTHS[shoulder])
        arm = turn @ rotation(2, sign * pose.abduction[:, side]) @ rotation(0, -pose.shoulder[:, side])
        joints[:, elbow] = joints[:, shoulder] - arm[..., 1] * _LENGTHS[elbow]
        forearm = arm @ rotation(1, -sign * pose.rotation[:, side]) @ rotation(0, -pose.elbow[:, side])
        joints[:, wrist] = joints[:, elbow] - forearm[..., 1] * _LENGTHS[wrist]

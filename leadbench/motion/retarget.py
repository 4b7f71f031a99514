"""From a source skeleton's named joints to the joints of a benchmark skeleton, by a declarative map.

A map gives every target joint as a weighted mean of source joints, so a spine with another number of joints is
interpolated along the source's. Bone lengths stay the source's here; they are made uniform by
:func:`leadbench.motion.features.joints_to_features`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from leadbench.core.errors import ConfigError, MotionFileError
from leadbench.core.skeleton import Skeleton, get_skeleton
from leadbench.motion.bvh import Bvh, local_motion
from leadbench.motion.posture import Upright, make_upright

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class JointMap:
    """How to read a source skeleton: ``joints`` maps each joint of ``target`` to weights over source joints (they sum
    to 1), ``metres_per_unit`` scales positions."""

    name: str
    target: str
    metres_per_unit: float
    joints: Mapping[str, Mapping[str, float]]

    def __post_init__(self) -> None:
        wanted = get_skeleton(self.target).joint_names
        if set(wanted) != set(self.joints):
            raise ConfigError(f"joint map {self.name}: joints {sorted(set(wanted) ^ set(self.joints))} do not match")
        for joint, weights in self.joints.items():
            if abs(sum(weights.values()) - 1) > 1e-9:
                raise ConfigError(f"joint map {self.name}: weights of {joint} sum to {sum(weights.values())}, not 1")


def _bandai_namco() -> JointMap:
    """Hips -> Spine -> Chest -> Neck -> Head: one trunk joint fewer than the 22-joint skeleton has.

    Its trunk joints lie at 0.38 and 0.60 of the way from hips to neck; the 22-joint skeleton wants 0.23, 0.50 and
    0.61. So spine1 is 0.6 along Hips-Spine, spine2 half-way along Spine-Chest, and spine3 is Chest. ``Shoulder_*`` is
    the inner end of the collar bone and ``UpperArm_*`` the shoulder joint. ``Foot_*`` is the ankle.
    """
    joints: dict[str, Mapping[str, float]] = {
        "pelvis": {"Hips": 1.0},
        "spine1": {"Hips": 0.4, "Spine": 0.6},
        "spine2": {"Spine": 0.5, "Chest": 0.5},
        "spine3": {"Chest": 1.0},
        "neck": {"Neck": 1.0},
        "head": {"Head": 1.0},
    }
    limbs = {
        "hip": "UpperLeg", "knee": "LowerLeg", "ankle": "Foot", "foot": "Toes",
        "collar": "Shoulder", "shoulder": "UpperArm", "elbow": "LowerArm", "wrist": "Hand",
    }  # fmt: skip
    for side, letter in (("left", "L"), ("right", "R")):
        joints.update({f"{side}_{ours}": {f"{theirs}_{letter}": 1.0} for ours, theirs in limbs.items()})
    return JointMap("bandai-namco", "humanml3d", 0.01, MappingProxyType(joints))


def _hundred_style() -> JointMap:
    """The Xsens skeleton of 100STYLE (centimetres): Hips -> Chest -> Chest2 -> Chest3 -> Chest4 -> Neck -> Head.

    Its trunk joints lie at about 0.18, 0.38, 0.56 and 0.75 of the way from hips to neck; the 22-joint skeleton wants
    0.23, 0.50 and 0.61. ``*Collar`` is the inner end of the collar bone, ``*Shoulder`` the shoulder joint, ``*Toe`` the
    ball of the foot.
    """
    joints: dict[str, Mapping[str, float]] = {
        "pelvis": {"Hips": 1.0},
        "spine1": {"Chest": 0.75, "Chest2": 0.25},
        "spine2": {"Chest2": 0.35, "Chest3": 0.65},
        "spine3": {"Chest3": 0.75, "Chest4": 0.25},
        "neck": {"Neck": 1.0},
        "head": {"Head": 1.0},
    }
    limbs = {
        "hip": "Hip", "knee": "Knee", "ankle": "Ankle", "foot": "Toe",
        "collar": "Collar", "shoulder": "Shoulder", "elbow": "Elbow", "wrist": "Wrist",
    }  # fmt: skip
    for side in ("left", "right"):
        joints.update({f"{side}_{ours}": {f"{side.title()}{theirs}": 1.0} for ours, theirs in limbs.items()})
    return JointMap("100style", "humanml3d", 0.01, MappingProxyType(joints))


BANDAI_NAMCO = _bandai_namco()
HUNDRED_STYLE = _hundred_style()
JOINT_MAPS = (BANDAI_NAMCO, HUNDRED_STYLE)
"""All maps: a file whose joints one of them knows can be read."""


def map_matrix(joint_map: JointMap, source_names: Sequence[str], target: Skeleton) -> FloatArray:
    """Weights [target joints, source joints]; raises MotionFileError when the source lacks a joint of the map."""
    index = {name: i for i, name in enumerate(source_names)}
    matrix = np.zeros((target.n_joints, len(source_names)))
    for row, joint in enumerate(target.joint_names):
        for name, weight in joint_map.joints[joint].items():
            if name not in index:
                raise MotionFileError(f"joint map {joint_map.name} needs a joint {name!r} (found: {', '.join(index)})")
            matrix[row, index[name]] = weight
    return matrix


def upright_joints(bvh: Bvh, joint_map: JointMap) -> Upright:
    """:func:`retarget`, with what had to be done to the motion so that y points up in it.

    Raises:
        MotionFileError: the file lacks a joint of the map, or no axis of it points up.
    """
    target = get_skeleton(joint_map.target)
    matrix = map_matrix(joint_map, bvh.names, target)
    places = np.zeros_like(bvh.offsets)
    for joint, parent in enumerate(bvh.parents):
        places[joint] = bvh.offsets[joint] + (places[parent] if parent >= 0 else 0)
    rest = np.asarray(matrix @ places * joint_map.metres_per_unit)
    found = make_upright(retarget(bvh, joint_map), target, rest)
    return replace(found, notes=(*bvh.notes, *found.notes))


def retarget(bvh: Bvh, joint_map: JointMap, fps: float | None = None) -> FloatArray:
    """Joint positions [F, J, 3] in metres of the map's target skeleton, resampled to ``fps`` (default: that
    skeleton's). Raises MotionFileError when the file lacks a joint of the map."""
    target = get_skeleton(joint_map.target)
    matrix = map_matrix(joint_map, bvh.names, target)
    positions = local_motion(bvh).resampled(target.fps if fps is None else fps).positions()
    return np.asarray(np.einsum("js,fsx->fjx", matrix, positions) * joint_map.metres_per_unit)

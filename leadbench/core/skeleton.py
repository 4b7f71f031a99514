"""The two skeletons of the field: 22 joints (HumanML3D) and 21 joints (KIT-ML), with their feature layout.

Joint order, kinematic chains, unit bone directions, foot and facing joints and contact thresholds are those of
the published data (Guo et al., "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022; files
``paramUtil.py`` and ``motion_process.py`` of EricGuo5513/text-to-motion). y is up, a person at rest faces +z, so
+x is the person's left.

Default bone lengths are ours, because the published ones derive from licensed motion capture. They are fractions
of stature from Drillis & Contini, "Body Segment Parameters" (1966), as printed in Winter, "Biomechanics and Motor
Control of Human Movement" (4th ed., 2009, figure 4.1), for a stature of 1.70 m: heights of ankle 0.039, knee
0.285, hip 0.530, shoulder 0.818 and chin 0.870; hip breadth 0.191, biacromial breadth 0.259; upper arm 0.186;
forearm 0.146; foot 0.152. Those tables have no vertebrae, collar bones or foot joints: the trunk is divided over
the spine joints in about the proportions of lumbar, lower and upper thoracic spine, and the rest is said below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from leadbench.core.errors import DataError, MotionFileError, unknown_name
from leadbench.core.reading import read_array

FloatArray = NDArray[np.float64]
STATURE = 1.70  # metres

_AXES: dict[str, tuple[float, float, float]] = {
    ".": (0, 0, 0), "+x": (1, 0, 0), "-x": (-1, 0, 0), "+y": (0, 1, 0), "-y": (0, -1, 0), "+z": (0, 0, 1),
}  # fmt: skip


def _locked(values: Any) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Joints, bones and conventions of a motion representation.

    ``parents`` has -1 for the root; ``raw_offsets`` [J, 3] are unit directions of the bone that ends at each joint
    (zero for the root) and ``bone_lengths`` [J] their default lengths in metres. ``face_joints`` are right hip, left
    hip, right shoulder, left shoulder; ``right_foot`` and ``left_foot`` are (ankle or heel, toes); ``scale_joints``
    are the ends of the two leg bones that set the scale of retargeting. ``contact_threshold`` bounds the squared
    displacement of a foot joint between frames, in squared units of the published data (metres for 22 joints;
    KIT-ML's are millimetre-like, so pass a threshold of your own for KIT motions in metres).
    """

    name: str
    fps: float
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    kinematic_chains: tuple[tuple[int, ...], ...]
    raw_offsets: FloatArray
    bone_lengths: FloatArray
    face_joints: tuple[int, int, int, int]
    right_foot: tuple[int, int]
    left_foot: tuple[int, int]
    scale_joints: tuple[int, int]
    contact_threshold: float
    right_joints: tuple[int, ...]
    left_joints: tuple[int, ...]

    @property
    def n_joints(self) -> int:
        """J, the number of joints."""
        return len(self.joint_names)

    @property
    def n_features(self) -> int:
        """D, the number of features of a frame: 4 + 3 (J - 1) + 6 (J - 1) + 3 J + 4."""
        return 12 * self.n_joints - 1

    @property
    def offsets(self) -> FloatArray:
        """Default target offsets [J, 3] in metres: bone length times unit direction."""
        return self.raw_offsets * self.bone_lengths[:, None]

    @property
    def foot_joints(self) -> tuple[int, int, int, int]:
        """Joints of the four contact features, in their order: left pair, right pair."""
        return (*self.left_foot, *self.right_foot)

    @property
    def essential_features(self) -> int:
        """Features that say everything: of the root (4) and positions of the other joints; 67 of 263, 64 of 251.

        Rotations, velocities and contacts follow from them (MARDM, Meng et al. 2024, section 3.1).
        """
        return 4 + 3 * (self.n_joints - 1)

    @property
    def head_joint(self) -> int:
        """The last joint of the chain from the root over the neck: where a head is drawn."""
        return self.joint_names.index("head" if "head" in self.joint_names else "upper_neck")

    @property
    def mirror_joints(self) -> tuple[int, ...]:
        """Permutation [J] that exchanges left and right joints; it is its own inverse."""
        swap = dict(zip(self.left_joints + self.right_joints, self.right_joints + self.left_joints, strict=True))
        return tuple(swap.get(joint, joint) for joint in range(self.n_joints))

    @property
    def chain_parents(self) -> tuple[int, ...]:
        """Joint whose rotation each joint's local rotation is relative to, -1 for the root.

        It differs from ``parents`` where a chain branches off above the root: the published rotations of the first
        joint of an arm chain are relative to the root, not to the chest.
        """
        found = [-1] * self.n_joints
        for chain in self.kinematic_chains:
            for before, joint in zip((0, *chain[1:]), chain[1:], strict=False):
                found[joint] = before
        return tuple(found)


def _parents(chains: tuple[tuple[int, ...], ...], joints: int) -> tuple[int, ...]:
    found = [-1] * joints
    for chain in chains:
        for parent, joint in pairwise(chain):
            found[joint] = parent
    return tuple(found)


def _humanml3d() -> Skeleton:
    # name, direction, length as a fraction of stature
    table: tuple[tuple[str, str, float], ...] = (
        ("pelvis", ".", 0.0),
        ("left_hip", "+x", 0.0600),  # hip joint centres lie well inside hip breadth (0.191)
        ("right_hip", "-x", 0.0600),
        ("spine1", "+y", 0.0660),  # 0.288 from hip height to shoulder height, over four bones
        ("left_knee", "-y", 0.2450),
        ("right_knee", "-y", 0.2450),
        ("spine2", "+y", 0.0770),
        ("left_ankle", "-y", 0.2460),
        ("right_ankle", "-y", 0.2460),
        ("spine3", "+y", 0.0320),
        ("left_foot", "+z", 0.0800),  # ankle to ball: about half of foot length (0.152)
        ("right_foot", "+z", 0.0800),
        ("neck", "+y", 0.1130),
        ("left_collar", "+x", 0.0750),  # out of and up from the chest
        ("right_collar", "-x", 0.0750),
        ("head", "+z", 0.0520),  # shoulder height to chin
        ("left_shoulder", "-y", 0.0700),  # the rest of half the biacromial breadth
        ("right_shoulder", "-y", 0.0700),
        ("left_elbow", "-y", 0.1860),
        ("right_elbow", "-y", 0.1860),
        ("left_wrist", "-y", 0.1460),
        ("right_wrist", "-y", 0.1460),
    )
    chains = ((0, 2, 5, 8, 11), (0, 1, 4, 7, 10), (0, 3, 6, 9, 12, 15), (9, 14, 17, 19, 21), (9, 13, 16, 18, 20))
    return Skeleton(
        name="humanml3d",
        fps=20.0,
        joint_names=tuple(row[0] for row in table),
        parents=_parents(chains, len(table)),
        kinematic_chains=chains,
        raw_offsets=_locked([_AXES[row[1]] for row in table]),
        bone_lengths=_locked([row[2] * STATURE for row in table]),
        face_joints=(2, 1, 17, 16),
        right_foot=(8, 11),
        left_foot=(7, 10),
        scale_joints=(5, 8),
        contact_threshold=0.002,
        right_joints=(2, 5, 8, 11, 14, 17, 19, 21),
        left_joints=(1, 4, 7, 10, 13, 16, 18, 20),
    )


def _kit() -> Skeleton:
    """KIT-ML. Its published code takes joints 5-7 and 11-15 for the right side (facing, feet), although their unit
    directions point to +x; the code is followed here. Default lengths are metres."""
    arm, leg = (0.1290, 0.1860, 0.1460), (0.0600, 0.2450, 0.2460)
    table: tuple[tuple[str, str, float], ...] = (
        ("root", ".", 0.0),
        ("pelvis", "+y", 0.0400),  # 0.288 from hip height to shoulder height, over three bones
        ("thorax", "+y", 0.1080),
        ("lower_neck", "+y", 0.1400),
        ("upper_neck", "+y", 0.0520),
        ("right_shoulder", "+x", arm[0]),
        ("right_elbow", "-y", arm[1]),
        ("right_wrist", "-y", arm[2]),
        ("left_shoulder", "-x", arm[0]),
        ("left_elbow", "-y", arm[1]),
        ("left_wrist", "-y", arm[2]),
        ("right_hip", "+x", leg[0]),
        ("right_knee", "-y", leg[1]),
        ("right_ankle", "-y", leg[2]),
        ("right_midfoot", "+z", 0.0500),  # with the toes 0.120: foot length (0.152) less the heel
        ("right_toes", "+z", 0.0700),
        ("left_hip", "-x", leg[0]),
        ("left_knee", "-y", leg[1]),
        ("left_ankle", "-y", leg[2]),
        ("left_midfoot", "+z", 0.0500),
        ("left_toes", "+z", 0.0700),
    )
    chains = ((0, 11, 12, 13, 14, 15), (0, 16, 17, 18, 19, 20), (0, 1, 2, 3, 4), (3, 5, 6, 7), (3, 8, 9, 10))
    return Skeleton(
        name="kit",
        fps=12.5,
        joint_names=tuple(row[0] for row in table),
        parents=_parents(chains, len(table)),
        kinematic_chains=chains,
        raw_offsets=_locked([_AXES[row[1]] for row in table]),
        bone_lengths=_locked([row[2] * STATURE for row in table]),
        face_joints=(11, 16, 5, 8),
        right_foot=(14, 15),
        left_foot=(19, 20),
        scale_joints=(17, 18),
        contact_threshold=0.05,
        right_joints=(5, 6, 7, 11, 12, 13, 14, 15),
        left_joints=(8, 9, 10, 16, 17, 18, 19, 20),
    )


HUMANML3D = _humanml3d()
KIT = _kit()
SKELETONS: Mapping[str, Skeleton] = MappingProxyType({s.name: s for s in (HUMANML3D, KIT)})


def get_skeleton(name: str) -> Skeleton:
    """The skeleton of that name; raises UnknownNameError.

    >>> get_skeleton("kit").n_features
    251
    """
    if name not in SKELETONS:
        raise unknown_name("skeleton", name, SKELETONS)
    return SKELETONS[name]


def skeleton_for_width(width: int) -> Skeleton:
    """The skeleton whose feature vectors have ``width`` entries; raises DataError.

    >>> skeleton_for_width(263).name
    'humanml3d'
    """
    for skeleton in SKELETONS.values():
        if skeleton.n_features == width:
            return skeleton
    allowed = ", ".join(f"{s.n_features} ({s.name})" for s in SKELETONS.values())
    raise DataError(f"no skeleton has {width} features a frame (allowed: {allowed})")


FeatureBlock = Literal[
    "root_rotation_velocity", "root_linear_velocity", "root_height", "positions", "rotations", "velocities", "contacts"
]


def feature_slices(skeleton: Skeleton) -> dict[str, slice]:
    """Where each block of the feature vector lies (keys: :data:`FeatureBlock`).

    root_rotation_velocity: half the yaw step, radians a frame; root_linear_velocity: x, z a frame; root_height: y;
    positions: (J - 1) x 3 relative to the root; rotations: (J - 1) x 6; velocities: J x 3 a frame; contacts: left
    pair, right pair.

    >>> feature_slices(get_skeleton("humanml3d"))["contacts"]
    slice(259, 263, None)
    """
    j = skeleton.n_joints
    widths = {
        "root_rotation_velocity": 1,
        "root_linear_velocity": 2,
        "root_height": 1,
        "positions": 3 * (j - 1),
        "rotations": 6 * (j - 1),
        "velocities": 3 * j,
        "contacts": 4,
    }
    found, start = {}, 0
    for name, width in widths.items():
        found[name] = slice(start, start + width)
        start += width
    return found


def offsets_from_joints(joints: Any, skeleton: Skeleton) -> FloatArray:
    """Offsets [J, 3] with the bone lengths of one pose [J, 3] along the skeleton's unit directions."""
    pose = np.asarray(joints, dtype=np.float64)
    parents = np.maximum(np.asarray(skeleton.parents), 0)
    lengths: FloatArray = np.linalg.norm(pose - pose[parents], axis=-1)
    return skeleton.raw_offsets * lengths[:, None]


def load_target_offsets(path: str | Path) -> FloatArray:
    """Target offsets [J, 3] from an .npy file of joints [F, J, 3] (bone lengths of frame 0) or offsets [J, 3].

    J = 22 or 21 tells the skeleton; only the length of a given offset counts, its direction is the skeleton's.
    Raises MotionFileError when the file is unreadable, has another shape, or has a missing or zero-length bone.
    """
    values = read_array(Path(path), MotionFileError)
    by_joints = {s.n_joints: s for s in SKELETONS.values()}
    shape: tuple[int, ...] = tuple(getattr(values, "shape", ()))
    if len(shape) not in (2, 3) or shape[-1] != 3 or shape[-2] not in by_joints or 0 in shape:
        counts = " or ".join(str(n) for n in sorted(by_joints))
        raise MotionFileError(f"{path}: shape {shape}; allowed: joints [F, J, 3] or offsets [J, 3], J = {counts}")
    skeleton = by_joints[shape[-2]]
    if values.ndim == 3:
        offsets = offsets_from_joints(values[0], skeleton)
    else:
        lengths = np.linalg.norm(np.asarray(values, dtype=np.float64), axis=-1)
        offsets = skeleton.raw_offsets * lengths[:, None]
    lengths = np.linalg.norm(offsets[1:], axis=-1)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if bad.size:
        raise MotionFileError(f"{path}: bone to {skeleton.joint_names[bad[0] + 1]} has no positive finite length")
    return offsets

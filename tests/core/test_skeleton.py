"""Skeleton tables are consistent, and target offsets load with clear errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leadbench.core.errors import DataError, MotionFileError, UnknownNameError
from leadbench.core.skeleton import (
    HUMANML3D,
    KIT,
    SKELETONS,
    STATURE,
    Skeleton,
    feature_slices,
    get_skeleton,
    load_target_offsets,
    offsets_from_joints,
    skeleton_for_width,
)

BOTH = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=list(SKELETONS))


@BOTH
def test_tree_and_tables(skeleton: Skeleton) -> None:
    joints = skeleton.n_joints
    assert skeleton.parents[0] == -1
    assert sorted(j for chain in skeleton.kinematic_chains for j in chain[1:]) == list(range(1, joints))
    for chain in skeleton.kinematic_chains:
        assert [skeleton.parents[j] for j in chain[1:]] == list(chain[:-1])
        assert skeleton.chain_parents[chain[1]] == 0
    np.testing.assert_array_equal(np.linalg.norm(skeleton.raw_offsets, axis=1), [0.0] + [1.0] * (joints - 1))
    assert (skeleton.bone_lengths[1:] > 0).all()
    with pytest.raises(ValueError, match="read-only"):
        skeleton.raw_offsets[0] = 1.0


@BOTH
def test_mirror_permutation(skeleton: Skeleton) -> None:
    swap = np.array(skeleton.mirror_joints)
    np.testing.assert_array_equal(swap[swap], np.arange(skeleton.n_joints))
    for joint, other in enumerate(swap):
        left, right = skeleton.joint_names[joint], skeleton.joint_names[other]
        assert left.replace("left", "*").replace("right", "*") == right.replace("left", "*").replace("right", "*")
        assert (joint == other) == (("left" not in left) and ("right" not in left))
    parents = np.array(skeleton.parents)
    np.testing.assert_array_equal(swap[parents[1:]] * (parents[1:] > 0), (parents[swap])[1:] * (parents[1:] > 0))
    np.testing.assert_array_equal(skeleton.bone_lengths[swap], skeleton.bone_lengths)
    right_hip, left_hip, right_shoulder, left_shoulder = skeleton.face_joints
    assert (swap[right_hip], swap[right_shoulder]) == (left_hip, left_shoulder)
    assert tuple(swap[list(skeleton.right_foot)]) == skeleton.left_foot


def test_default_bone_lengths_follow_the_stature_table() -> None:
    for skeleton in (HUMANML3D, KIT):
        length = dict(zip(skeleton.joint_names, skeleton.bone_lengths / STATURE, strict=True))
        spine = ["spine1", "spine2", "spine3", "neck"] if skeleton is HUMANML3D else ["pelvis", "thorax", "lower_neck"]
        assert sum(length[j] for j in spine) == pytest.approx(0.818 - 0.530)
        assert length["left_knee"] + length["left_ankle"] == pytest.approx(0.530 - 0.039)
        assert length["right_elbow"] == pytest.approx(0.186)
        assert length["right_wrist"] == pytest.approx(0.146)


@BOTH
def test_feature_slices_cover_the_vector(skeleton: Skeleton) -> None:
    parts = list(feature_slices(skeleton).values())
    assert [p.start for p in parts] == [0] + [p.stop for p in parts[:-1]]
    assert parts[-1].stop == skeleton.n_features
    assert skeleton_for_width(skeleton.n_features) is skeleton


def test_unknown_names_and_widths() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'humanml3d'"):
        get_skeleton("humanml")
    with pytest.raises(DataError, match=r"263 \(humanml3d\), 251 \(kit\)"):
        skeleton_for_width(262)


@BOTH
def test_load_target_offsets(skeleton: Skeleton, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    joints = rng.normal(size=(4, skeleton.n_joints, 3))
    file = tmp_path / "joints.npy"
    np.save(file, joints)
    offsets = load_target_offsets(file)
    for joint, parent in list(enumerate(skeleton.parents))[1:]:
        length = np.linalg.norm(joints[0, joint] - joints[0, parent])
        np.testing.assert_allclose(offsets[joint], skeleton.raw_offsets[joint] * length)
    np.testing.assert_array_equal(offsets, offsets_from_joints(joints[0], skeleton))
    np.save(file, offsets)
    np.testing.assert_allclose(load_target_offsets(file), offsets)


def test_load_target_offsets_errors(tmp_path: Path) -> None:
    file = tmp_path / "bad.npy"
    with pytest.raises(MotionFileError, match=r"bad\.npy: not a readable"):
        load_target_offsets(file)
    np.save(file, np.zeros((4, 20, 3)))
    with pytest.raises(MotionFileError, match=r"shape \(4, 20, 3\).*J = 21 or 22"):
        load_target_offsets(file)
    np.save(file, HUMANML3D.offsets * (np.arange(22) != 4)[:, None])
    with pytest.raises(MotionFileError, match="bone to left_knee"):
        load_target_offsets(file)
    np.save(file, np.array(["a"]))
    with pytest.raises(MotionFileError, match="needed: real numbers"):
        load_target_offsets(file)

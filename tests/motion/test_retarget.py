"""Retargeting by a joint map: geometry, units, left and right, and what a wrong map or file says."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from bvh_files import write_bnr_like

from leadbench.core.errors import ConfigError, MotionFileError
from leadbench.core.skeleton import get_skeleton
from leadbench.motion.bvh import local_motion, read_bvh
from leadbench.motion.features import features_to_joints, joints_to_features
from leadbench.motion.retarget import BANDAI_NAMCO, map_matrix, retarget

SKELETON = get_skeleton("humanml3d")
INDEX = {name: i for i, name in enumerate(SKELETON.joint_names)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_bnr_like(tmp_path_factory.mktemp("bvh"), 6, seed=3)


def test_a_person_of_the_right_size_stands_upright(files: list[Path]) -> None:
    for path in files:
        joints = retarget(read_bvh(path), BANDAI_NAMCO)
        assert joints.shape[1:] == (22, 3)
        heights = [joints[:, INDEX[n], 1] for n in ("left_foot", "left_knee", "pelvis", "spine1", "spine2", "spine3")]
        heights += [joints[:, INDEX[n], 1] for n in ("neck", "head")]
        assert all((upper > lower).all() for lower, upper in pairwise(heights[1:]))
        assert 1.2 < heights[-1].mean() < 1.6


def test_named_joints_are_exact_and_others_interpolated(files: list[Path]) -> None:
    bvh = read_bvh(files[0])
    source = local_motion(bvh).resampled(20.0).positions() * 0.01
    at = {name: source[:, i] for i, name in enumerate(bvh.names)}
    joints = retarget(bvh, BANDAI_NAMCO)
    np.testing.assert_allclose(joints[:, INDEX["left_wrist"]], at["Hand_L"], atol=1e-12)
    np.testing.assert_allclose(joints[:, INDEX["right_ankle"]], at["Foot_R"], atol=1e-12)
    np.testing.assert_allclose(joints[:, INDEX["spine1"]], 0.4 * at["Hips"] + 0.6 * at["Spine"], atol=1e-12)
    np.testing.assert_allclose(joints[:, INDEX["spine2"]], (at["Spine"] + at["Chest"]) / 2, atol=1e-12)


def test_the_named_hand_goes_up(files: list[Path]) -> None:
    for path in files:
        joints = retarget(read_bvh(path), BANDAI_NAMCO)
        left, right = (np.ptp(joints[:, INDEX[f"{side}_wrist"], 1]) for side in ("left", "right"))
        if "right-hand" in path.stem:
            assert right > 0.5 > left
        elif "left-hand" in path.stem:
            assert left > 0.5 > right


def test_frame_rate_and_length(files: list[Path]) -> None:
    bvh = read_bvh(files[0])
    seconds = (len(bvh.values) - 1) / 30
    assert len(retarget(bvh, BANDAI_NAMCO)) == int(seconds * 20 + 1e-3) + 1
    assert len(retarget(bvh, BANDAI_NAMCO, fps=30.0)) == len(bvh.values)


def test_features_round_trip(files: list[Path]) -> None:
    for path in files:
        joints = retarget(read_bvh(path), BANDAI_NAMCO)
        made = joints_to_features(joints, SKELETON, target_offsets=SKELETON.offsets, mode="corrected")
        recovered = features_to_joints(made.features, SKELETON)
        assert float((recovered - made.joints[:-1]).norm(dim=-1).max()) < 1e-4


def test_a_file_without_a_needed_joint_is_refused(files: list[Path]) -> None:
    bvh = read_bvh(files[0])
    renamed = replace(bvh, names=tuple("Wrist" if n == "Hand_L" else n for n in bvh.names))
    with pytest.raises(MotionFileError, match="needs a joint 'Hand_L'"):
        retarget(renamed, BANDAI_NAMCO)


def test_a_map_must_be_complete_and_its_weights_sum_to_one() -> None:
    with pytest.raises(ConfigError, match="head"):
        replace(BANDAI_NAMCO, joints={k: v for k, v in BANDAI_NAMCO.joints.items() if k != "head"})
    with pytest.raises(ConfigError, match=r"weights of head sum to 0\.5"):
        replace(BANDAI_NAMCO, joints={**BANDAI_NAMCO.joints, "head": {"Head": 0.5}})


def test_every_row_of_the_map_is_a_mean() -> None:
    names = sorted({name for weights in BANDAI_NAMCO.joints.values() for name in weights})
    np.testing.assert_allclose(map_matrix(BANDAI_NAMCO, names, SKELETON).sum(axis=1), 1)

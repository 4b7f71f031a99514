"""Motion representation against the numbers of HumanML3D's and text-to-motion's own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from leadbench.core.skeleton import HUMANML3D, KIT, Skeleton, feature_slices
from leadbench.motion import quaternion as quat
from leadbench.motion.features import extract_features, features_to_joints, joints_to_features, recover_root
from leadbench.motion.uniform import inverse_kinematics, root_rotations, uniform_skeleton, yaw_half_steps

ROTATIONS, REST = 2e-3, 3e-5  # absolute tolerances of the reference numbers; lengths in KIT's unit: x 500
KIT_SCALE = 500.0
BLOCKS = {
    "root_rotation_velocity": "root_rot_velocity",
    "root_linear_velocity": "root_linear_velocity_xz",
    "root_height": "root_y",
    "positions": "ric_positions",
    "rotations": "rot6d",
    "velocities": "local_velocity",
    "contacts": "foot_contact",
}
LENGTHS = {"root_linear_velocity", "root_height", "positions", "velocities"}


class Case(NamedTuple):
    meta: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def sequences(self) -> list[str]:
        return sorted(k.removesuffix(".joints_in") for k in self.tensors if k.endswith(".joints_in"))

    def skeleton(self, name: str) -> Skeleton:
        joints = self.tensors[f"{name}.joints_in"].shape[-2]
        return next(s for s in (HUMANML3D, KIT) if s.n_joints == joints)

    def near(self, actual: Tensor, key: str, tolerance: float) -> None:
        torch.testing.assert_close(actual, self.tensors[key], atol=tolerance, rtol=0.0, msg=lambda m: f"{key}: {m}")


def length_tolerance(skeleton: Skeleton) -> float:
    return REST * (KIT_SCALE if skeleton.name == "kit" else 1.0)


def near_blocks(actual: Tensor, expected: Tensor, skeleton: Skeleton, name: str) -> None:
    assert actual.shape == expected.shape
    for block, part in feature_slices(skeleton).items():
        tolerance = length_tolerance(skeleton) if block in LENGTHS else REST
        torch.testing.assert_close(
            actual[:, part],
            expected[:, part],
            atol=ROTATIONS if block == "rotations" else tolerance,
            rtol=0.0,
            msg=lambda m, where=f"{name}, {block}": f"{where}: {m}",
        )


@pytest.fixture(scope="module")
def case(golden: Path) -> Case:
    folder = golden / "motion_representation"
    return Case(json.loads((folder / "case.json").read_text()), load_file(folder / "io.safetensors"))


@pytest.mark.parametrize(("key", "skeleton"), [("t2m", HUMANML3D), ("kit", KIT)])
def test_joint_tables(case: Case, key: str, skeleton: Skeleton) -> None:
    table = case.meta["config"][key]
    np.testing.assert_array_equal(skeleton.raw_offsets, table["raw_offsets"])
    assert [list(chain) for chain in skeleton.kinematic_chains] == table["kinematic_chain"]
    assert list(skeleton.scale_joints) == [table["l_idx1"], table["l_idx2"]]
    assert [list(skeleton.right_foot), list(skeleton.left_foot)] == [table["fid_r"], table["fid_l"]]
    assert list(skeleton.face_joints) == table["face_joint_indx"]
    assert skeleton.n_joints == table["joints"]
    assert skeleton.contact_threshold == table["feet_threshold"]
    blocks = {BLOCKS[name]: [part.start, part.stop] for name, part in feature_slices(skeleton).items()}
    assert blocks == case.meta["feature_blocks"][key]


def test_kinematics(case: Case) -> None:
    for name in case.sequences:
        skeleton, joints = case.skeleton(name), case.tensors[f"{name}.joints_in"]
        roots = root_rotations(joints, skeleton, smoothed=False)
        case.near(inverse_kinematics(joints, skeleton, roots), f"{name}.ik_quat_uniform", ROTATIONS)
        target = case.tensors[f"{name}.tgt_offsets"]
        uniform = uniform_skeleton(joints, skeleton, target)
        case.near(uniform, f"{name}.uniform_joints", length_tolerance(skeleton))
        faced = case.tensors[f"{name}.global_positions"]
        roots = root_rotations(faced, skeleton, smoothed=True)
        case.near(inverse_kinematics(faced, skeleton, roots), f"{name}.ik_quat_smooth", ROTATIONS)


def test_features(case: Case) -> None:
    for name in case.sequences:
        skeleton, joints = case.skeleton(name), case.tensors[f"{name}.joints_in"]
        made = joints_to_features(joints, skeleton, target_offsets=case.tensors[f"{name}.tgt_offsets"])
        case.near(made.joints, f"{name}.global_positions", length_tolerance(skeleton))
        near_blocks(made.features, case.tensors[f"{name}.features"], skeleton, name)


def test_recovery(case: Case) -> None:
    for name in case.sequences:
        skeleton, features = case.skeleton(name), case.tensors[f"{name}.features"]
        tolerance = length_tolerance(skeleton)
        rotations, positions = recover_root(features)
        case.near(rotations, f"{name}.recovered_root_quat", REST)
        case.near(positions, f"{name}.recovered_root_pos", tolerance)
        case.near(features_to_joints(features, skeleton), f"{name}.recovered_joints", tolerance)


def test_where_the_official_yaw_sign_is_wrong(case: Case) -> None:
    for name in case.sequences:
        skeleton, info = case.skeleton(name), case.meta["info"]
        joints = case.tensors[f"{name}.joints_in"]
        made = joints_to_features(joints, skeleton, target_offsets=case.tensors[f"{name}.tgt_offsets"])
        _, wrong = yaw_half_steps(root_rotations(made.joints, skeleton, smoothed=True))
        frames = [int(step) + 1 for step in wrong.nonzero()]
        assert frames == info[f"{name}.root_quat_sign_flips_at_frames"], name
        assert int(made.yaw_flips) == len(frames)
        errors = (features_to_joints(made.features, skeleton) - made.joints[:-1]).abs().amax(dim=(-2, -1))
        broken = (errors > 1e-3).nonzero()
        first = int(broken[0]) if len(broken) else None
        assert first == info[f"{name}.recovery_error_over_1mm_from_frame"], name


def test_round_trip_in_corrected_mode(case: Case) -> None:
    for name in case.sequences:
        skeleton = case.skeleton(name)
        scale = KIT_SCALE if skeleton.name == "kit" else 1.0
        joints = case.tensors[f"{name}.joints_in"]
        target = case.tensors[f"{name}.tgt_offsets"]
        made = joints_to_features(joints, skeleton, target_offsets=target, mode="corrected")
        assert int(made.yaw_flips) == 0
        back = features_to_joints(made.features, skeleton)
        torch.testing.assert_close(back, made.joints[:-1], atol=1e-4 * scale, rtol=0.0)


def test_official_sample(case: Case, golden: Path) -> None:
    """The published clip: its vectors give its joints, and its joints its vectors."""
    folder = golden / "motion_representation" / "sample"
    joints = np.load(next(folder.glob("new_joints_*.npy")))
    vectors = np.load(next(folder.glob("new_joint_vecs_*.npy")))
    np.testing.assert_allclose(features_to_joints(vectors, HUMANML3D).numpy(), joints, atol=REST, rtol=0)
    case.near(features_to_joints(vectors, HUMANML3D), "sample.recovered_from_given_vecs", REST)
    made, _ = extract_features(torch.from_numpy(joints), HUMANML3D)
    near_blocks(made, case.tensors["sample.extract_features"], HUMANML3D, "extract_features")
    # the published clip had one more frame, which smoothing spreads over the last 80
    causal = len(made) - 81
    near_blocks(made[:causal], torch.from_numpy(vectors[:causal]), HUMANML3D, "published vectors")


def test_quaternions(case: Case) -> None:
    q, r, n, v, w, c = (case.tensors[f"quat.{k}"] for k in ("q", "r", "q_nonunit", "v", "w", "random6d"))
    c6 = case.tensors["quat.quaternion_to_cont6d(q)"]
    for actual, key in (
        (quat.inverse(q), "qinv(q)"),
        (quat.multiply(q, r), "qmul(q,r)"),
        (quat.multiply(n, r), "qmul(q_nonunit,r)"),
        (quat.rotate(q, v), "qrot(q,v)"),
        (quat.rotate(n, v), "qrot(q_nonunit,v)"),
        (quat.between(v, w), "qbetween(v,w)"),
        (quat.to_matrix(q), "quaternion_to_matrix(q)"),
        (quat.to_matrix(n), "quaternion_to_matrix(q_nonunit)"),
        (quat.to_6d(q), "quaternion_to_cont6d(q)"),
        (quat.matrix_from_6d(c6), "cont6d_to_matrix(c6)"),
        (quat.matrix_from_6d(c), "cont6d_to_matrix(random6d)"),
        (quat.from_6d(c6), "cont6d_to_quat(c6)"),
        (quat.from_6d(c), "cont6d_to_quat(random6d)"),
        (quat.make_continuous(case.tensors["quat.qfix_in"]), "qfix_out"),
    ):
        case.near(actual, f"quat.{key}", REST)


def test_exactly_opposite_vectors_give_nan_as_published(case: Case) -> None:
    assert case.meta["info"]["qbetween_exactly_opposite"] == ["nan"] * 4
    up = torch.tensor([0.0, 1.0, 0.0])
    assert quat.between(up, -up).isnan().all()

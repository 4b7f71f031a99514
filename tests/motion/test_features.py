"""Joints to features and back: round trips, invariances, batches, padding, gradients, errors."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.skeleton import HUMANML3D, SKELETONS, Skeleton, feature_slices
from leadbench.motion import quaternion as quat
from leadbench.motion.features import features_to_joints, joints_to_features, recover_root
from leadbench.motion.mirror import mirror_joints
from leadbench.motion.uniform import (
    Mode,
    forward_kinematics,
    inverse_kinematics,
    root_rotations,
    smooth,
    uniform_skeleton,
)

BOTH = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=list(SKELETONS))
MODES = pytest.mark.parametrize("mode", ["official", "corrected"])
seeds = st.integers(0, 2**31 - 1)


def random_motion(seed: int, frames: int, skeleton: Skeleton, turns: float = 0.4) -> Tensor:
    """A smooth random motion [F, J, 3] in float64 metres: limbs swing around a standing pose while the body wanders
    and turns by ``turns`` of a full turn. Feet are not planted; the right side is at -x when facing +z."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, frames / skeleton.fps, frames)[:, None]
    waves = sum(
        rng.normal(size=(1, skeleton.n_joints * 3)) * np.sin(rng.uniform(0.5, 4) * time + rng.uniform(0, 6))
        for _ in range(3)
    ).reshape(frames, skeleton.n_joints, 3)
    rest = skeleton.offsets.copy()
    rest[:, 0] = np.abs(rest[:, 0])
    rest[list(skeleton.right_joints), 0] *= -1
    bones = torch.from_numpy(rest + 0.12 * waves * skeleton.bone_lengths[:, None] * rng.uniform(0.2, 2))
    yaw = torch.from_numpy(turns * 2 * math.pi * np.linspace(0, 1, frames) ** rng.uniform(1, 2) + rng.uniform(-3, 3))
    bones = quat.rotate(quat.about_y(yaw / 2)[:, None], bones)
    path = np.stack([1.5 * np.sin(rng.uniform(0.2, 1) * time[:, 0] + rng.uniform(0, 6)) for _ in range(3)], axis=-1)
    joints = [torch.from_numpy(path * [1, 0.1, 1] + rng.normal(size=3))] * skeleton.n_joints
    for chain in skeleton.kinematic_chains:
        for parent, joint in pairwise(chain):
            joints[joint] = joints[parent] + bones[:, joint]
    return torch.stack(joints, dim=1)


@BOTH
@given(seed=seeds, frames=st.integers(2, 120), turns=st.floats(-3, 3), single=st.booleans())
@settings(max_examples=25, deadline=None)
def test_round_trip_in_corrected_mode(skeleton: Skeleton, seed: int, frames: int, turns: float, single: bool) -> None:
    joints = random_motion(seed, frames, skeleton, turns)
    joints = joints.float() if single else joints
    made = joints_to_features(joints, skeleton, target_offsets=skeleton.offsets, mode="corrected")
    assert made.features.dtype == joints.dtype
    back = features_to_joints(made.features, skeleton)
    torch.testing.assert_close(back, made.joints[:-1], atol=1e-4, rtol=0.0)
    lengths = (made.joints[:, 1:] - made.joints[:, list(skeleton.parents[1:])]).norm(dim=-1)
    wanted = torch.tensor(skeleton.bone_lengths[1:]).to(lengths).expand_as(lengths)
    torch.testing.assert_close(lengths, wanted, atol=1e-5, rtol=0.0)


@BOTH
@given(seed=seeds, frames=st.integers(2, 120), turns=st.floats(-0.4, 0.4))
@settings(max_examples=25, deadline=None)
def test_round_trip_in_official_mode_within_half_a_turn(
    skeleton: Skeleton, seed: int, frames: int, turns: float
) -> None:
    made = joints_to_features(random_motion(seed, frames, skeleton, turns), skeleton)
    assume(int(made.yaw_flips) == 0)
    back = features_to_joints(made.features, skeleton)
    torch.testing.assert_close(back, made.joints[:-1], atol=1e-4, rtol=0.0)


def test_turning_past_half_a_turn_breaks_official_but_not_corrected() -> None:
    """A stiff standing pose whose shoulders are wider than its hips, turned once about y in 80 frames."""
    pose = random_motion(5, 2, HUMANML3D, 0.0)[:1]
    turn = quat.about_y(torch.linspace(0, math.pi, 80, dtype=torch.float64))[:, None]
    joints = quat.rotate(turn, pose - pose[:, :1])
    official = joints_to_features(joints, HUMANML3D)
    corrected = joints_to_features(joints, HUMANML3D, mode="corrected")
    assert int(official.yaw_flips) == 1
    assert int(corrected.yaw_flips) == 0
    assert (features_to_joints(official.features, HUMANML3D) - official.joints[:-1]).abs().max() > 1e-2
    torch.testing.assert_close(features_to_joints(corrected.features, HUMANML3D), corrected.joints[:-1])


@BOTH
@MODES
@given(seed=seeds, angle=st.floats(-4, 4), x=st.floats(-9, 9), y=st.floats(-9, 9), z=st.floats(-9, 9))
@settings(max_examples=15, deadline=None)
def test_rotating_about_y_or_translating_changes_nothing(
    skeleton: Skeleton, mode: Mode, seed: int, angle: float, x: float, y: float, z: float
) -> None:
    joints = random_motion(seed, 30, skeleton)
    turn = quat.about_y(torch.tensor(angle / 2, dtype=torch.float64))
    moved = quat.rotate(turn, joints) + torch.tensor([x, y, z], dtype=torch.float64)
    offsets = skeleton.offsets
    one = joints_to_features(joints, skeleton, target_offsets=offsets, mode=mode)
    other = joints_to_features(moved, skeleton, target_offsets=offsets, mode=mode)
    torch.testing.assert_close(other.joints, one.joints, atol=1e-7, rtol=0.0)
    torch.testing.assert_close(other.features, one.features, atol=1e-6, rtol=0.0)


def test_corrected_rotations_do_not_depend_on_the_absolute_heading() -> None:
    """A stiff pose that turns has constant local rotations; the published ones change with the heading."""
    pose = random_motion(8, 2, HUMANML3D, 0.0)[:1]
    turn = quat.about_y(torch.linspace(0, 0.2, 40, dtype=torch.float64))[:, None]
    joints = quat.rotate(turn, pose - pose[:, :1])
    for mode, spread in (("corrected", 0.0), ("official", 0.05)):
        roots = root_rotations(joints, HUMANML3D, smoothed=False, mode=mode)
        local = quat.to_6d(inverse_kinematics(joints, HUMANML3D, roots, mode)[:, 1:])
        change = (local - local[:1]).abs().max()
        assert change < 1e-9 if spread == 0.0 else change > spread, mode


@BOTH
@MODES
def test_batches_and_padding(skeleton: Skeleton, mode: Mode) -> None:
    lengths = torch.tensor([[2, 31], [60, 90]])
    clips = [random_motion(seed, int(n), skeleton) for seed, n in enumerate(lengths.flatten())]
    padded = torch.full((4, 90, skeleton.n_joints, 3), float("nan"), dtype=torch.float64)
    for row, clip in zip(padded, clips, strict=True):
        row[: len(clip)] = clip
    offsets = skeleton.offsets
    batch = joints_to_features(
        padded.unflatten(0, (2, 2)), skeleton, target_offsets=offsets, lengths=lengths, mode=mode
    )
    assert batch.features.shape == (2, 2, 89, skeleton.n_features)
    recovered = features_to_joints(batch.features, skeleton)
    for i, clip in enumerate(clips):
        alone = joints_to_features(clip, skeleton, target_offsets=offsets, mode=mode)
        at = (i // 2, i % 2)
        torch.testing.assert_close(batch.features[at][: len(clip) - 1], alone.features, atol=1e-8, rtol=0.0)
        torch.testing.assert_close(batch.joints[at][: len(clip)], alone.joints, atol=1e-8, rtol=0.0)
        assert (batch.features[at][len(clip) - 1 :] == 0).all()
        assert batch.yaw_flips[at] == alone.yaw_flips
        single = features_to_joints(alone.features, skeleton)
        torch.testing.assert_close(recovered[at][: len(clip) - 1], single, atol=1e-8, rtol=0.0)


def test_recovery_is_causal_and_differentiable() -> None:
    features = joints_to_features(random_motion(1, 25, HUMANML3D), HUMANML3D, mode="corrected").features
    leaf = features[None].clone().requires_grad_()
    features_to_joints(leaf, HUMANML3D)[:, :10].square().sum().backward()
    assert leaf.grad is not None
    used = leaf.grad[0, :, : feature_slices(HUMANML3D)["positions"].stop]
    assert (used[10:] == 0).all()
    assert (used[:8].abs().amax(dim=0) > 0).all()
    assert torch.autograd.gradcheck(
        lambda f: features_to_joints(f, HUMANML3D)[..., [0, 20], :], leaf.detach()[:, :4].requires_grad_()
    )


def test_recover_root_agrees_with_the_joints() -> None:
    made = joints_to_features(random_motion(4, 50, HUMANML3D, 1.5), HUMANML3D, mode="corrected")
    rotations, positions = recover_root(made.features)
    torch.testing.assert_close(positions, made.joints[:-1, 0])
    expected = root_rotations(made.joints, HUMANML3D, smoothed=True, mode="corrected")[:-1]
    torch.testing.assert_close((rotations * expected).sum(-1).abs(), torch.ones(49, dtype=torch.float64))


def test_numpy_arrays_are_accepted() -> None:
    joints = random_motion(2, 12, HUMANML3D)
    read_only = joints.numpy().astype(np.float32)
    read_only.setflags(write=False)
    made = joints_to_features(read_only, HUMANML3D, target_offsets=HUMANML3D.offsets)
    expected = joints_to_features(joints.float(), HUMANML3D, target_offsets=torch.from_numpy(HUMANML3D.offsets))
    assert torch.equal(made.features, expected.features)
    assert made.features.dtype == torch.float32
    assert torch.equal(features_to_joints(made.features.numpy()[::-1], HUMANML3D)[0, 0, [0, 2]], torch.zeros(2))


def test_contact_threshold_and_order() -> None:
    joints = random_motion(0, 2, HUMANML3D)[:1].repeat(6, 1, 1)
    joints[:, 8] += torch.linspace(0, 0.5, 6).double()[:, None] * torch.tensor([0.0, 0.0, 1.0]).double()
    contacts = feature_slices(HUMANML3D)["contacts"]
    still = joints_to_features(joints, HUMANML3D).features[:, contacts]
    assert still.tolist() == [[1.0, 1.0, 0.0, 1.0]] * 5
    loose = joints_to_features(joints, HUMANML3D, contact_threshold=0.011).features[:, contacts]
    assert loose.tolist() == [[1.0] * 4] * 5


def test_canonical_joints() -> None:
    joints = random_motion(6, 20, HUMANML3D, 0.0) * 3.0 - 7.0
    made = joints_to_features(joints, HUMANML3D)
    assert made.joints[..., 1].min() == pytest.approx(0.0, abs=1e-12)
    assert made.joints[0, 0, [0, 2]].tolist() == pytest.approx([0.0, 0.0], abs=1e-12)
    right_hip, left_hip, right_shoulder, left_shoulder = made.joints[0, list(HUMANML3D.face_joints)]
    across = right_hip - left_hip + right_shoulder - left_shoulder
    assert across[0] < 0
    assert across[2] == pytest.approx(0.0, abs=1e-12)


def test_smoothing_is_scipys() -> None:
    values = torch.randn(3, 50, 2, dtype=torch.float64)
    expected = gaussian_filter1d(values.numpy(), 20.0, axis=1, mode="nearest", truncate=4.0)
    np.testing.assert_allclose(smooth(values).numpy(), expected, atol=1e-12)
    assert smooth(values.float()).dtype == torch.float32


@BOTH
@MODES
def test_forward_inverts_inverse_kinematics(skeleton: Skeleton, mode: Mode) -> None:
    joints = random_motion(9, 20, skeleton)
    roots = root_rotations(joints, skeleton, smoothed=False, mode=mode)
    rotations = inverse_kinematics(joints, skeleton, roots, mode)
    lengths = (joints[:, 1:] - joints[:, list(skeleton.parents[1:])]).norm(dim=-1)
    for frame in (0, 7):
        offsets = torch.from_numpy(skeleton.raw_offsets.copy())
        offsets[1:] *= lengths[frame][:, None]
        back = forward_kinematics(rotations[frame : frame + 1], joints[frame : frame + 1, 0], offsets, skeleton)
        torch.testing.assert_close(back[0], joints[frame], atol=1e-6, rtol=0.0)


def test_retargeting_scales_the_path_by_the_legs() -> None:
    joints = random_motion(3, 15, HUMANML3D)
    offsets = torch.from_numpy(HUMANML3D.offsets)
    big = uniform_skeleton(joints, HUMANML3D, 2.0 * offsets)
    torch.testing.assert_close(big, 2.0 * uniform_skeleton(joints, HUMANML3D, offsets))
    torch.testing.assert_close(
        uniform_skeleton(5.0 * joints, HUMANML3D, offsets), uniform_skeleton(joints, HUMANML3D, offsets)
    )


def test_a_bone_exactly_opposite_to_its_reference() -> None:
    """Arms straight up: the published shortest rotation is undefined; corrected mode keeps the pose."""
    joints = torch.zeros(4, 22, 3)
    for chain in HUMANML3D.kinematic_chains:
        for parent, joint in pairwise(chain):
            joints[:, joint] = joints[:, parent] + torch.from_numpy(HUMANML3D.offsets[joint]).float()
    for joint, parent in ((18, 16), (19, 17), (20, 18), (21, 19)):
        joints[:, joint] = joints[:, parent] - torch.from_numpy(HUMANML3D.offsets[joint]).float()
    corrected = joints_to_features(joints, HUMANML3D, target_offsets=HUMANML3D.offsets, mode="corrected")
    assert corrected.features.isfinite().all()
    floor = joints[..., 1].min() * torch.tensor([0.0, 1.0, 0.0])
    torch.testing.assert_close(corrected.joints, joints - floor, atol=1e-5, rtol=0.0)
    rotations = feature_slices(HUMANML3D)["rotations"]
    assert joints_to_features(joints, HUMANML3D).features[:, rotations].isnan().any()


@BOTH
def test_mirrored_features(skeleton: Skeleton) -> None:
    """Turning changes sign, travel forwards and height stay, and left and right contacts change places."""
    joints = random_motion(3, 40, skeleton)
    one = joints_to_features(joints, skeleton, mode="corrected")
    other = joints_to_features(mirror_joints(joints, skeleton), skeleton, mode="corrected")
    parts = feature_slices(skeleton)
    turn, travel = parts["root_rotation_velocity"], parts["root_linear_velocity"]
    torch.testing.assert_close(other.features[:, turn], -one.features[:, turn])
    torch.testing.assert_close(other.features[:, travel], one.features[:, travel] * torch.tensor([-1.0, 1.0]).double())
    assert torch.equal(other.features[:, parts["contacts"]], one.features[:, parts["contacts"]][:, [2, 3, 0, 1]])
    recovered = features_to_joints(other.features, skeleton)
    torch.testing.assert_close(recovered, mirror_joints(one.joints[:-1], skeleton))


def test_errors() -> None:
    good = torch.zeros(3, 5, 22, 3)
    with pytest.raises(DataError, match=r"allowed: \[\.\.\., F, 21, 3\]"):
        joints_to_features(good, SKELETONS["kit"])
    with pytest.raises(DataError, match="at least 2"):
        joints_to_features(good[:, :1], HUMANML3D)
    with pytest.raises(DataError, match="2 to 5 frames"):
        joints_to_features(good, HUMANML3D, lengths=torch.tensor([5, 5, 6]))
    with pytest.raises(DataError, match=r"integers \(3,\)"):
        joints_to_features(good, HUMANML3D, lengths=torch.tensor([5, 5]))
    with pytest.raises(DataError, match=r"target offsets.*\[22, 3\]"):
        joints_to_features(good, HUMANML3D, target_offsets=SKELETONS["kit"].offsets)
    with pytest.raises(NonFiniteError, match="NaN"):
        joints_to_features(good + float("nan"), HUMANML3D)
    with pytest.raises(DataError, match="263"):
        features_to_joints(torch.zeros(4, 251), HUMANML3D)

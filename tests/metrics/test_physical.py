"""Foot skating, floor, jerk and joint errors: masks, thresholds, slow references."""

from __future__ import annotations

import pytest
import reference_metrics
import torch
from torch import Tensor

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.tensors import lengths_to_mask
from leadbench.metrics.physical import floating, floor_penetration, foot_skating, mean_jerk, mpjpe

LENGTHS = torch.tensor([40, 25, 2])
MASK = lengths_to_mask(LENGTHS)


@pytest.fixture
def joints() -> Tensor:
    """Feet near the floor that stop and go; padding holds NaN."""
    speed = torch.rand(3, 40, 22, 3) * (torch.rand(3, 40, 1, 1) > 0.4) * 0.1
    motion = speed.cumsum(dim=1)
    motion[..., 1] = torch.rand(3, 40, 22) * 0.07
    motion[~MASK] = float("nan")
    return motion


def test_skating_agrees_with_the_slow_reference_motion_by_motion(joints: Tensor) -> None:
    ratio, contact_speed = foot_skating(joints, MASK)
    assert contact_speed.shape == (3, 39, 2)
    assert torch.isfinite(contact_speed).all()
    assert 0.05 < float(ratio[0]) < 0.95
    for row, length in enumerate(LENGTHS.tolist()):
        expected = reference_metrics.skating_ratio(joints[row, :length].double().numpy(), (10, 11))
        assert float(ratio[row]) == pytest.approx(expected, abs=1e-6)
        assert not contact_speed[row, length - 1 :].any()


def slide(speed: float, height: float) -> float:
    """Skating ratio of a body that moves along x at ``speed`` m/s, feet at ``height``."""
    motion = torch.zeros(1, 60, 22, 3, dtype=torch.float64)
    motion[0, :, :, 0] = torch.arange(60)[:, None] * speed / 20
    motion[..., 1] = height
    ratio, _ = foot_skating(motion, torch.ones(1, 60, dtype=torch.bool))
    return float(ratio)


def test_thresholds() -> None:
    assert slide(1.0, 0.04) == 1
    assert slide(1.0, 0.06) == 0
    assert slide(0.4, 0.04) == 0
    # just above the threshold the zero-padded moving mean keeps both ends out: 2 of 59 pairs on each side
    assert slide(0.55, 0.0) == pytest.approx(55 / 59)


def test_one_foot_is_enough() -> None:
    motion = torch.zeros(1, 30, 22, 3)
    motion[0, :, 11, 2] = torch.arange(30) * 0.05
    ratio, speed = foot_skating(motion, torch.ones(1, 30, dtype=torch.bool))
    assert float(ratio) == 1
    assert not speed[..., 0].any()


def test_heights_agree_with_the_slow_reference_and_padding_does_not_count(joints: Tensor) -> None:
    joints[..., 1] -= 0.003  # the lowest joint of a frame is under the floor in some frames, above it in others
    depth, height = floor_penetration(joints, MASK), floating(joints, MASK)
    assert bool((depth > 0).all() and (height[:2] > 0).all())
    for row, length in enumerate(LENGTHS.tolist()):
        expected = reference_metrics.heights(joints[row, :length].double().numpy())
        assert (float(depth[row]), float(height[row])) == pytest.approx(expected, abs=1e-7)


def test_jerk_agrees_with_the_slow_reference_and_padding_does_not_count(joints: Tensor) -> None:
    lengths = [40, 25, 4]
    mask = lengths_to_mask(torch.tensor(lengths))
    joints[~MASK] = 0.5
    joints[~mask] = float("nan")
    values = mean_jerk(joints, mask, fps=12.5)
    for row, length in enumerate(lengths):
        expected = reference_metrics.jerk(joints[row, :length].double().numpy(), 12.5)
        assert float(values[row]) == pytest.approx(expected, rel=1e-6)


def test_jerk_of_known_motions() -> None:
    time = torch.arange(30, dtype=torch.float64) / 20
    motion = torch.zeros(2, 30, 22, 3, dtype=torch.float64)
    motion[0, :, :, 0] = (3 * time**2 + time)[:, None]  # constant acceleration
    motion[1, :, :11, 1] = (2 * time**3)[:, None]  # half of the joints
    whole = torch.ones(2, 30, dtype=torch.bool)
    assert mean_jerk(motion, whole, fps=20.0).tolist() == pytest.approx([0.0, 6.0], abs=1e-8)
    # on positions in the world in float32, as they come: nothing but rounding is left of a fast straight walk
    straight = torch.zeros(1, 30, 22, 3)
    straight[0, :, :, 2] = (5 * time).float()[:, None]
    assert float(mean_jerk(straight, whole[:1], fps=20.0)) < 0.02


@pytest.mark.parametrize("root", [0, None])
def test_mpjpe_agrees_with_the_slow_reference(joints: Tensor, root: int | None) -> None:
    other = joints + torch.randn_like(joints) * 0.1
    values = mpjpe(joints, other, MASK, root_aligned=root is not None)
    for row, length in enumerate(LENGTHS.tolist()):
        a, b = joints[row, :length].double().numpy(), other[row, :length].double().numpy()
        assert float(values[row]) == pytest.approx(reference_metrics.mpjpe(a, b, root), rel=1e-5)


def test_nan_in_a_real_frame_is_refused(joints: Tensor) -> None:
    joints[1, 24, 3, 0] = float("nan")
    with pytest.raises(NonFiniteError, match=r"1 of 3 motions .* \(first: 1\)"):
        foot_skating(joints, MASK)
    for metric, name in ((floating, "floating"), (floor_penetration, "floor penetration")):
        with pytest.raises(NonFiniteError, match=f"{name}: 1 of 3"):
            metric(joints, MASK)
    with pytest.raises(NonFiniteError, match="jerk: 1 of 3"):
        mean_jerk(joints, lengths_to_mask(torch.tensor([40, 25, 4])) & MASK, fps=20.0)
    with pytest.raises(NonFiniteError, match="MPJPE, target"):
        mpjpe(torch.zeros_like(joints), joints, MASK, root_aligned=True)


def test_bad_input_is_refused(joints: Tensor) -> None:
    with pytest.raises(DataError, match="at least 2 frames"):
        foot_skating(joints, lengths_to_mask(torch.tensor([40, 25, 1])))
    with pytest.raises(DataError, match="jerk: every motion needs at least 4 frames"):
        mean_jerk(joints.nan_to_num(), lengths_to_mask(torch.tensor([40, 25, 3])), fps=20.0)
    for metric in (floating, floor_penetration):
        with pytest.raises(DataError, match="at least 1 frame"):
            metric(joints, lengths_to_mask(torch.tensor([40, 25, 0])))
    with pytest.raises(DataError, match=r"expected \[B, F, J, 3\]"):
        foot_skating(joints, MASK[:, :-1])
    with pytest.raises(DataError, match="differ"):
        mpjpe(joints, joints[:, :, :-1], MASK, root_aligned=True)

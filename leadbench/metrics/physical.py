"""Physical metrics on joint positions [B, F, J, 3] in metres, Y up: foot skating, floor, jerk, joint error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from leadbench.core.device import accelerated
from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.tensors import host_lengths


@dataclass(frozen=True)
class SkatingRule:
    """Thresholds of the foot skating ratio, as published (Karunratanakul et al. 2023, used by MotionLCM).

    ``height`` in metres, ``speed`` in metres a second, ``fps`` frames a second, ``window`` frames of the
    moving mean. The published code uses 20 fps and these metre thresholds for KIT-ML (12.5 fps) as well.
    """

    height: float = 0.05
    speed: float = 0.5
    fps: float = 20.0
    window: int = 5


def _real_joints(joints: Tensor, mask: Tensor, what: str) -> Tensor:
    """Joints with padded frames set to 0; refuses non-finite real frames, on a CPU: elsewhere that would be a wait."""
    if joints.ndim != 4 or joints.shape[-1] != 3 or joints.shape[:2] != mask.shape:
        raise DataError(
            f"{what}: joints {tuple(joints.shape)} and mask {tuple(mask.shape)}, expected [B, F, J, 3], [B, F]"
        )
    real = torch.where(mask[..., None, None], joints, joints.new_zeros(()))
    if accelerated(real.device):
        return real
    bad = (~torch.isfinite(real)).flatten(1).any(dim=1).nonzero().flatten().tolist()
    if bad:
        rows = ", ".join(map(str, bad[:5]))
        raise NonFiniteError(f"{what}: {len(bad)} of {len(real)} motions hold NaN or infinite joints (first: {rows})")
    return real


def _shortest(mask: Tensor) -> int:
    """Frames of the shortest motion of a mask [B, F]."""
    return min(host_lengths(mask), default=0)


def foot_skating(
    joints: Tensor, mask: Tensor, feet: Sequence[int] = (10, 11), rule: SkatingRule | None = None
) -> tuple[Tensor, Tensor]:
    """Share of frame pairs in which a foot slides over the ground.

    A foot slides in a frame pair when its height is below ``rule.height`` in both frames, and both its
    horizontal speed and the moving mean of that speed (zero padded at the ends) exceed ``rule.speed``.

    Args:
        joints: [B, F, J, 3] metres, Y up, floor at 0.
        mask: [B, F], True on real frames, which come first.
        feet: toe joints; (10, 11) for 22 joints, (15, 20) for KIT-ML's 21.
        rule: thresholds; published ones by default.

    Returns:
        ratio [B], and contact speed [B, F - 1, len(feet)]: the mean speed where the foot is down, else 0.

    Raises:
        DataError: shapes do not fit, or a motion has fewer than 2 frames.
        NonFiniteError: NaN or infinite joints in a real frame (looked for on a CPU).

    >>> slide = torch.zeros(1, 30, 22, 3)
    >>> slide[0, :, :, 0] = torch.arange(30)[:, None] * 0.05
    >>> ratio, speed = foot_skating(slide, torch.ones(1, 30, dtype=torch.bool))
    >>> ratio.item(), round(speed[0, 10, 0].item(), 4)
    (1.0, 1.0)
    """
    rule = rule or SkatingRule()
    position = _real_joints(joints, mask, "foot skating")
    position = torch.stack([position[:, :, foot] for foot in feet], dim=2)
    if position.shape[1] < 2 or _shortest(mask) < 2:
        raise DataError("foot skating: every motion needs at least 2 frames")
    pair = (mask[:, 1:] & mask[:, :-1]).unsqueeze(-1)
    # Speeds outside the motion are 0, which is the published zero padding at the motion's own end.
    step = (position[:, 1:] - position[:, :-1])[..., 0:3:2] * pair.unsqueeze(-1)
    speed = step.norm(dim=-1) * rule.fps
    mean_speed = avg_pool1d(speed.transpose(1, 2), rule.window, stride=1, padding=rule.window // 2).transpose(1, 2)
    low = position[..., 1] < rule.height
    contact = low[:, 1:] & low[:, :-1] & pair
    slides = contact & (speed > rule.speed) & (mean_speed > rule.speed)
    ratio = slides.any(dim=-1).sum(dim=1) / pair.squeeze(-1).sum(dim=1)
    return ratio, contact * mean_speed


def floor_penetration(joints: Tensor, mask: Tensor) -> Tensor:
    """Mean over real frames of how deep the lowest joint is under the floor, [B] in metres; 0 in frames above it.

    Source: "Penetrate" of PhysDiff (Yuan et al., ICCV 2023, section 4), which takes the lowest vertex of a body mesh,
    in millimetres, and lets 5 mm pass; here it is the lowest joint, since there is no mesh, and nothing passes.

    Args:
        joints: [B, F, J, 3] metres, Y up, floor at 0.
        mask: [B, F], True on real frames.

    Raises:
        DataError: shapes do not fit, or a motion has no frame.
        NonFiniteError: NaN or infinite joints in a real frame.

    >>> sunk = torch.full((1, 4, 22, 3), -0.02)
    >>> round(floor_penetration(sunk, torch.ones(1, 4, dtype=torch.bool)).item(), 4)
    0.02
    """
    return _mean_over_frames((-_lowest(joints, mask, "floor penetration")).clamp(min=0), mask)


def floating(joints: Tensor, mask: Tensor) -> Tensor:
    """Mean over real frames of how high the lowest joint is above the floor, [B] in metres; 0 in frames under it.

    Source: "Float" of PhysDiff (Yuan et al., ICCV 2023, section 4), which takes the lowest vertex of a body mesh, in
    millimetres, and lets 5 mm pass; here it is the lowest joint, since there is no mesh, and nothing passes. Jumps
    count too, and toes are higher than soles: only the Real row says which value is right.

    Args:
        joints: [B, F, J, 3] metres, Y up, floor at 0.
        mask: [B, F], True on real frames.

    Raises:
        DataError: shapes do not fit, or a motion has no frame.
        NonFiniteError: NaN or infinite joints in a real frame.

    >>> aloft = torch.full((1, 4, 22, 3), 0.05)
    >>> aloft[0, 2:, 10, 1] = -0.3
    >>> round(floating(aloft, torch.ones(1, 4, dtype=torch.bool)).item(), 4)
    0.025
    """
    return _mean_over_frames(_lowest(joints, mask, "floating").clamp(min=0), mask)


def _lowest(joints: Tensor, mask: Tensor, what: str) -> Tensor:
    """Height of the lowest joint [B, F], 0 on padded frames."""
    heights = _real_joints(joints, mask, what)[..., 1].amin(dim=-1)
    if _shortest(mask) < 1:
        raise DataError(f"{what}: every motion needs at least 1 frame")
    return heights


def _mean_over_frames(values: Tensor, mask: Tensor) -> Tensor:
    """Mean [B] over real frames of values [B, F] that are 0 on padded ones."""
    mean: Tensor = values.sum(dim=1) / mask.sum(dim=1)
    return mean


def mean_jerk(joints: Tensor, mask: Tensor, fps: float) -> Tensor:
    """Mean magnitude of the jerk of all joints, [B] in metres a second cubed.

    Jerk is the third derivative of position, whose square is least in smooth reaching (Flash and Hogan, J. Neurosci.
    1985). It is estimated by the third forward difference times ``fps``³, on positions in the world, and averaged over
    joints and over every four consecutive real frames, as "jitter" of TransPose (Yi et al., SIGGRAPH 2021), which
    gives hundreds of m/s³ at 60 fps. Differences depend on the frame rate: values at two rates do not compare.

    Args:
        joints: [B, F, J, 3] metres.
        mask: [B, F], True on real frames, which come first.
        fps: frames a second.

    Raises:
        DataError: shapes do not fit, or a motion has fewer than 4 frames.
        NonFiniteError: NaN or infinite joints in a real frame.

    >>> cubic = torch.zeros(1, 9, 22, 3, dtype=torch.float64)
    >>> cubic[..., 2] = ((torch.arange(9) / 20.0) ** 3)[:, None]
    >>> round(mean_jerk(cubic, torch.ones(1, 9, dtype=torch.bool), fps=20.0).item(), 3)
    6.0
    """
    # float64: third differences of float32 positions would be mostly rounding
    position = _real_joints(joints, mask, "jerk").double()
    if position.shape[1] < 4 or _shortest(mask) < 4:
        raise DataError("jerk: every motion needs at least 4 frames")
    size = position.diff(n=3, dim=1).norm(dim=-1).mean(dim=-1) * fps**3
    whole = mask[:, 3:] & mask[:, 2:-1] & mask[:, 1:-2] & mask[:, :-3]
    return _mean_over_frames(torch.where(whole, size, size.new_zeros(())), whole).to(joints.dtype)


def mpjpe(predicted: Tensor, target: Tensor, mask: Tensor, *, root_aligned: bool, root: int = 0) -> Tensor:
    """Mean per-joint position error of each motion over its real frames, [B] in metres.

    ``root_aligned`` subtracts each frame's own root position first; otherwise the error is global and drifts
    with the trajectory. The mean over a set of frames is the mean of these values weighted by lengths.

    Args:
        predicted: [B, F, J, 3] metres.
        target: [B, F, J, 3] metres.
        mask: [B, F], True on real frames; padded frames may hold anything.
        root_aligned: compare poses (True) or places (False).
        root: index of the root joint.

    Raises:
        DataError: shapes do not fit, or a motion has no frame.
        NonFiniteError: NaN or infinite joints in a real frame.

    >>> pose = torch.zeros(1, 2, 22, 3)
    >>> moved = pose + torch.tensor([0.0, 0.0, 0.5])
    >>> valid = torch.ones(1, 2, dtype=torch.bool)
    >>> mpjpe(moved, pose, valid, root_aligned=True).item(), mpjpe(moved, pose, valid, root_aligned=False).item()
    (0.0, 0.5)
    """
    if predicted.shape != target.shape:
        raise DataError(f"MPJPE: predicted {tuple(predicted.shape)} and target {tuple(target.shape)} differ")
    a, b = _real_joints(predicted, mask, "MPJPE, predicted"), _real_joints(target, mask, "MPJPE, target")
    if _shortest(mask) < 1:
        raise DataError("MPJPE: every motion needs at least 1 frame")
    if root_aligned:
        a, b = a - a[:, :, root : root + 1], b - b[:, :, root : root + 1]
    error = (a - b).norm(dim=-1).mean(dim=-1)  # 0 on padded frames
    mean: Tensor = error.sum(dim=1) / mask.sum(dim=1)
    return mean

"""Known corruptions of a motion, each with a strength: what an evaluator must notice, the more the stronger it is.

They act on joints, so that features are those of a motion that somebody could have made; lengths are kept. ``strength``
0 changes nothing. Of those that a motion either has or has not, the strength is the share of the motions that have it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from leadbench.core.skeleton import Skeleton
from leadbench.motion.mirror import mirror_joints

FADE = 4
"""Frames over which halves are joined."""

Corrupt = Callable[[Tensor, Skeleton, float, np.random.Generator], Tensor]


@dataclass(frozen=True)
class Corruption:
    """A corruption, the strengths that are measured, and what a strength is."""

    name: str
    apply: Corrupt
    strengths: tuple[float, ...]
    unit: str


def jitter(joints: Tensor, skeleton: Skeleton, strength: float, generator: np.random.Generator) -> Tensor:
    """White noise on every joint of [F, J, 3]; its deviation is ``strength`` mean bone lengths."""
    parents = torch.tensor(skeleton.parents[1:])
    bone = (joints[0, 1:] - joints[0, parents]).norm(dim=-1).mean()
    noise = torch.from_numpy(generator.standard_normal(tuple(joints.shape), dtype=np.float32))
    made: Tensor = joints + strength * bone * noise
    return made


def time_warp(joints: Tensor, skeleton: Skeleton, strength: float, generator: np.random.Generator) -> Tensor:
    """[F, J, 3] played slower and faster by turns: the speed swings once, from 1 + ``strength`` to 1 - ``strength``."""
    frames = len(joints)
    phase = torch.linspace(0.0, 1.0, frames, dtype=torch.float64)
    place = (phase + strength * torch.sin(2 * math.pi * phase) / (2 * math.pi)) * (frames - 1)
    before = place.floor().clamp(0, frames - 1).long()
    share = (place - before).to(joints.dtype)[:, None, None]
    return torch.lerp(joints[before], joints[(before + 1).clamp(max=frames - 1)], share)


def mirrored(joints: Tensor, skeleton: Skeleton, strength: float, generator: np.random.Generator) -> Tensor:
    """Left and right of [F, J, 3] exchanged, for a share ``strength`` of the motions; captions stay."""
    return mirror_joints(joints, skeleton) if generator.random() < strength else joints


def shuffled_halves(joints: Tensor, skeleton: Skeleton, strength: float, generator: np.random.Generator) -> Tensor:
    """The second half of [F, J, 3] before the first, for a share ``strength`` of the motions; the joint is blended."""
    if generator.random() >= strength or len(joints) < 4 * FADE:
        return joints
    half = len(joints) // 2
    first, second = joints[half:], joints[:half]
    # the second part goes on where the first one ends
    shift = first[-1, :1] - second[0, :1]
    shift = torch.stack([shift[..., 0], torch.zeros_like(shift[..., 1]), shift[..., 2]], dim=-1)
    made = torch.cat([first, second + shift])
    seam = len(first)
    share = torch.linspace(0.0, 1.0, 2 * FADE, dtype=joints.dtype)[:, None, None]
    before, after = made[seam - FADE], made[seam + FADE - 1]
    blend = torch.lerp(before.expand(2 * FADE, -1, -1), after.expand(2 * FADE, -1, -1), share)
    return torch.cat([made[: seam - FADE], blend, made[seam + FADE :]])


def frozen_feet(joints: Tensor, skeleton: Skeleton, strength: float, generator: np.random.Generator) -> Tensor:
    """Feet of [F, J, 3] that lose a share ``strength`` of their movement beside the pelvis, and slide with it."""
    feet = [*skeleton.right_foot, *skeleton.left_foot]
    beside = joints[:, feet] - joints[:, :1]
    still = beside[:1].expand_as(beside)
    made = joints.clone()
    made[:, feet] = joints[:, :1] + torch.lerp(beside, still, strength)
    return made


SHARES = (0.25, 0.5, 0.75, 1.0)
CORRUPTIONS: Mapping[str, Corruption] = {
    corruption.name: corruption
    for corruption in (
        Corruption("jitter", jitter, (0.005, 0.01, 0.02, 0.05, 0.1, 0.2), "mean bone lengths"),
        Corruption("time-warp", time_warp, (0.2, 0.4, 0.6, 0.8), "swing of the speed"),
        Corruption("mirrored", mirrored, SHARES, "share of the motions"),
        Corruption("shuffled-halves", shuffled_halves, SHARES, "share of the motions"),
        Corruption("frozen-feet", frozen_feet, SHARES, "share of the feet's movement"),
    )
}

"""Metrics of single motions in the form that plugins give them: decoded motions in, one value each out."""

from __future__ import annotations

from torch import Tensor

from leadbench.contracts import GeneratedMotions, MotionMetric
from leadbench.metrics.physical import floor_penetration, foot_skating
from leadbench.skeleton import get_skeleton


def skating_ratio(motions: GeneratedMotions) -> Tensor:
    """Foot skating ratio [B] of the last joint of each foot."""
    skeleton = get_skeleton(motions.skeleton)
    feet = (skeleton.left_foot[-1], skeleton.right_foot[-1])
    return foot_skating(motions.joints, motions.mask, feet)[0]


def penetration_depth(motions: GeneratedMotions) -> Tensor:
    """Mean depth [B] in metres of the lowest joint under the floor."""
    return floor_penetration(motions.joints, motions.mask)


def latent_norm(motions: GeneratedMotions) -> Tensor:
    """Euclidean norm [B] of the latents."""
    return motions.latent.norm()


def make_skating_ratio() -> MotionMetric:
    """Factory of ``skating-ratio``."""
    return skating_ratio


def make_penetration_depth() -> MotionMetric:
    """Factory of ``penetration``."""
    return penetration_depth

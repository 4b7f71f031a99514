"""Metrics of single motions in the form that plugins give them: decoded motions in, one value each out."""

from __future__ import annotations

from torch import Tensor

from leadbench.core.contracts import GeneratedMotions, MotionMetric, on_any_device
from leadbench.core.skeleton import get_skeleton
from leadbench.metrics.physical import floating, floor_penetration, foot_skating, mean_jerk


@on_any_device
def skating_ratio(motions: GeneratedMotions) -> Tensor:
    """Foot skating ratio [B] of the last joint of each foot."""
    skeleton = get_skeleton(motions.skeleton)
    feet = (skeleton.left_foot[-1], skeleton.right_foot[-1])
    return foot_skating(motions.joints, motions.mask, feet)[0]


@on_any_device
def penetration_depth(motions: GeneratedMotions) -> Tensor:
    """Mean depth [B] in metres of the lowest joint under the floor."""
    return floor_penetration(motions.joints, motions.mask)


@on_any_device
def floating_height(motions: GeneratedMotions) -> Tensor:
    """Mean height [B] in metres of the lowest joint above the floor."""
    return floating(motions.joints, motions.mask)


@on_any_device
def jerk(motions: GeneratedMotions) -> Tensor:
    """Mean magnitude [B] of the jerk of all joints, metres a second cubed."""
    return mean_jerk(motions.joints, motions.mask, motions.fps)


@on_any_device
def latent_norm(motions: GeneratedMotions) -> Tensor:
    """Euclidean norm [B] of the latents."""
    return motions.latent.norm()


def make_skating_ratio(context: object = None) -> MotionMetric:
    """Factory of ``skating-ratio``."""
    return skating_ratio


def make_penetration_depth(context: object = None) -> MotionMetric:
    """Factory of ``penetration``."""
    return penetration_depth


def make_floating(context: object = None) -> MotionMetric:
    """Factory of ``floating``."""
    return floating_height


def make_jerk(context: object = None) -> MotionMetric:
    """Factory of ``jerk``."""
    return jerk

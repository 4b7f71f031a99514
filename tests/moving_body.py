"""A body that moves, whose joints are known."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from leadbench.core.skeleton import Skeleton

MILLIMETRE = 1e-3


def body(skeleton: Skeleton, frames: int = 30, seed: int = 0) -> np.ndarray:
    """Joints [F, J, 3] of a body that bends smoothly and travels, with bones that change their length a little."""
    random = np.random.default_rng(seed)
    time = np.arange(frames) / skeleton.fps
    joints = np.zeros((frames, skeleton.n_joints, 3))
    turned = [Rotation.identity(frames)] * skeleton.n_joints
    for joint, parent in enumerate(skeleton.parents):
        axis, phase = random.normal(size=3), random.uniform(0, 6)
        swing = Rotation.from_rotvec(axis / np.linalg.norm(axis) * 0.9 * np.sin(3 * time + phase)[:, None])
        if parent < 0:
            joints[:, joint] = np.stack([time, 0.9 + 0.05 * np.sin(5 * time), -0.4 * time], axis=1)
            turned[joint] = swing
            continue
        length = 1 + 0.02 * random.normal(size=(frames, 1))
        joints[:, joint] = joints[:, parent] + turned[parent].apply(skeleton.offsets[joint]) * length
        turned[joint] = turned[parent] * swing
    return joints

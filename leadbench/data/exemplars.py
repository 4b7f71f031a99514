"""Exemplars from files: BVH of a known skeleton, or arrays of features or joints."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadbench.core.errors import MotionFileError, NonFiniteError
from leadbench.core.reading import read_array
from leadbench.core.skeleton import Skeleton
from leadbench.motion.bvh import read_bvh
from leadbench.motion.features import joints_to_features
from leadbench.motion.posture import Upright, make_upright
from leadbench.motion.retarget import JOINT_MAPS, upright_joints
from leadbench.motion.uniform import Mode


def read_motion(path: Path, skeleton: Skeleton, mode: Mode, say: Callable[[str], None] = lambda _: None) -> Tensor:
    """Raw features [F, D] of a motion file.

    ``.bvh``: a skeleton whose joints one of our joint maps knows, retargeted and resampled to the skeleton's rate.
    ``.npy``: features [F, D], or joints [F, J, 3] in metres at the skeleton's rate. Joints become features of F - 1
    frames in ``mode``. ``say`` is called with what was put right in it (:mod:`leadbench.motion.posture`).

    Raises:
        MotionFileError: neither, or a skeleton that no joint map knows; or no axis of it points up.
        NonFiniteError: it holds NaN or infinity.
    """
    if not path.is_file():
        raise MotionFileError(f"{path}: no such file")
    motion = _joints_of_bvh(path, skeleton, say) if path.suffix.lower() == ".bvh" else read_values(path)
    if motion.ndim == 3 and motion.shape[1:] == (skeleton.n_joints, 3):
        if path.suffix.lower() != ".bvh":
            motion = _upright(path, motion, skeleton, say)
        if len(motion) < 2:
            raise MotionFileError(f"{path}: has {len(motion)} frame; at least 2 are needed, one more than features")
        offsets = torch.as_tensor(skeleton.offsets, dtype=torch.float32)
        motion = joints_to_features(motion, skeleton, target_offsets=offsets, mode=mode).features
    if not bool(torch.isfinite(motion).all()):
        raise NonFiniteError(f"{path}: its features hold NaN or infinity (a bone of length 0, or exactly reversed?)")
    return check_features(motion, skeleton, path)


def read_values(path: Path) -> Tensor:
    """A plain array as float32.

    Raises:
        MotionFileError: the file is not one.
        NonFiniteError: it holds NaN or infinity.
    """
    with np.errstate(over="ignore"):  # beyond float32 is infinity, which is reported as such
        motion = torch.from_numpy(np.asarray(read_array(path, MotionFileError), dtype=np.float32))
    if not bool(torch.isfinite(motion).all()):
        raise NonFiniteError(f"{path}: holds NaN or infinity")
    return motion


def check_features(motion: Tensor, skeleton: Skeleton, path: Path) -> Tensor:
    """The features themselves, if they are [F, D] of the skeleton.

    Raises:
        MotionFileError: they are not.
    """
    if motion.ndim != 2 or motion.shape[1] != skeleton.n_features:
        raise MotionFileError(
            f"{path}: shape {list(motion.shape)}; needed are features [F, {skeleton.n_features}] or joints "
            f"[F, {skeleton.n_joints}, 3]"
        )
    return motion


def _upright(path: Path, joints: Tensor, skeleton: Skeleton, say: Callable[[str], None]) -> Tensor:
    return torch.from_numpy(_said(path, lambda: make_upright(joints.double().numpy(), skeleton), say)).float()


def _said(path: Path, read: Callable[[], Upright], say: Callable[[str], None]) -> NDArray[np.float64]:
    """Joints that a reader gives; messages name the file."""
    try:
        found = read()
    except MotionFileError as exc:
        raise MotionFileError(f"{path}: {exc}") from exc
    for line in found.notes:
        say(f"{path}: {line}")
    return found.joints


def _joints_of_bvh(path: Path, skeleton: Skeleton, say: Callable[[str], None]) -> Tensor:
    bvh = read_bvh(path)
    for joint_map in JOINT_MAPS:
        needed = {name for weights in joint_map.joints.values() for name in weights}
        if joint_map.target == skeleton.name and needed <= set(bvh.names):
            return torch.from_numpy(_said(path, partial(upright_joints, bvh, joint_map), say)).float()
    known = ", ".join(joint_map.name for joint_map in JOINT_MAPS)
    raise MotionFileError(
        f"{path}: no joint map knows this skeleton (known: {known}; joints here: {', '.join(bvh.names[:6])}, ...); "
        f"give joints [F, {skeleton.n_joints}, 3] as .npy instead"
    )

"""Joint positions to the HumanML3D / KIT-ML feature vector and back.

A clip of F frames gives F - 1 feature rows (see :func:`leadbench.core.skeleton.feature_slices`). Source: Guo et al.,
"Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022, section 3; ``motion_representation.ipynb``
of EricGuo5513/HumanML3D and ``scripts/motion_process.py`` of EricGuo5513/text-to-motion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.skeleton import Skeleton, feature_slices
from leadbench.motion import quaternion as quat
from leadbench.motion.uniform import (
    Mode,
    forward_vectors,
    heading_to_front,
    inverse_kinematics,
    root_rotations,
    smooth,
    uniform_skeleton,
    yaw_half_steps,
)

ArrayLike = Tensor | NDArray[Any]


@dataclass(frozen=True, eq=False)
class MotionFeatures:
    """What :func:`joints_to_features` makes of joints [..., F, J, 3].

    ``features`` [..., F - 1, D]: rows past the end of a clip are 0. ``joints`` [..., F, J, 3]: retargeted, on the
    floor, root of frame 0 at x = z = 0, facing +z; past the end of a clip the last pose is held. ``yaw_flips``
    [...] int64: steps whose yaw has the wrong sign in official mode, where :func:`features_to_joints` therefore does
    not give ``joints`` back; always 0 in corrected mode.
    """

    features: Tensor
    joints: Tensor
    yaw_flips: Tensor


def as_tensor(values: ArrayLike) -> Tensor:
    """Floating-point tensor of a tensor or NumPy array: dtype and device kept, integers become float32."""
    if isinstance(values, np.ndarray):
        values = np.require(values, requirements=["C", "W"])  # torch takes neither read-only nor reversed arrays
    found = torch.as_tensor(values)
    return found if found.is_floating_point() else found.float()


def joints_to_features(
    joints: ArrayLike,
    skeleton: Skeleton,
    *,
    target_offsets: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    mode: Mode = "official",
    contact_threshold: float | None = None,
) -> MotionFeatures:
    """Turn joint positions [..., F, J, 3] (y up, any unit, F >= 2) into features [..., F - 1, D].

    Steps: retarget to ``target_offsets`` [J, 3] (None: keep the bones), floor and facing, features. ``lengths``
    [...] int gives the true number of frames of clips padded to F; padding never influences real frames. Features
    are not causal: the heading is smoothed over +-80 frames, so a shortened clip has other features near its end.
    ``contact_threshold`` bounds a foot's squared displacement a frame; default: the skeleton's.

    ``mode`` "official" reproduces the published data with its known defects, among them swapped hips in the heading,
    a wrong yaw sign beyond 180 degrees and NaN for a bone exactly opposite to its reference; "corrected" has the
    same layout without them. :mod:`leadbench.motion.uniform` names and explains each.

    Raises DataError for wrong shapes or lengths, and NonFiniteError for NaN or infinite joints in real frames.
    """
    x = as_tensor(joints)
    _check(x, skeleton)
    ends = _lengths(x, lengths)
    if ends is not None:
        x = _hold_last(x, ends)
    if not bool(torch.isfinite(x).all()):
        raise NonFiniteError("joints_to_features: joints hold NaN or infinite values; allowed: finite positions")
    if target_offsets is not None:
        offsets = as_tensor(target_offsets).to(x)
        if offsets.shape != (skeleton.n_joints, 3):
            raise DataError(f"target offsets have shape {tuple(offsets.shape)}; allowed: [{skeleton.n_joints}, 3]")
        x = uniform_skeleton(x, skeleton, offsets, mode)
    x = canonicalize(x, skeleton, mode)
    features, flipped = extract_features(x, skeleton, mode=mode, contact_threshold=contact_threshold)
    if ends is not None:
        real = torch.arange(features.shape[-2], device=x.device) < ends[..., None] - 1
        features = torch.where(real[..., None], features, torch.zeros_like(features))
        flipped = flipped & real
    return MotionFeatures(features, x, flipped.sum(-1))


def canonicalize(joints: Tensor, skeleton: Skeleton, mode: Mode = "official") -> Tensor:
    """Put joints [..., F, J, 3] on the floor (lowest y is 0), start at x = z = 0, and face +z in frame 0.

    Facing is that of frame 0's hips and shoulders; in corrected mode it is the smoothed heading at frame 0.
    """
    floor = joints[..., 1].amin(dim=(-2, -1))
    start = joints[..., :1, :1, :]
    origin = torch.stack((start[..., 0, 0, 0], floor, start[..., 0, 0, 2]), dim=-1)[..., None, None, :]
    placed = joints - origin
    if mode == "official":
        forward = forward_vectors(placed[..., :1, :, :], skeleton)
    else:
        forward = smooth(forward_vectors(placed, skeleton))[..., :1, :]
    return quat.rotate(heading_to_front(forward, mode).unsqueeze(-2), placed)


def extract_features(
    joints: Tensor, skeleton: Skeleton, *, mode: Mode = "official", contact_threshold: float | None = None
) -> tuple[Tensor, Tensor]:
    """Features [..., F - 1, D] of joints [..., F, J, 3] that are canonical already, and the wrong yaw signs.

    The second result is bool [..., F - 1]: steps whose official yaw sign is wrong.
    """
    roots = root_rotations(joints, skeleton, smoothed=True, mode=mode)
    rotations = inverse_kinematics(joints, skeleton, roots, mode)
    half_yaw, flipped = yaw_half_steps(roots, mode)
    now, step = joints[..., :-1, :, :], joints[..., 1:, :, :] - joints[..., :-1, :, :]
    here, after = roots[..., :-1, None, :], roots[..., 1:, :]
    travel = quat.rotate(after, step[..., 0, :])
    ground = now[..., :1, :] * now.new_tensor([1.0, 0.0, 1.0])
    positions = quat.rotate(here, (now - ground)[..., 1:, :])
    threshold = skeleton.contact_threshold if contact_threshold is None else contact_threshold
    feet = step[..., list(skeleton.foot_joints), :]
    blocks = (
        half_yaw[..., None],
        travel[..., 0:3:2],
        now[..., 0, 1:2],
        positions.flatten(-2),
        quat.to_6d(rotations[..., :-1, 1:, :]).flatten(-2),
        quat.rotate(here, step).flatten(-2),
        ((feet * feet).sum(-1) < threshold).to(joints.dtype),
    )
    return torch.cat(blocks, dim=-1), flipped


def recover_root(features: ArrayLike) -> tuple[Tensor, Tensor]:
    """Root of feature rows [..., F, D]: rotations world to heading [..., F, 4] and positions [..., F, 3].

    Differentiable, and causal: a row influences only itself and later frames. Both inputs of frame t, its yaw and
    its travel, are those stored in row t - 1, as published (``recover_root_rot_pos``).
    """
    half, root = _recover_root(as_tensor(features))
    return quat.about_y(half), root


def features_to_joints(features: ArrayLike, skeleton: Skeleton) -> Tensor:
    """Joints [..., F, J, 3] of feature rows [..., F, D] in real units (``recover_from_ric``); inverts both modes.

    Uses the root and position blocks only; differentiable and causal like :func:`recover_root`. Raises DataError
    when D is not the skeleton's.
    """
    f = as_tensor(features)
    if f.ndim < 2 or f.shape[-1] != skeleton.n_features:
        raise DataError(f"features have shape {tuple(f.shape)}; allowed: [..., F, {skeleton.n_features}]")
    half, root = _recover_root(f)
    local = f[..., feature_slices(skeleton)["positions"]]
    local = local.reshape(*f.shape[:-1], skeleton.n_joints - 1, 3)
    x, z = _to_world(2 * half[..., None], local[..., 0], local[..., 2])
    placed = torch.stack((x + root[..., :1], local[..., 1], z + root[..., 2:]), dim=-1)
    return torch.cat((root.unsqueeze(-2), placed), dim=-2)


def _recover_root(f: Tensor) -> tuple[Tensor, Tensor]:
    before = torch.nn.functional.pad(f[..., :-1, :3], (0, 0, 1, 0))
    half = before[..., 0].cumsum(-1)
    x, z = _to_world(2 * half, before[..., 1], before[..., 2])
    return half, torch.stack((x.cumsum(-1), f[..., 3], z.cumsum(-1)), dim=-1)


def _to_world(angle: Tensor, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Undo a turn by ``angle`` about y; cheaper than quaternions, and in a training loss."""
    cos, sin = angle.cos(), angle.sin()
    return x * cos - z * sin, x * sin + z * cos


def _check(joints: Tensor, skeleton: Skeleton) -> None:
    if joints.ndim < 3 or joints.shape[-2:] != (skeleton.n_joints, 3):
        raise DataError(f"joints have shape {tuple(joints.shape)}; allowed: [..., F, {skeleton.n_joints}, 3]")
    if joints.shape[-3] < 2:
        raise DataError(f"joints have {joints.shape[-3]} frame(s); allowed: at least 2, one more than feature rows")


def _lengths(joints: Tensor, lengths: ArrayLike | None) -> Tensor | None:
    if lengths is None:
        return None
    ends, frames = torch.as_tensor(lengths, device=joints.device), joints.shape[-3]
    if ends.shape != joints.shape[:-3] or ends.is_floating_point():
        raise DataError(f"lengths have shape {tuple(ends.shape)}; allowed: integers {tuple(joints.shape[:-3])}")
    if bool(((ends < 2) | (ends > frames)).any()):
        raise DataError(f"lengths lie between {int(ends.min())} and {int(ends.max())}; allowed: 2 to {frames} frames")
    return ends


def _hold_last(joints: Tensor, lengths: Tensor) -> Tensor:
    """Replace padding by the last real pose: it changes neither the floor nor the smoothed heading's edge."""
    frames = torch.arange(joints.shape[-3], device=joints.device)
    take = torch.minimum(frames, lengths[..., None] - 1)
    return joints.gather(-3, take[..., None, None].expand(joints.shape))

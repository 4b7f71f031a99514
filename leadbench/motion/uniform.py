"""Heading, inverse and forward kinematics, and retargeting to one uniform skeleton.

Joints are [..., F, J, 3], y up, in any unit; every function works on all frames and leading dimensions at once and
keeps dtype and device. Rules of HumanML3D (Guo et al., CVPR 2022; ``common/skeleton.py`` and the
``motion_representation`` notebook).

``mode="official"`` reproduces the published pipeline together with its defects, which are part of the published
data; ``mode="corrected"`` is for data that has no published features to match. The defects are:

1. Hips are swapped in the heading of inverse kinematics: it follows the shoulder line *minus* the hip line. The
   difference is short when the two are parallel, so the heading is ill-conditioned just for ordinary poses, and even
   more so when it is smoothed. Corrected: the sum, as everywhere else in the pipeline.
2. The root quaternion's sign is not continuous: where the smoothed heading passes 180 degrees from the start, one
   yaw step has the wrong sign and all later frames come back rotated. Corrected: the step is half the relative yaw,
   from atan2, in [-90, 90] degrees.
3. The root quaternion of frame 0 is overwritten with the identity although the clip was faced by its *unsmoothed*
   heading, so that the first yaw step contains the difference of the two. Corrected: the clip is faced by the
   smoothed heading, and nothing is overwritten.
4. The root quaternion turns world into heading, yet forward kinematics uses it as heading to world, so local
   rotations depend on the absolute heading of the clip, not only on the pose. Corrected: bone directions are taken
   in the heading frame, and the root quaternion of the result turns heading into world.
5. Shortest rotations between opposite vectors: see :func:`leadbench.motion.quaternion.between`. Corrected:
   :func:`leadbench.motion.quaternion.between_stable`.

In both modes a bone near the opposite of its unit direction (arms raised, whose reference points down) has an
arbitrary twist, so its 6D rotation may jump between frames; joint positions do not suffer from it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from leadbench.core.skeleton import Skeleton
from leadbench.motion import quaternion as quat

Mode = Literal["official", "corrected"]
HEADING_SIGMA = 20.0  # frames
_TRUNCATE = 4.0  # standard deviations


def smooth(values: Tensor, sigma: float = HEADING_SIGMA) -> Tensor:
    """Gaussian smoothing of [..., F, C] along F, cut at 4 sigma, with the edge values repeated.

    >>> smooth(torch.ones(5, 1)).flatten().round(decimals=4).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    radius = int(_TRUNCATE * sigma + 0.5)
    # float64 throughout: where the smoothed heading is short, rounding would turn it
    at = torch.arange(-radius, radius + 1, device=values.device, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = kernel / kernel.sum()
    rows = values.to(torch.float64).transpose(-1, -2)
    flat = torch.nn.functional.pad(rows.reshape(-1, 1, rows.shape[-1]), (radius, radius), mode="replicate")
    done = torch.nn.functional.conv1d(flat, kernel.view(1, 1, -1)).reshape(rows.shape)
    return done.transpose(-1, -2).to(values.dtype)


def forward_vectors(joints: Tensor, skeleton: Skeleton, *, swapped_hips: bool = False) -> Tensor:
    """Facing direction [..., 3] of poses [..., J, 3]: up cross the line from left to right of hips and shoulders.

    Not normalised: its horizontal length says how well the facing is defined. ``swapped_hips`` gives the heading of
    the published inverse kinematics (defect 1).
    """
    right_hip, left_hip, right_shoulder, left_shoulder = skeleton.face_joints
    hips = joints[..., right_hip, :] - joints[..., left_hip, :]
    shoulders = joints[..., right_shoulder, :] - joints[..., left_shoulder, :]
    across = quat.normalize(shoulders - hips) if swapped_hips else quat.normalize(shoulders + hips, _tiny(joints))
    x, y, z = across.unbind(-1)
    return torch.stack((z, torch.zeros_like(y), -x), dim=-1)


def heading_to_front(forward: Tensor, mode: Mode) -> Tensor:
    """Rotations [..., 4] about y that turn horizontal directions [..., 3] to +z."""
    if mode == "official":
        front = forward.new_tensor([0.0, 0.0, 1.0])
        return quat.between(quat.normalize(forward), front)
    return quat.about_y(-0.5 * torch.atan2(forward[..., 0], forward[..., 2]))


def root_rotations(joints: Tensor, skeleton: Skeleton, *, smoothed: bool, mode: Mode = "official") -> Tensor:
    """Rotation [..., F, 4] of each frame from the world to its heading frame (facing +z).

    In official mode frame 0 is the identity by decree (defect 3) and the hips are swapped (defect 1).
    """
    forward = forward_vectors(joints, skeleton, swapped_hips=mode == "official")
    rotations = heading_to_front(smooth(forward) if smoothed else forward, mode)
    if mode == "corrected":
        return rotations
    first = quat.identity_like(rotations[..., :1, :])
    return torch.cat((first, rotations[..., 1:, :]), dim=-2)


def inverse_kinematics(joints: Tensor, skeleton: Skeleton, roots: Tensor, mode: Mode = "official") -> Tensor:
    """Local rotations [..., F, J, 4] of joints [..., F, J, 3], given :func:`root_rotations` [..., F, 4].

    The rotation of a bone is stored at the joint where it ends and is the shortest one from the bone's unit
    direction, relative to the bone before it in its chain; every chain, the arms too, starts at the root.
    """
    parents = torch.as_tensor(skeleton.parents[1:], device=joints.device)
    starts = torch.as_tensor(skeleton.chain_parents[1:], device=joints.device)
    reference = torch.tensor(skeleton.raw_offsets[1:], device=joints.device, dtype=joints.dtype)
    bones = joints[..., 1:, :] - joints[..., parents, :]
    if mode == "official":
        root = roots
        turned = quat.between(reference.expand_as(bones), quat.normalize(bones))
    else:
        root = quat.inverse(roots)
        in_heading = quat.rotate(roots.unsqueeze(-2), bones)
        turned = quat.multiply(root.unsqueeze(-2), quat.between_stable(reference, in_heading))
    world = torch.cat((root.unsqueeze(-2), turned), dim=-2)
    local = quat.multiply(quat.inverse(world[..., starts, :]), turned)
    return torch.cat((root.unsqueeze(-2), local), dim=-2)


def forward_kinematics(rotations: Tensor, root: Tensor, offsets: Tensor, skeleton: Skeleton) -> Tensor:
    """Joints [..., F, J, 3] of local rotations [..., F, J, 4], root positions [..., F, 3] and offsets [J, 3]."""
    joints: list[Tensor] = [root] * skeleton.n_joints
    for chain in skeleton.kinematic_chains:
        turn = rotations[..., 0, :]
        for parent, joint in pairwise(chain):
            turn = quat.multiply(turn, rotations[..., joint, :])
            joints[joint] = joints[parent] + quat.rotate(turn, offsets[joint].expand_as(root))
    return torch.stack(joints, dim=-2)


def uniform_skeleton(joints: Tensor, skeleton: Skeleton, target_offsets: Tensor, mode: Mode = "official") -> Tensor:
    """Give joints [..., F, J, 3] the bone lengths of ``target_offsets`` [J, 3], keeping every bone's direction.

    The root path is scaled by the ratio of the leg lengths, target over source; the source's are those of frame 0.
    """
    legs = list(skeleton.scale_joints)
    parents = [skeleton.parents[joint] for joint in legs]
    pose = joints[..., 0, :, :]
    source = torch.linalg.vector_norm(pose[..., legs, :] - pose[..., parents, :], dim=-1).sum(-1)
    target = target_offsets[legs].abs().amax(dim=-1).sum()
    root = joints[..., 0, :] * (target / source)[..., None, None]
    roots = root_rotations(joints, skeleton, smoothed=False, mode=mode)
    rotations = inverse_kinematics(joints, skeleton, roots, mode)
    return forward_kinematics(rotations, root, target_offsets, skeleton)


def yaw_half_steps(roots: Tensor, mode: Mode = "official") -> tuple[Tensor, Tensor]:
    """Half the yaw from each frame to the next, [..., F - 1] in radians, and where its published sign is wrong.

    ``roots`` are :func:`root_rotations`. The second result, bool [..., F - 1], marks steps whose relative quaternion
    has a negative scalar part: there the official arcsin yields the other sign (defect 2).
    """
    step = quat.multiply(roots[..., 1:, :], quat.inverse(roots[..., :-1, :]))
    w, y = step[..., 0], step[..., 2]
    if mode == "official":
        return torch.asin(y.clamp(-1.0, 1.0)), w < 0
    return torch.atan2(torch.where(w < 0, -y, y), w.abs()), torch.zeros_like(w, dtype=torch.bool)


def _tiny(values: Tensor) -> float:
    return float(torch.finfo(values.dtype).tiny)

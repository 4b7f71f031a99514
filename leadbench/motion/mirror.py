"""Left-right mirroring of motions, as HumanML3D augments its clips (``motion_representation.ipynb``)."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from leadbench.core.errors import DataError
from leadbench.core.skeleton import Skeleton

Joints = TypeVar("Joints", Tensor, NDArray[np.float32], NDArray[np.float64])


def mirror_joints(joints: Joints, skeleton: Skeleton) -> Joints:
    """Mirror joints [..., J, 3] at the plane x = 0 and exchange left and right joints; its own inverse.

    Tensors and NumPy arrays keep their kind. Raises DataError when J is not the skeleton's.
    """
    if joints.ndim < 2 or tuple(joints.shape[-2:]) != (skeleton.n_joints, 3):
        raise DataError(f"joints have shape {tuple(joints.shape)}; allowed: [..., {skeleton.n_joints}, 3]")
    swapped = joints[..., list(skeleton.mirror_joints), :]
    swapped[..., 0] *= -1.0
    return swapped

"""Mirroring exchanges left and right, and undoes itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from leadbench.core.errors import DataError
from leadbench.core.skeleton import HUMANML3D, SKELETONS, Skeleton
from leadbench.motion.mirror import mirror_joints

BOTH = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=list(SKELETONS))


@BOTH
def test_mirroring_twice_is_the_identity(skeleton: Skeleton) -> None:
    joints = torch.randn(2, 5, skeleton.n_joints, 3)
    kept = joints.clone()
    mirrored = mirror_joints(joints, skeleton)
    assert not torch.equal(mirrored, joints)
    assert torch.equal(joints, kept)
    assert torch.equal(mirror_joints(mirrored, skeleton), joints)
    as_numpy = mirror_joints(joints.numpy(), skeleton)
    assert isinstance(as_numpy, np.ndarray)
    np.testing.assert_array_equal(as_numpy, mirrored.numpy())


def test_wrong_number_of_joints() -> None:
    with pytest.raises(DataError, match=r"\[\.\.\., 22, 3\]"):
        mirror_joints(torch.zeros(4, 21, 3), HUMANML3D)

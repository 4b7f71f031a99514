"""Pose strips: a readable PNG for both skeletons, and clear errors."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import colors, image

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.skeleton import HUMANML3D, SKELETONS, Skeleton
from leadbench.report.figures.strips import LEFT, RIGHT, TRUNK, draw_strip


def standing(skeleton: Skeleton, frames: int) -> torch.Tensor:
    joints = torch.zeros(frames, skeleton.n_joints, 3)
    joints[:, 0] = torch.tensor([0.0, 0.95, 0.0]) + torch.linspace(0, 2, frames)[:, None] * torch.tensor(
        [0.2, 0.0, 1.0]
    )
    for chain in skeleton.kinematic_chains:
        for parent, joint in pairwise(chain):
            joints[:, joint] = joints[:, parent] + torch.from_numpy(skeleton.offsets[joint]).float()
    return joints


def pixels(picture: np.ndarray, colour: str) -> int:
    return int((np.abs(picture[..., :3] - np.array(colors.to_rgb(colour))).max(axis=-1) < 0.02).sum())


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=list(SKELETONS))
def test_limbs_are_drawn_in_their_colours(skeleton: Skeleton, tmp_path: Path) -> None:
    joints = standing(skeleton, 40)
    one = draw_strip({"real": joints}, tmp_path / "one.png", skeleton, poses=4)
    both = {"real": joints, "generated\na person " + "walks on " * 60: joints.numpy()}
    two = draw_strip(both, tmp_path / "two.png", skeleton, poses=4)
    few, many = image.imread(one), image.imread(two)
    assert many.shape[0] > 1.7 * few.shape[0]
    for colour in (LEFT, RIGHT, TRUNK):
        assert pixels(few, colour) > 200
        assert pixels(many, colour) > 1.5 * pixels(few, colour)


def test_motions_shorter_than_the_number_of_poses(tmp_path: Path) -> None:
    path = draw_strip({"still": standing(HUMANML3D, 1)}, tmp_path / "still.png", HUMANML3D)
    assert image.imread(path).shape[1] == 1680


def test_errors(tmp_path: Path) -> None:
    target = tmp_path / "none.png"
    with pytest.raises(DataError, match="0 motions"):
        draw_strip({}, target, HUMANML3D)
    with pytest.raises(DataError, match="'a' has shape"):
        draw_strip({"a": torch.zeros(3, 21, 3)}, target, HUMANML3D)
    with pytest.raises(NonFiniteError, match="'a'"):
        draw_strip({"a": torch.full((3, 22, 3), float("nan"))}, target, HUMANML3D)
    assert not target.exists()

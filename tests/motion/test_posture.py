"""Motion as other tools export it: turned, refused, or left as it is, and said."""

from __future__ import annotations

import numpy as np
import pytest
from folders import smooth_joints

from leadbench.core.errors import MotionFileError
from leadbench.core.skeleton import HUMANML3D
from leadbench.motion.posture import FloatArray, make_upright, require_upright

Y_TO = {
    "z": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "-z": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "x": np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]]),
    "-x": np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    "-y": np.array([[-1, 0, 0], [0, -1, 0], [0, 0, 1]]),
}
"""Rotations after which y points along another axis."""


@pytest.fixture
def walk() -> FloatArray:
    return smooth_joints(60, 3).double().numpy()


def test_an_upright_motion_is_left_alone(walk: FloatArray) -> None:
    found = make_upright(walk, HUMANML3D)
    assert found.notes == ()
    assert found.joints is walk
    require_upright(walk, HUMANML3D, "a.npy")


@pytest.mark.parametrize("axis", Y_TO)
def test_another_axis_up_is_turned_and_said(walk: FloatArray, axis: str) -> None:
    turn = Y_TO[axis]
    assert np.linalg.det(turn) == pytest.approx(1)
    found = make_upright(walk @ turn.T, HUMANML3D)
    assert found.notes == (f"turned upright: {axis} points up in it, not y",)
    np.testing.assert_allclose(found.joints[..., 1], walk[..., 1], atol=1e-9)
    # the same body: distances stay, and nothing is mirrored
    np.testing.assert_allclose(
        np.linalg.norm(np.diff(found.joints, axis=0), axis=-1), np.linalg.norm(np.diff(walk, axis=0), axis=-1)
    )
    if axis != "-y":
        with pytest.raises(MotionFileError, match=f"{axis} points up in it; y must point up"):
            require_upright(walk @ turn.T, HUMANML3D, "a.npy")


def test_a_lying_person_whose_skeleton_stands_is_only_said(walk: FloatArray) -> None:
    rest = walk[0]
    found = make_upright(walk @ Y_TO["z"].T, HUMANML3D, rest)
    assert found.notes[0].startswith("the head is not above the feet in most frames")
    np.testing.assert_array_equal(found.joints, walk @ Y_TO["z"].T)


def test_no_axis_at_all_is_refused(walk: FloatArray) -> None:
    angles = np.linspace(0, 2 * np.pi, len(walk))
    turns = np.array([[[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]] for a in angles])
    with pytest.raises(MotionFileError, match="the head is not above the feet"):
        make_upright(np.einsum("fij,fkj->fki", turns, walk - walk[:, :1]), HUMANML3D)


def test_a_calibration_pose_in_front_is_left_out(walk: FloatArray) -> None:
    posed = walk.copy()
    posed[0, [18, 20]] += [0.5, 0.6, 0.0]  # an arm stretched out
    found = make_upright(posed, HUMANML3D)
    assert "first frame left out" in found.notes[0]
    np.testing.assert_array_equal(found.joints, posed[1:])


def test_left_and_right_exchanged_are_refused(walk: FloatArray) -> None:
    with pytest.raises(MotionFileError, match="left and right are exchanged"):
        make_upright(walk[:, list(HUMANML3D.mirror_joints)], HUMANML3D)


@pytest.mark.parametrize(("unit", "scale"), [("centimetres", 100.0), ("millimetres", 1000.0), ("inches", 39.37)])
def test_other_units_are_named(walk: FloatArray, unit: str, scale: float) -> None:
    with pytest.raises(MotionFileError, match=f"a.npy: .*they look like {unit}; multiply by"):
        require_upright(walk * scale, HUMANML3D, "a.npy")
    with pytest.raises(MotionFileError, match="metres are needed"):
        require_upright(walk * 3, HUMANML3D, "a.npy")


def test_a_crouching_person_is_still_a_person(walk: FloatArray) -> None:
    crouched = walk.copy()
    head, spine = HUMANML3D.joint_names.index("head"), [3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]
    crouched[:, spine, 1] -= 0.0
    crouched[:, head] = crouched[:, 12] + [0.0, -0.05, 0.05]
    require_upright(crouched, HUMANML3D, "a.npy")

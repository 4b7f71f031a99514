"""Time courses of the embedded corpus."""

from __future__ import annotations

import numpy as np
import pytest

from leadbench.data.synthetic.curves import clearance, ease, keyed, smooth_path, stance_heel, swing_heel


def test_minimum_jerk_starts_and_ends_at_rest() -> None:
    u = np.linspace(0, 1, 10_001)
    course = ease(u)
    speed, acceleration = np.gradient(course, u), np.gradient(np.gradient(course, u), u)
    assert np.all(np.diff(course) >= 0)
    assert np.abs(speed[[0, -1]]).max() < 1e-3
    assert np.abs(acceleration[[2, -3]]).max() < 0.05
    assert speed.max() == pytest.approx(1.875, abs=1e-4)  # of the minimum-jerk course, 15 / 8


def test_keys_are_reached_and_held() -> None:
    keys = [(1.0, 2.0), (2.0, -1.0), (4.0, 0.5)]
    assert keyed(np.array([0.0, 1.0, 2.0, 4.0, 9.0]), keys).tolist() == pytest.approx([2.0, 2.0, -1.0, 0.5, 0.5])
    between = keyed(np.linspace(1, 2, 50), keys)
    assert np.all(np.diff(between) <= 1e-12)


def test_a_path_goes_through_its_knots_without_overshooting() -> None:
    knots = [(0.0, 0.0), (1.0, 1.0), (1.5, 1.0), (3.0, 4.0)]
    assert smooth_path(np.array([time for time, _ in knots]), knots) == pytest.approx([value for _, value in knots])
    values = smooth_path(np.linspace(-1, 4, 400), knots)
    assert (values.min(), values.max()) == (0.0, 4.0)
    assert np.all(np.diff(values) >= -1e-12)


def test_the_heel_is_where_the_other_phase_left_it() -> None:
    ends = np.array([0.0, 1.0])
    assert stance_heel(ends)[1] == pytest.approx(swing_heel(ends)[0])
    assert swing_heel(ends)[1] == pytest.approx(stance_heel(ends)[0])
    assert stance_heel(ends)[0] < 0  # the toes are up at contact


def test_a_swinging_foot_leaves_the_floor_and_comes_back() -> None:
    heights = clearance(np.linspace(0, 1, 201))
    assert heights[[0, -1]] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert 0.95 < heights.max() <= 1.0
    assert np.argmax(heights) < 100  # up fast, down late

"""One action: a pose that begins and ends at rest, and the words for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from leadbench.data.synthetic.body import SIDE, Pose, rotation, stand
from leadbench.data.synthetic.curves import keyed

Floats = NDArray[np.float64]
Choices = tuple[str, ...]
FPS = 20.0


@dataclass(frozen=True, eq=False)
class Act:
    """What was performed and how it is said.

    Attributes:
        pose: begins and ends in :func:`stand`'s stance, wherever that is then.
        verbs: ways to say what is done, third person: "walks forward".
        details: facts, each with its ways to be said; a caption uses some of them.
    """

    pose: Pose
    verbs: Choices
    details: tuple[Choices, ...]


Action = Callable[[np.random.Generator], Act]
"""Draws the parameters of an action and performs it."""


def choose(rng: np.random.Generator, options: Sequence[str]) -> str:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def side_name(side: int) -> str:
    """Name of LEFT or RIGHT."""
    return ("left", "right")[side]


NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def times(count: int) -> Choices:
    """How often.

    >>> times(1), times(3)
    (('once', 'one time'), ('three times', 'three times in a row'))
    """
    if count == 1:
        return ("once", "one time")
    if count == 2:
        return ("twice", "two times")
    return (f"{NUMBERS[count]} times", f"{NUMBERS[count]} times in a row")


def pace(quickness: float) -> Choices:
    """How fast, relative to 1 as usual."""
    if quickness < 0.8:
        return ("slowly", "at a slow pace", "very slowly" if quickness < 0.7 else "taking time")
    if quickness < 1.15:
        return ("at a normal pace", "at a calm speed", "calmly")
    return ("quickly", "at a fast pace", "very quickly" if quickness > 1.35 else "swiftly")


class Stage:
    """A body that stands at ease for some seconds, and whose angles are moved by key values."""

    def __init__(self, seconds: float) -> None:
        self.time: Floats = np.arange(round(seconds * FPS) + 1) / FPS
        self.pose = stand(len(self.time))

    def move(self, name: str, keys: Sequence[tuple[float, float]], side: int | None = None) -> None:
        """Add a course that starts at 0 to an angle, or to one side of a pair."""
        course = keyed(self.time, [(0.0, 0.0), *keys])
        values: Floats = getattr(self.pose, name)
        if side is None and values.ndim == 2 and name != "place":
            values += course[:, None]
        elif side is None:
            values += course
        else:
            values[:, side] += course

    def shift(self, x: Sequence[tuple[float, float]] = (), z: Sequence[tuple[float, float]] = ()) -> None:
        """Move the pelvis over the floor."""
        for axis, keys in enumerate((x, z)):
            self.pose.place[:, axis] += keyed(self.time, [(0.0, 0.0), *keys])

    def lift(self, foot: int, course: Sequence[Sequence[tuple[float, float]]], begin: float, end: float) -> None:
        """Move a foot off the floor between two times along (x, y, z) courses."""
        for axis, keys in enumerate(course):
            self.pose.ball[:, foot, axis] += keyed(self.time, [(0.0, 0.0), *keys])
        self.pose.planted[(self.time > begin) & (self.time < end), foot] = False


def pulse(begin: float, top: float, hold: float, end: float, value: float) -> list[tuple[float, float]]:
    """Keys that rise to ``value`` and come back.

    >>> pulse(0.0, 0.5, 0.2, 0.5, 2.0)
    [(0.0, 0.0), (0.5, 2.0), (0.7, 2.0), (1.2, 0.0)]
    """
    return [(begin, 0.0), (begin + top, value), (begin + top + hold, value), (begin + top + hold + end, 0.0)]


def then(first: Pose, second: Pose) -> Pose:
    """The second pose performed where the first one ends; the frame they share is kept once."""
    turn, at = first.yaw[-1], first.place[-1]
    matrix = rotation(1, np.array(turn))
    flat = np.stack([second.place[:, 0], np.zeros(second.frames), second.place[:, 1]], axis=-1) @ matrix.T
    ball = second.ball @ matrix.T
    ball[..., 0] += at[0]
    ball[..., 2] += at[1]
    moved = {
        "place": flat[:, [0, 2]] + at,
        "yaw": second.yaw + turn,
        "foot_yaw": second.foot_yaw + turn,
        "ball": ball,
    }
    parts = {
        field.name: np.concatenate(
            [getattr(first, field.name)[:-1], moved.get(field.name, getattr(second, field.name))]
        )
        for field in fields(Pose)
    }
    return Pose(**parts)


def enliven(pose: Pose, rng: np.random.Generator) -> Pose:
    """Small slow movements and a posture of one's own, so that no two performances are alike."""
    time = np.arange(pose.frames) / FPS

    def drift(size: float) -> Floats:
        frequency, phase = rng.uniform(0.15, 0.5, 2), rng.uniform(0, 2 * np.pi, 2)
        wave = np.sin(2 * np.pi * frequency * time[:, None] + phase).sum(axis=1)
        return np.asarray(rng.normal(0, size) + 0.5 * size * wave)

    for name, size in (("bend", 0.03), ("side", 0.015), ("nod", 0.05), ("look", 0.06), ("pitch", 0.012)):
        setattr(pose, name, getattr(pose, name) + drift(size))
    for name, size in (("shoulder", 0.04), ("elbow", 0.06), ("rotation", 0.06)):
        setattr(pose, name, getattr(pose, name) + np.stack([drift(size), drift(size)], axis=-1))
    pose.abduction = pose.abduction + np.abs(np.stack([drift(0.03), drift(0.03)], axis=-1))
    pose.elbow = np.clip(pose.elbow, 0.02, 2.5)
    return pose


def mirror_angle(side: int) -> float:
    """+1 for left, -1 for right."""
    return float(SIDE[side])

"""What can be seen in a motion, in real units: distances, turns, steps, hand heights, repetitions.

All figures come from 22-joint positions in metres, Y up, with the person facing +Z in the first frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

Floats = NDArray[np.float64]

PELVIS, LEFT_HIP, RIGHT_HIP, NECK, HEAD = 0, 1, 2, 12, 15
SHOULDERS, ELBOWS, WRISTS = (16, 17), (18, 19), (20, 21)
ANKLES, TOES = (7, 8), (10, 11)


@dataclass(frozen=True)
class Hand:
    """One hand (a wrist) over a clip.

    Attributes:
        path: metres travelled relative to the pelvis.
        top: highest point above the shoulder, in metres (the head is about 0.25 above).
        lifts: times it rises by at least 0.25 m and falls, or stays up.
        waves: side-to-side swings of at least 0.08 m while above the elbow.
        straight: elbow angle in degrees at the top (180: straight).
        sideways: metres to the outside of the shoulder at the top.
        forward: metres in front of the shoulder at the top.
        rise: seconds from low to top of the first lift.
        top_time: share of the clip (0 to 1) at which it is highest.
    """

    path: float
    top: float
    lifts: int
    waves: int
    straight: float
    sideways: float
    forward: float
    rise: float
    top_time: float


@dataclass(frozen=True)
class Measured:
    """Figures of a clip; lengths in metres, times in seconds, angles in degrees.

    Attributes:
        seconds: length of the clip.
        distance: between first and last place of the pelvis on the floor; ``path``: along the way.
        speed: mean of the pelvis on the floor; ``direction``: of the displacement, 0 ahead, 90 to the left.
        turn: net change of heading, positive to the left.
        steps: foot plants; ``first_foot``: "left", "right" or "" when nobody steps.
        lean: mean forward lean of the trunk; ``deepest_lean``: largest.
        crouch: mean height of the pelvis over leg length (1: legs straight).
        bounce: deviation of the pelvis' height around its moving mean, in metres.
        stance: mean sideways distance of the ankles.
        nod: mean forward offset of head from neck, in metres.
        hands: left, right.
    """

    seconds: float
    distance: float
    path: float
    speed: float
    direction: float
    turn: float
    steps: int
    first_foot: str
    lean: float
    deepest_lean: float
    crouch: float
    bounce: float
    stance: float
    nod: float
    hands: tuple[Hand, Hand]


def measure(joints: Floats, fps: float) -> Measured:
    """Measure a clip of joints [F, 22, 3]."""
    across, ahead, heading = _frames_of_reference(joints)
    root = joints[:, PELVIS]
    floor = root[:, [0, 2]]
    travel = floor[-1] - floor[0]
    smooth = gaussian_filter1d(floor, 2, axis=0, mode="nearest")
    path = float(np.linalg.norm(np.diff(smooth, axis=0), axis=1).sum())
    seconds = len(joints) / fps
    trunk = joints[:, NECK] - root
    lean = np.degrees(np.arctan2((trunk * ahead).sum(-1), trunk[:, 1]))
    plants = _foot_plants(joints, fps)
    legs = joints[:, ANKLES, 1].min(axis=1)
    height = root[:, 1]
    standing = np.linalg.norm(joints[0, 1] - joints[0, 4]) + np.linalg.norm(joints[0, 4] - joints[0, 7])
    return Measured(
        seconds=seconds,
        distance=float(np.linalg.norm(travel)),
        path=path,
        speed=path / seconds,
        direction=float(np.degrees(np.arctan2(travel[0], travel[1]))),
        turn=float(np.degrees(heading[-1] - heading[0])),
        steps=len(plants),
        first_foot=plants[0][1] if plants else "",
        lean=float(lean.mean()),
        deepest_lean=float(lean.max()),
        crouch=float(np.mean((height - legs) / standing)),
        bounce=float(np.std(height - gaussian_filter1d(height, fps * 0.5, mode="nearest"))),
        stance=float(np.abs(((joints[:, ANKLES[0]] - joints[:, ANKLES[1]]) * across).sum(-1)).mean()),
        nod=float(((joints[:, HEAD] - joints[:, NECK]) * ahead).sum(-1).mean()),
        hands=(_hand(joints, 0, across, ahead, fps), _hand(joints, 1, across, ahead, fps)),
    )


def _frames_of_reference(joints: Floats) -> tuple[Floats, Floats, Floats]:
    """Unit vectors to the left and ahead [F, 3], and the unwrapped heading [F] in radians, positive to the left."""
    across = joints[:, LEFT_HIP] - joints[:, RIGHT_HIP] + joints[:, SHOULDERS[0]] - joints[:, SHOULDERS[1]]
    across = across * np.array([1.0, 0.0, 1.0])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    ahead = np.cross(across, np.array([0.0, 1.0, 0.0]))
    heading = np.unwrap(np.arctan2(ahead[:, 0], ahead[:, 2]))
    return across, ahead, gaussian_filter1d(heading, 3, mode="nearest")


def _foot_plants(joints: Floats, fps: float) -> list[tuple[int, str]]:
    """(frame, side) of each moment when a foot comes to rest after having moved by more than 10 cm."""
    plants = []
    for side, toe, ankle in (("left", TOES[0], ANKLES[0]), ("right", TOES[1], ANKLES[1])):
        foot = 0.5 * (joints[:, toe] + joints[:, ankle])[:, [0, 2]]
        speed = gaussian_filter1d(np.linalg.norm(np.diff(foot, axis=0), axis=1) * fps, 1, mode="nearest")
        moving = speed > 0.35
        start: int | None = 0 if moving[0] else None
        for frame in range(1, len(moving)):
            if moving[frame] and start is None:
                start = frame
            elif not moving[frame] and start is not None:
                if np.linalg.norm(foot[frame] - foot[start]) > 0.1:
                    plants.append((frame, side))
                start = None
    return sorted(plants)


def _hand(joints: Floats, side: int, across: Floats, ahead: Floats, fps: float) -> Hand:
    shoulder, elbow, wrist = (joints[:, group[side]] for group in (SHOULDERS, ELBOWS, WRISTS))
    relative = gaussian_filter1d(wrist - joints[:, PELVIS], 1, axis=0, mode="nearest")
    outward = across if side == 0 else -across
    height = gaussian_filter1d(wrist[:, 1] - shoulder[:, 1], 1, mode="nearest")
    top = int(height.argmax())
    upper, lower = shoulder[top] - elbow[top], wrist[top] - elbow[top]
    cosine = float(upper @ lower / (np.linalg.norm(upper) * np.linalg.norm(lower)))
    swing = gaussian_filter1d(((wrist - shoulder) * outward).sum(-1), 1, mode="nearest")
    raised = wrist[:, 1] > elbow[:, 1]
    peaks, _ = find_peaks(np.concatenate([[height.min()], height, [height.min()]]), prominence=0.25)
    low = int(height[: top + 1].argmin())
    return Hand(
        path=float(np.linalg.norm(np.diff(relative, axis=0), axis=1).sum()),
        top=float(height[top]),
        lifts=len(peaks) if height.max() - height.min() > 0.25 else 0,
        waves=_swings(swing, raised),
        straight=float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))),
        sideways=float(swing[top]),
        forward=float(((wrist - shoulder) * ahead).sum(-1)[top]),
        rise=(top - low) / fps,
        top_time=top / max(1, len(joints) - 1),
    )


def _swings(offset: Floats, raised: NDArray[np.bool_]) -> int:
    """Outward peaks of a raised hand with a prominence of at least 8 cm."""
    peaks, _ = find_peaks(offset, prominence=0.08)
    return int(raised[peaks].sum())

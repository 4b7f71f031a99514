"""Time courses: minimum-jerk moves between key values, and the curves of human gait.

Gait timing and the angle of the foot to the floor follow Perry and Burnfield, "Gait Analysis: Normal and Pathological
Function" (2010), and Winter, "Biomechanics and Motor Control of Human Movement" (2009): initial contact toes up,
flat by 12 % of the cycle, heel off from about 35 %, toe off near 62 % with the heel high. Vertical and sideways
oscillation of the pelvis follow Murray, Drought and Kory (J. Bone Joint Surg. 46-A, 1964), the arm swing Murray,
Sepic and Barnard (Phys. Ther. 47, 1967): shoulder and elbow of one side swing against the leg of that side.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Floats = NDArray[np.float64]


def ease(u: Floats) -> Floats:
    """Minimum-jerk course from 0 to 1 (Flash and Hogan, J. Neurosci. 5, 1985); clipped outside.

    >>> ease(np.array([-1.0, 0.0, 0.5, 1.0])).tolist()
    [0.0, 0.0, 0.5, 1.0]
    """
    u = np.clip(u, 0.0, 1.0)
    return np.asarray(u**3 * (10 - 15 * u + 6 * u**2))


def keyed(time: Floats, keys: Sequence[tuple[float, float]]) -> Floats:
    """Values at ``time`` [F]: rests at each (time, value) key and moves between them with minimum jerk.

    >>> keyed(np.array([0.0, 1.0, 2.0]), [(0.5, 0.0), (1.5, 2.0)]).tolist()
    [0.0, 1.0, 2.0]
    """
    value = np.full_like(time, keys[0][1])
    for (begin, _), (end, after) in pairwise(keys):
        moving = ease((time - begin) / max(end - begin, 1e-9))
        value = value + (after - value) * np.where(time >= begin, moving, 0.0)
    return value


def smooth_path(time: Floats, knots: Sequence[tuple[float, float]]) -> Floats:
    """Monotone cubic through (time, value) knots, at rest before the first and after the last."""
    times, values = zip(*knots, strict=True)
    ends = [times[0] - 0.4, times[0] - 0.2, *times, times[-1] + 0.2, times[-1] + 0.4]
    held = [values[0], values[0], *values, values[-1], values[-1]]
    return np.asarray(PchipInterpolator(ends, held)(np.clip(time, ends[0], ends[-1])))


_STANCE_HEEL = PchipInterpolator([0.0, 0.10, 0.22, 0.55, 0.80, 1.0], [-0.22, -0.05, 0.0, 0.03, 0.35, 0.85])
_SWING_HEEL = PchipInterpolator([0.0, 0.15, 0.45, 0.75, 1.0], [0.85, 0.95, 0.35, -0.12, -0.22])


def stance_heel(phase: Floats) -> Floats:
    """Lift of the heel in radians over stance, phase 0 to 1; below 0 the toes are up."""
    return np.asarray(_STANCE_HEEL(np.clip(phase, 0, 1)))


def swing_heel(phase: Floats) -> Floats:
    """Lift of the heel in radians over swing, phase 0 to 1."""
    return np.asarray(_SWING_HEEL(np.clip(phase, 0, 1)))


def clearance(phase: Floats) -> Floats:
    """Height of the foot over swing as a share of its peak: up fast, so that it does not drag, and down late."""
    return np.asarray(np.sin(np.pi * np.clip(phase, 0, 1) ** 0.8) ** 0.75)

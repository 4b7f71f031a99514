"""Slow independent implementations of every metric, to compare the fast ones with.

Written with plain loops, the standard library and ``scipy.linalg.sqrtm``, in float64, from the definitions in the
papers; they share no code with ``leadbench.metrics``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Array = NDArray[np.float64]


def moments(rows: Array) -> tuple[Array, Array]:
    """Mean [E] and sample covariance [E, E], entry by entry."""
    n, width = rows.shape
    mean = np.array([math.fsum(rows[:, i]) / n for i in range(width)])
    covariance = np.empty((width, width))
    for i in range(width):
        for j in range(width):
            covariance[i, j] = math.fsum((rows[:, i] - mean[i]) * (rows[:, j] - mean[j])) / (n - 1)
    return mean, covariance


def frechet_sqrtm(a: Array, b: Array) -> float:
    """FID by the matrix square root of the product of covariances (for regular covariances)."""
    (mean_a, cov_a), (mean_b, cov_b) = moments(a), moments(b)
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    return float(np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root).real)


def frechet_nuclear(a: Array, b: Array) -> float:
    """FID for any number of rows: trace sqrt(A B) is the nuclear norm of the centred cross product."""
    centred_a, centred_b = a - a.mean(axis=0), b - b.mean(axis=0)
    cross = centred_a @ centred_b.T / math.sqrt((len(a) - 1) * (len(b) - 1))
    overlap = math.fsum(scipy.linalg.svdvals(cross))
    spread = float((centred_a**2).sum() / (len(a) - 1) + (centred_b**2).sum() / (len(b) - 1))
    return float(((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()) + spread - 2 * overlap


def r_precision(text: Array, motion: Array, order: Sequence[int], pool: int, top_k: int) -> tuple[list[float], float]:
    """R-precision at 1 .. top_k and mean own distance: count the motions that are nearer than the own one."""
    pools = len(order) // pool
    hits = [0] * top_k
    own_distances = []
    for start in range(0, pools * pool, pool):
        members = order[start : start + pool]
        for place, i in enumerate(members):
            own = math.dist(text[i], motion[i])
            own_distances.append(own)
            rank = 0
            for other, j in enumerate(members):
                distance = math.dist(text[i], motion[j])
                rank += distance < own or (distance == own and other < place)
            for k in range(top_k):
                hits[k] += rank <= k
    return [h / (pools * pool) for h in hits], math.fsum(own_distances) / (pools * pool)


def diversity(rows: Array, first: Sequence[int], second: Sequence[int]) -> float:
    """Mean distance of paired rows."""
    return math.fsum(math.dist(rows[i], rows[j]) for i, j in zip(first, second, strict=True)) / len(first)


def multimodality(rows: Array, first: Sequence[int], second: Sequence[int]) -> float:
    """Mean over prompts of the mean distance of paired repeats."""
    return math.fsum(diversity(prompt, first, second) for prompt in rows) / len(rows)


def skating_ratio(joints: Array, feet: Sequence[int], fps: float = 20.0) -> float:
    """Share of frame pairs of one motion [F, J, 3] in which a foot slides; published thresholds."""
    pairs = len(joints) - 1
    speeds = {
        f: [fps * math.hypot(*(joints[t + 1, f, [0, 2]] - joints[t, f, [0, 2]])) for t in range(pairs)] for f in feet
    }
    sliding = 0
    for t in range(pairs):
        any_foot = False
        for f in feet:
            window = [speeds[f][s] for s in range(t - 2, t + 3) if 0 <= s < pairs]
            low = joints[t, f, 1] < 0.05 and joints[t + 1, f, 1] < 0.05
            any_foot |= bool(low and speeds[f][t] > 0.5 and sum(window) / 5 > 0.5)
        sliding += any_foot
    return sliding / pairs


def heights(joints: Array) -> tuple[float, float]:
    """Mean depth under and mean height above the floor of the lowest joint of each frame of one motion [F, J, 3]."""
    lowest = [min(joint[1] for joint in frame) for frame in joints]
    under, above = ([max(sign * y, 0.0) for y in lowest] for sign in (-1, 1))
    return math.fsum(under) / len(joints), math.fsum(above) / len(joints)


def jerk(joints: Array, fps: float) -> float:
    """Mean length of the change of the change of velocity of one motion [F, J, 3], by its definition."""
    rate = joints
    for _ in range(3):
        rate = np.stack([(later - earlier) * fps for earlier, later in pairwise(rate)])
    return math.fsum(math.hypot(*vector) for frame in rate for vector in frame) / (rate.shape[0] * rate.shape[1])


def mpjpe(predicted: Array, target: Array, root: int | None) -> float:
    """Mean joint error of one motion [F, J, 3]; ``root`` None compares global positions."""
    errors = []
    for p, t in zip(predicted, target, strict=True):
        shift_p, shift_t = (p[root], t[root]) if root is not None else (np.zeros(3), np.zeros(3))
        errors += [math.dist(a - shift_p, b - shift_t) for a, b in zip(p, t, strict=True)]
    return math.fsum(errors) / len(errors)

"""Locomotion: feet are put down one after the other along a path, and the body follows them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from leadbench.data.synthetic.body import ANKLE_HEIGHT, LEFT, RIGHT, SIDE, STANCE, STANDING, Pose, stand
from leadbench.data.synthetic.curves import clearance, ease, smooth_path, stance_heel, swing_heel

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Path:
    """Where the body goes: travel of ``s`` metres in ``direction`` relative to the heading (0 ahead, pi/2 left).

    ``curvature`` is radians of heading a metre. With ``turning`` the body stays and ``s`` is radians of heading.
    """

    direction: float = 0.0
    curvature: float = 0.0
    turning: bool = False

    def at(self, s: Floats) -> tuple[Floats, Floats]:
        """Place [..., 2] and heading [...]."""
        s = np.asarray(s, dtype=np.float64)
        if self.turning:
            return np.zeros((*s.shape, 2)), s
        heading = self.curvature * s
        if abs(self.curvature) < 1e-6:
            x, z = s * np.sin(self.direction), s * np.cos(self.direction)
        else:
            x = (np.cos(self.direction) - np.cos(heading + self.direction)) / self.curvature
            z = (np.sin(heading + self.direction) - np.sin(self.direction)) / self.curvature
        return np.stack([x, z], axis=-1), heading


@dataclass(frozen=True)
class Gait:
    """How somebody steps.

    Attributes:
        step: metres (or radians, when turning) of path a step; ``time``: seconds a step.
        duty: share of the cycle that a foot is down; below 0.5 there is flight.
        lift: metres that a swinging foot rises; ``bounce``: metres that the pelvis oscillates.
        crouch: metres that the pelvis is lower; ``lean``: radians forward; ``bend``: of the spine.
        arms: radians of arm swing; ``elbow``: radians of flexion; ``abduction`` of the upper arms.
        width: metres between the feet.
        closing: the second foot only closes up to the first (side-steps).
        roll_foot: share of the heel's curve that is used (0: flat feet).
    """

    step: float
    time: float
    duty: float = 0.62
    lift: float = 0.09
    bounce: float = 0.018
    crouch: float = 0.025
    lean: float = 0.03
    bend: float = 0.03
    arms: float = 0.40
    elbow: float = 0.35
    abduction: float = 0.14
    width: float = STANCE
    closing: bool = False
    roll_foot: float = 1.0
    nod: float = 0.0
    path: Path = field(default_factory=Path)


@dataclass(frozen=True)
class _Step:
    foot: int
    start: float
    land: float
    s_from: float
    s_to: float


def walk(gait: Gait, steps: int, first: int, fps: float) -> Pose:
    """A pose of ``steps`` steps that begins and ends with feet side by side at rest."""
    plan, knots = _plan(gait, steps, first)
    end = plan[-1].land + 0.25
    time = np.arange(round(end * fps) + 1) / fps
    pose = stand(len(time), gait.width)
    place, heading = gait.path.at(smooth_path(time, knots))
    cycle = smooth_path(time, [(plan[0].start, 0.0), *((step.land, i + 1.0) for i, step in enumerate(plan))])
    moving = ease((time - plan[0].start) / gait.time) * ease((end - 0.1 - time) / gait.time)
    _place_feet(pose, plan, gait, time)
    swing = _swing_side(cycle, first)
    left = np.stack([np.cos(heading), -np.sin(heading)], axis=-1)
    pose.place = place + left * (0.022 * moving * _sway(cycle, first))[:, None]
    pose.yaw = heading + 0.07 * moving * swing * (abs(gait.path.direction) < 1)
    run = gait.duty < 0.5
    phase = 2 * np.pi * (cycle - (0.15 if run else 0.0))
    pose.height = STANDING - moving * (gait.crouch + gait.bounce * np.cos(phase))
    pose.pitch = pose.pitch + moving * gait.lean
    pose.roll = pose.roll + 0.03 * moving * _sway(cycle, first)
    pose.bend = pose.bend + moving * gait.bend
    pose.twist = -0.14 * moving * swing * (abs(gait.path.direction) < 1)
    pose.nod = pose.nod + moving * gait.nod
    _swing_arms(pose, gait, moving, swing)
    return pose


def _plan(gait: Gait, steps: int, first: int) -> tuple[list[_Step], list[tuple[float, float]]]:
    """Steps in order, and knots (time, s) of the pelvis' way along the path."""
    at, where = [0.0, 0.0], 0.0
    swing_time = (1 - gait.duty) * 2 * gait.time
    plan, knots = [], [(0.15, 0.0)]
    for number in range(steps):
        foot = first if number % 2 == 0 else 1 - first
        lands_beside = gait.closing and number % 2 == 1
        if number < steps - 1 and not lands_beside:
            where += gait.step
        land = 0.15 + swing_time + number * gait.time
        plan.append(_Step(foot, land - swing_time, land, at[foot], where))
        at[foot] = where
        knots.append((land + (gait.duty - 0.5) * gait.time, sum(at) / 2))
    return plan, knots


def _place_feet(pose: Pose, plan: list[_Step], gait: Gait, time: Floats) -> None:
    ahead = pose.ball[0, :, 2].copy()  # the balls rest a little in front of the hips
    out = pose.foot_yaw[0].copy()

    def spot(foot: int, s: float) -> tuple[Floats, float]:
        place, heading = gait.path.at(np.array(s))
        side = SIDE[foot] * gait.width / 2
        left, front = np.array([np.cos(heading), -np.sin(heading)]), np.array([np.sin(heading), np.cos(heading)])
        return place + side * left + ahead[foot] * front, float(heading)

    for foot in (LEFT, RIGHT):
        mine = [step for step in plan if step.foot == foot]
        place, heading = spot(foot, 0.0)
        pose.ball[:, foot, 0], pose.ball[:, foot, 2] = place
        pose.foot_yaw[:, foot] = heading + out[foot]
        for number, step in enumerate(mine):
            (begin, turn_from), (end, turn_to) = spot(foot, step.s_from), spot(foot, step.s_to)
            u = (time - step.start) / (step.land - step.start)
            way = ease(u)[:, None]
            passed = time >= step.start
            pose.ball[passed, foot, 0] = (begin + way * (end - begin))[passed, 0]
            pose.ball[passed, foot, 2] = (begin + way * (end - begin))[passed, 1]
            pose.foot_yaw[passed, foot] = (turn_from + ease(u) * (turn_to - turn_from))[passed] + out[foot]
            air = (u > 0) & (u < 1)
            pose.planted[air, foot] = False
            last = number == len(mine) - 1
            heel = swing_heel(u) * (1 - ease((u - 0.6) / 0.4) * last)
            raised = gait.lift * clearance(u)
            pose.heel[air, foot] = gait.roll_foot * heel[air]
            pose.ball[air, foot, 1] = raised[air]
            _roll(pose, foot, time, step, mine[number + 1] if not last else None, gait)
        _heel_off_before(pose, foot, time, mine[0], gait)


def _roll(pose: Pose, foot: int, time: Floats, step: _Step, following: _Step | None, gait: Gait) -> None:
    """Heel strike to heel off in the stance that follows ``step``."""
    if following is None:
        return
    phase = (time - step.land) / (following.start - step.land)
    down = (phase >= 0) & (phase <= 1)
    pose.heel[down, foot] = gait.roll_foot * stance_heel(phase)[down]
    # toes that are up lift the ball, for the heel is on the floor
    toes_up = np.sin(np.clip(-pose.heel[down, foot], 0, None)) * 2 * ANKLE_HEIGHT
    pose.ball[down, foot, 1] = toes_up


def _heel_off_before(pose: Pose, foot: int, time: Floats, step: _Step, gait: Gait) -> None:
    """The heel rises before a foot leaves the floor for the first time."""
    before = time < step.start
    rising = ease((time - (step.start - 0.25)) / 0.25) * gait.roll_foot * stance_heel(np.array(1.0))
    pose.heel[before, foot] = rising[before]


def _swing_side(cycle: Floats, first: int) -> Floats:
    """-1 to 1: how far the right foot is in front of the left; step k lands at cycle k."""
    sign = 1.0 if first == RIGHT else -1.0
    return np.asarray(-sign * np.cos(np.pi * cycle) * np.clip(cycle, 0, 1))


def _sway(cycle: Floats, first: int) -> Floats:
    """-1 to 1: +1 over the left foot in mid-stance; the first step is taken from the other foot."""
    sign = 1.0 if first == RIGHT else -1.0
    return np.asarray(sign * np.sin(np.pi * cycle))


def _swing_arms(pose: Pose, gait: Gait, moving: Floats, swing: Floats) -> None:
    for side in (LEFT, RIGHT):
        # the left arm goes with the right foot
        along = swing * SIDE[side]
        pose.shoulder[:, side] += moving * gait.arms * (along - 0.15)
        pose.elbow[:, side] += moving * (gait.elbow - 0.22 + 0.35 * gait.arms * np.clip(along, 0, None))
        pose.abduction[:, side] += moving * (gait.abduction - 0.14)

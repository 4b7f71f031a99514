"""Actions that travel, or turn, on foot."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from leadbench.data.synthetic.act import NUMBERS, Act, Choices, choose, pace, side_name
from leadbench.data.synthetic.body import LEFT, RIGHT
from leadbench.data.synthetic.gait import Gait, Path, walk

FPS = 20.0
SECONDS = 9.0

# name: speed factor, extra crouch, bend, nod, arm swing factor, ways to say it
_MOODS: dict[str, tuple[float, float, float, float, float, Choices]] = {
    "": (1.0, 0.0, 0.0, 0.0, 1.0, ()),
    "tired": (0.75, 0.03, 0.30, 0.35, 0.5, ("tiredly", "like a tired person", "as if exhausted")),
    "sad": (0.75, 0.02, 0.22, 0.50, 0.4, ("sadly", "with the head down", "as if sad")),
    "proud": (1.0, -0.01, -0.14, -0.20, 1.3, ("proudly", "with the chest out", "as if proud")),
    "happy": (1.1, 0.0, -0.06, -0.10, 1.5, ("happily", "with a big arm swing", "as if happy")),
    "old": (0.6, 0.06, 0.45, 0.10, 0.4, ("like an old person", "with a bent back", "as if very old")),
}


def _steps(count: int) -> Choices:
    return (f"for {NUMBERS[count]} steps", f"taking {NUMBERS[count]} steps", f"in {NUMBERS[count]} steps")


def _first(side: int) -> Choices:
    name = side_name(side)
    return (f"starting with the {name} foot", f"{name} foot first", f"beginning with the {name} foot")


def _count(rng: np.random.Generator, low: int, high: int, time: float) -> int:
    """A number of steps that fits the longest clip."""
    return int(rng.integers(low, min(high, int(SECONDS / time) - 2) + 1))


def _curve(rng: np.random.Generator, length: float) -> tuple[float, Choices]:
    """Curvature of a way of ``length`` metres, and how it is said."""
    if rng.random() < 0.5:
        return 0.0, ("straight ahead", "in a straight line", "forward")
    side = 1.0 if rng.random() < 0.5 else -1.0
    name = "left" if side > 0 else "right"
    angle = rng.uniform(0.5, 1.7)
    words = (
        (f"curving to the {name}", f"in a curve to the {name}", f"bending to the {name}")
        if angle < 1.1
        else (f"in a wide turn to the {name}", f"turning to the {name}", f"in a sharp curve to the {name}")
    )
    return side * angle / length, words


def walking(rng: np.random.Generator) -> Act:
    """Walk forward, straight or in a curve, in some mood."""
    mood = choose(rng, ["", "", "", *_MOODS])
    factor, crouch, bend, nod, arms, said = _MOODS[mood]
    speed = factor * rng.uniform(0.75, 1.6)
    step = 0.36 + 0.22 * speed
    steps = _count(rng, 4, 9, step / speed)
    curvature, where = _curve(rng, steps * step)
    gait = Gait(
        step,
        step / speed,
        duty=0.62 + 0.05 * (1.2 - speed),
        crouch=0.02 + crouch,
        bend=0.03 + bend,
        nod=nod,
        arms=arms * (0.18 + 0.2 * speed),
        bounce=0.012 + 0.006 * speed,
        path=Path(0.0, curvature),
    )
    first = int(rng.integers(2))
    verbs = ("walks", "is walking", "goes for a walk", "strolls along")
    facts = [pace(speed / 1.2), where, _steps(steps), _first(first)]
    return Act(walk(gait, steps, first, FPS), verbs, (*([said] if said else []), *facts))


def _running(rng: np.random.Generator, low: float, high: float, verbs: Choices, fast: Choices) -> Act:
    speed = rng.uniform(low, high)
    time = 0.40 - 0.025 * speed
    steps = int(rng.integers(5, 11))
    curvature, where = _curve(rng, steps * speed * time)
    gait = Gait(
        speed * time,
        time,
        duty=0.42 - 0.025 * speed,
        lift=0.10 + 0.03 * speed,
        bounce=0.035,
        crouch=0.05,
        lean=0.05 + 0.03 * speed,
        arms=0.3 + 0.15 * speed,
        elbow=1.0 + 0.15 * speed,
        path=Path(0.0, curvature * 0.8),
    )
    first = int(rng.integers(2))
    return Act(walk(gait, steps, first, FPS), verbs, (fast, where, _steps(steps), _first(first)))


def jogging(rng: np.random.Generator) -> Act:
    """Jog."""
    words = ("at a slow run", "at a gentle pace", "at jogging speed")
    return _running(rng, 1.7, 2.2, ("jogs", "is jogging", "goes for a jog"), words)


def running(rng: np.random.Generator) -> Act:
    """Run."""
    return _running(rng, 2.6, 3.6, ("runs", "is running", "sprints"), ("very fast", "at full speed", "as in a race"))


def sneaking(rng: np.random.Generator) -> Act:
    """Sneak, bent and with high steps."""
    crouch = rng.uniform(0.10, 0.24)
    steps = int(rng.integers(3, 7))
    gait = Gait(
        rng.uniform(0.38, 0.52),
        rng.uniform(0.75, 1.05),
        duty=0.68,
        lift=rng.uniform(0.14, 0.22),
        bounce=0.01,
        crouch=crouch,
        lean=0.28,
        bend=0.30,
        arms=0.15,
        elbow=1.3,
        roll_foot=0.5,
    )
    low = ("bent low", "in a deep crouch") if crouch > 0.17 else ("a little bent", "with bent knees")
    verbs = ("sneaks forward", "creeps forward", "is sneaking", "walks on tiptoe like a thief")
    return Act(walk(gait, steps, int(rng.integers(2)), FPS), verbs, (low, _steps(steps), ("quietly", "carefully")))


def marching(rng: np.random.Generator) -> Act:
    """March, forward or on the spot, knees high."""
    forward = rng.random() < 0.6
    time = rng.uniform(0.48, 0.66)
    steps = _count(rng, 5, 10, time)
    high = rng.uniform(0.18, 0.36)
    gait = Gait(
        0.45 if forward else 0.001,
        time,
        duty=0.58,
        lift=high,
        arms=0.75 if forward else 0.5,
        elbow=0.2 + 1.2 * (rng.random() < 0.3),
        bend=-0.06,
        roll_foot=0.35,
    )
    first = int(rng.integers(2))
    where = ("forward", "straight ahead") if forward else ("in place", "on the spot")
    knees = ("with very high knees", "lifting the knees high") if high > 0.27 else ("with lifted knees", "firmly")
    verbs = ("marches", "is marching", "marches like a soldier")
    return Act(walk(gait, steps, first, FPS), verbs, (where, knees, _steps(steps), pace(0.57 / time)))


def backing(rng: np.random.Generator) -> Act:
    """Walk backwards."""
    time = rng.uniform(0.5, 0.8)
    steps = _count(rng, 3, 8, time)
    gait = Gait(rng.uniform(0.28, 0.45), time, lift=0.10, arms=0.2, path=Path(math.pi), roll_foot=0.3)
    first = int(rng.integers(2))
    verbs = ("walks backward", "steps backward", "goes back", "is walking backward")
    return Act(walk(gait, steps, first, FPS), verbs, (pace(0.65 / time), _steps(steps), _first(first)))


def sidestepping(rng: np.random.Generator) -> Act:
    """Step to one side, closing the feet each time."""
    side = int(rng.integers(2))
    time = rng.uniform(0.42, 0.65)
    steps = _count(rng, 2, 6, 2 * time)
    gait = Gait(
        rng.uniform(0.25, 0.45), time, lift=0.08, arms=0.05, closing=True, roll_foot=0.15, duty=0.64,
        path=Path(math.pi / 2 if side == LEFT else -math.pi / 2),
    )  # fmt: skip
    name = side_name(side)
    verbs = (f"steps sideways to the {name}", f"moves to the {name} with sidesteps", f"shuffles to the {name}")
    return Act(walk(gait, 2 * steps, side, FPS), verbs, (_steps(steps), pace(0.55 / time)))


_ANGLES = {
    45: ("a little", "by an eighth", "slightly"),
    90: ("a quarter turn", "by ninety degrees", "a quarter"),
    180: ("halfway around", "by half a turn", "to face the other way"),
    270: ("three quarters around", "by three quarters of a turn"),
    360: ("all the way around", "by a full turn", "once around"),
}


def turning(rng: np.random.Generator) -> Act:
    """Turn on the spot by an angle."""
    side = int(rng.integers(2))
    angle = int(rng.choice(list(_ANGLES)))
    time = rng.uniform(0.40, 0.62)
    steps = max(2, round(angle / rng.uniform(40, 60))) + 1
    gait = Gait(
        math.radians(angle) / (steps - 1) * (1 if side == LEFT else -1), time,
        lift=0.07, arms=0.06, roll_foot=0.15, duty=0.64, path=Path(turning=True),
    )  # fmt: skip
    name = side_name(side)
    verbs = (f"turns {name}", f"turns to the {name}", f"turns on the spot to the {name}")
    return Act(walk(gait, steps, side, FPS), verbs, (_ANGLES[angle], pace(0.5 / time)))


def circling(rng: np.random.Generator) -> Act:
    """Walk along a circle, clockwise or not."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    radius = rng.uniform(0.65, 1.3)
    speed = rng.uniform(0.9, 1.4)
    step = 0.34 + 0.2 * speed
    share = rng.uniform(0.45, 1.0)
    steps = max(5, min(round(2 * math.pi * radius * share / step), int(SECONDS * speed / step) - 2))
    turned = steps * step / radius / (2 * math.pi)
    gait = Gait(step, step / speed, arms=0.3, path=Path(0.0, side / radius))
    name = "counterclockwise" if side > 0 else "clockwise"
    size = ("in a small circle", "in a tight circle") if radius < 0.95 else ("in a big circle", "in a wide circle")
    part = ("all the way around", "for a full circle") if turned > 0.8 else ("for half a circle", "halfway around")
    verbs = (f"walks {name}", f"is walking {name}", f"goes around {name}")
    return Act(walk(gait, steps, RIGHT if side > 0 else LEFT, FPS), verbs, (size, part, pace(speed / 1.15)))


def limping(rng: np.random.Generator) -> Act:
    """Walk with one stiff leg: small steps, the trunk leaning to one side."""
    side = int(rng.integers(2))
    steps = int(rng.integers(4, 8))
    gait = Gait(rng.uniform(0.30, 0.42), rng.uniform(0.62, 0.8), lift=0.10, arms=0.2, crouch=0.03, roll_foot=0.6)
    pose = walk(gait, steps, side, FPS)
    inside = np.sin(np.pi * np.linspace(0, 1, pose.frames)) ** 0.5
    pose = replace(pose, side=pose.side - (1 if side == LEFT else -1) * 0.22 * inside)
    name = side_name(side)
    verbs = ("limps forward", "is limping", "walks with a limp")
    facts = ((f"leaning to the {name}", f"as if the {name} leg hurts", f"with a hurt {name} leg"), _steps(steps))
    return Act(pose, verbs, facts)

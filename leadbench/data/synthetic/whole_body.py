"""Actions of the whole body on one spot, and jumps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leadbench.data.synthetic.act import Act, Choices, Stage, pace, pulse, side_name, times
from leadbench.data.synthetic.body import ANKLE_HEIGHT, LEFT, RIGHT, SIDE, STANDING
from leadbench.data.synthetic.curves import ease, keyed

Floats = NDArray[np.float64]
GRAVITY = 9.81


def _leap(stage: Stage, begin: float, height: float, dip: float, feet: tuple[int, ...] = (LEFT, RIGHT)) -> float:
    """Crouch, push off, fly and land: pelvis and feet rise by ``height``; returns when the body is at rest again.

    The flight is ballistic: it takes sqrt(8 height / g) seconds.
    """
    time, pose = stage.time, stage.pose
    flight = float(np.sqrt(8 * height / GRAVITY))
    push = 2 * dip / (GRAVITY * flight / 2)  # speed grows evenly until it is that of the flight
    off, land = begin + 0.35 + push, begin + 0.35 + push + flight
    u = np.clip((time - off) / flight, 0, 1)
    rise = 4 * height * u * (1 - u)
    down = dip * ease((time - begin) / 0.35)
    up = dip * np.clip((time - begin - 0.35) / push, 0, 1) ** 2
    fall = dip * (1 - (1 - np.clip((time - land) / push, 0, 1)) ** 2)
    recover = dip * ease((time - land - push) / 0.45)
    pose.height += rise - down + up - fall + recover
    pose.pitch += 0.9 * (down - up + fall - recover)
    pose.bend += 0.8 * (down - up + fall - recover)
    for foot in (LEFT, RIGHT):
        pose.ball[:, foot, 1] += rise
        air = (u > 0) & (u < 1)
        pose.planted[air, foot] = False
        if foot in feet:
            pose.heel[:, foot] += 0.75 * keyed(time, [(off - push, 0.0), (off, 1.0), (land, 0.35), (land + 0.1, 0.0)])
    return land + push + 0.45


def _flights(height: float, dip: float) -> tuple[float, float]:
    flight = float(np.sqrt(8 * height / GRAVITY))
    push = 2 * dip / (GRAVITY * flight / 2)
    return 0.35 + push, 0.35 + 2 * push + flight + 0.45


def _high(height: float) -> Choices:
    if height < 0.16:
        return ("a little", "not very high", "low")
    return ("high", "as high as possible", "high into the air")


def jumping(rng: np.random.Generator) -> Act:
    """Jump on the spot, several times."""
    count, height = int(rng.integers(1, 5)), rng.uniform(0.08, 0.30)
    dip = 0.10 + 0.45 * height
    stage = Stage(0.2 + count * _flights(height, dip)[1] + 0.2)
    begin = 0.2
    for _ in range(count):
        before, _ = _flights(height, dip)
        stage.move("shoulder", [(begin, 0.0), (begin + 0.3, -0.6), (begin + before + 0.1, 0.9 + 3 * height),
                                (begin + before + 0.6, 0.0)])  # fmt: skip
        begin = _leap(stage, begin, height, dip)
    verbs = (
        ("jumps up and down", "jumps on the spot", "jumps in place") if count > 1 else ("jumps up", "jumps in place")
    )
    return Act(stage.pose, verbs, (times(count), _high(height)))


def leaping(rng: np.random.Generator) -> Act:
    """Jump forward, or over something, with both feet."""
    over, distance = rng.random() < 0.5, rng.uniform(0.4, 1.3)
    height = rng.uniform(0.18, 0.32) if over else rng.uniform(0.10, 0.22)
    dip = 0.12 + 0.45 * height
    stage = Stage(0.3 + _flights(height, dip)[1] + 0.4)
    before, _ = _flights(height, dip)
    flight = float(np.sqrt(8 * height / GRAVITY))
    _leap(stage, 0.3, height, dip)
    off = 0.3 + before
    u = np.clip((stage.time - off) / flight, 0, 1)
    # the body leans into the jump before it leaves the floor, and the feet overtake it in the air
    way = keyed(stage.time, [(0.3, 0.0), (off, 0.10), (off + flight, distance - 0.10), (off + flight + 0.5, distance)])
    stage.pose.place[:, 1] += np.where((u > 0) & (u < 1), 0.10 + (distance - 0.20) * u, way)
    stage.pose.ball[:, :, 2] += (distance * u)[:, None]
    stage.pose.ball[:, :, 1] += ((0.20 if over else 0.06) * np.sin(np.pi * u))[:, None]
    stage.move("shoulder", [(0.3, 0.0), (0.6, -0.9), (off + 0.15, 1.5), (off + flight + 0.4, 0.0)])
    far = ("a short way", "a small jump") if distance < 0.8 else ("a long way", "far")
    verbs = (
        ("jumps over something", "leaps over an obstacle", "jumps over a box")
        if over
        else ("jumps forward", "leaps forward")
    )
    return Act(stage.pose, verbs, (far, _high(height), ("with both feet", "feet together")))


def hopping(rng: np.random.Generator) -> Act:
    """Hop on one leg; the other foot is held up behind."""
    side, count, height = int(rng.integers(2)), int(rng.integers(2, 6)), rng.uniform(0.05, 0.13)
    dip = 0.05 + 0.3 * height
    cycle = _flights(height, dip)[1]
    stage = Stage(0.9 + count * cycle + 0.9)
    begin, other = 0.8, 1 - side
    stage.shift(x=pulse(0.2, 0.5, count * cycle + 0.2, 0.6, SIDE[side] * 0.085))
    for _ in range(count):
        begin = _leap(stage, begin, height, dip, feet=(side,))
    hold = begin - 0.75
    up = [(0.45, 0.0), (0.75, 0.28), (0.75 + hold, 0.28), (0.75 + hold + 0.35, 0.0)]
    behind = [(0.45, 0.0), (0.75, -0.30), (0.75 + hold, -0.30), (0.75 + hold + 0.35, 0.0)]
    stage.lift(other, ((), up, behind), 0.45, 0.75 + hold + 0.35)
    stage.pose.heel[:, other] += 1.1 * keyed(stage.time, [(key, value / 0.28) for key, value in up])
    stage.move("abduction", pulse(0.3, 0.5, hold, 0.5, 0.45))
    name = side_name(side)
    verbs = (f"hops on the {name} leg", f"hops on the {name} foot", f"jumps on the {name} leg")
    return Act(stage.pose, verbs, (times(count), _high(2 * height)))


def squatting(rng: np.random.Generator) -> Act:
    """Squat several times, more or less deep."""
    count, depth, quick = int(rng.integers(1, 5)), rng.uniform(0.18, 0.48), rng.uniform(0.7, 1.3)
    beat = 1.5 / quick
    stage = Stage(0.3 + count * beat + 0.3)
    forward = rng.random() < 0.6
    for number in range(count):
        begin = 0.3 + number * beat
        keys = pulse(begin, 0.45 * beat, 0.05, 0.45 * beat, 1.0)

        def scaled(value: float, keys: list[tuple[float, float]] = keys) -> list[tuple[float, float]]:
            return [(time, value * height) for time, height in keys]

        stage.move("height", scaled(-depth))
        stage.move("pitch", scaled(1.1 * depth))
        stage.shift(z=scaled(-0.30 * depth))
        stage.move("shoulder", scaled(1.35 if forward else 0.1))
    arms = (
        ("arms stretched forward", "with the arms out in front")
        if forward
        else ("arms hanging down", "with quiet arms")
    )
    deep = ("deep", "very low") if depth > 0.33 else ("not very deep", "halfway down")
    verbs = ("does squats", "squats") if count > 1 else ("squats down and stands up", "does a squat")
    return Act(stage.pose, verbs, (times(count), deep, arms, pace(quick)))


def sitting(rng: np.random.Generator) -> Act:
    """Sit down as on a chair, stay, and stand up."""
    quick, hold, seat = rng.uniform(0.75, 1.3), rng.uniform(0.4, 3.0), rng.uniform(0.42, 0.54)
    down = 1.3 / quick
    stage = Stage(0.3 + 2 * down + hold + 0.3)
    up = 0.3 + down + hold
    stage.move("height", pulse(0.3, down, hold, down, seat - STANDING))
    stage.shift(z=pulse(0.3, down, hold, down, -0.42))
    lean = 0.62
    forward = [(0.3, 0.0), (0.3 + 0.6 * down, lean), (0.5 + down, 0.0)]
    stage.move("pitch", [*forward, (up, 0.0), (up + 0.4 * down, lean), (up + down, 0.0)])
    stage.move("shoulder", pulse(0.3, down, hold, down, 0.45))
    stage.move("elbow", pulse(0.3, down, hold, down, 0.55))
    long = ("for a long time", "and stays seated") if hold > 1.6 else ("for a moment", "only shortly")
    low = ("on a low chair", "low down") if seat < 0.48 else ("on a chair", "on a seat")
    verbs = ("sits down and stands up", "sits down and gets up again", "takes a seat and stands up again")
    return Act(stage.pose, verbs, (low, long, pace(quick)))


def bowing(rng: np.random.Generator) -> Act:
    """Bow, slightly or deeply."""
    depth, quick, hold = rng.uniform(0.3, 1.35), rng.uniform(0.6, 1.3), rng.uniform(0.1, 1.5)
    move = (0.6 + 0.5 * depth) / quick
    stage = Stage(0.4 + 2 * move + hold + 0.4)
    stage.move("pitch", pulse(0.4, move, hold, move, 0.62 * depth))
    stage.move("bend", pulse(0.4, move, hold, move, 0.45 * depth))
    stage.move("nod", pulse(0.4, move, hold, move, 0.2 * depth))
    stage.shift(z=pulse(0.4, move, hold, move, -0.11 * depth))
    stage.move("shoulder", pulse(0.4, move, hold, move, 0.45 * depth))
    deep = ("deeply", "very low") if depth > 0.85 else ("slightly", "a little")
    long = ("and stays down for a while", "and holds the bow") if hold > 0.8 else ("for a moment", "only shortly")
    return Act(stage.pose, ("bows", "takes a bow", "makes a bow"), (deep, long, pace(quick)))


def crouching(rng: np.random.Generator) -> Act:
    """Crouch and stay down for a while."""
    depth, hold, quick = rng.uniform(0.28, 0.50), rng.uniform(0.6, 3.0), rng.uniform(0.7, 1.35)
    down = 1.0 / quick
    stage = Stage(0.3 + 2 * down + hold + 0.3)
    stage.move("height", pulse(0.3, down, hold, down, -depth))
    stage.move("pitch", pulse(0.3, down, hold, down, 0.75))
    stage.move("bend", pulse(0.3, down, hold, down, 0.45))
    stage.shift(z=pulse(0.3, down, hold, down, -0.14))
    stage.move("elbow", pulse(0.3, down, hold, down, 1.3))
    stage.move("shoulder", pulse(0.3, down, hold, down, 0.5))
    low = ("very low", "close to the floor") if depth > 0.4 else ("halfway down", "not very low")
    long = ("for a long time", "and stays down") if hold > 1.8 else ("for a moment", "only shortly")
    return Act(stage.pose, ("crouches", "crouches down", "ducks down"), (low, long, pace(quick)))


def lying(rng: np.random.Generator) -> Act:
    """Sit down on the floor, lie on the back, and get up again."""
    hold, quick = rng.uniform(0.4, 2.0), rng.uniform(0.85, 1.25)
    down, back = 1.5 / quick, 1.0 / quick
    a, b, c, d, e = np.cumsum([0.3, down, back, hold, back]).tolist()
    end = e + down
    stage = Stage(end + 0.3)
    floor, away = 0.13, -0.46
    stage.move("height", [(a, 0.0), (b, floor - STANDING), (e, floor - STANDING), (end, 0.0)])
    stage.shift(z=[(a, 0.0), (b, away), (e, away), (end, 0.0)])
    stage.move("pitch", [(a, 0.0), (a + 0.55 * down, 0.65), (b, -0.05), (c, -1.45), (d, -1.45), (e, -0.05),
                         (e + 0.45 * down, 0.65), (end, 0.0)])  # fmt: skip
    stage.move("bend", [(a, 0.0), (b, 0.45), (c, -0.05), (d, -0.05), (e, 0.45), (end, 0.0)])
    middle = 0.5 * down
    arms = [(a, 0.0), (a + middle, 1.0), (b, 0.9), (c, 0.05), (d, 0.05), (e, 0.9), (e + middle, 1.0), (end, 0.0)]
    stage.move("shoulder", arms)
    for foot in (LEFT, RIGHT):
        out = [(b, 0.0), (c, 0.36), (d, 0.36), (e, 0.0)]
        up = [(b, 0.0), (c, 1.0), (d, 1.0), (e, 0.0)]
        toes = -1.15 * keyed(stage.time, up)
        stage.pose.heel[:, foot] += toes
        lifted = -0.119 * np.sin(toes) - ANKLE_HEIGHT * (np.cos(toes) - 1)
        stage.pose.ball[:, foot, 1] += lifted + 0.06 * np.sin(np.pi * keyed(stage.time, up))
        stage.lift(foot, ((), (), out), b + 0.05, e - 0.05)
    long = ("for a while", "and rests") if hold > 1.1 else ("for a moment", "only shortly")
    verbs = (
        "lies down and gets up",
        "lies down on the floor and gets up again",
        "lies on the back and stands up again",
    )
    return Act(stage.pose, verbs, (long, pace(quick)))


def kicking(rng: np.random.Generator) -> Act:
    """Kick forward with one foot, low or high."""
    side, count, quick = int(rng.integers(2)), int(rng.integers(1, 4)), rng.uniform(0.8, 1.3)
    height = rng.uniform(0.15, 0.85)
    beat = 1.25 / quick
    stage = Stage(0.5 + count * (beat + 0.25) + 0.4)
    total = count * (beat + 0.25)
    stage.shift(x=pulse(0.1, 0.45, total - 0.45, 0.5, -SIDE[side] * 0.085))
    for number in range(count):
        t = 0.5 + number * (beat + 0.25)
        back, out, home = t + 0.32 * beat, t + 0.55 * beat, t + beat
        stage.lift(side, ((), [(t, 0.0), (back, 0.30), (out, height), (home, 0.0)],
                          [(t, 0.0), (back, -0.20), (out, 0.80 - 0.35 * max(0.0, height - 0.3)), (home, 0.0)]),
                   t, home)  # fmt: skip
        stage.pose.heel[:, side] += keyed(stage.time, [(t, 0.0), (back, 0.8), (out, -0.25), (home, 0.0)])
        stage.move("pitch", [(t, 0.0), (back, 0.12), (out, -0.22 - 0.15 * height), (home, 0.0)])
        for arm in (LEFT, RIGHT):
            sign = -0.5 if arm == side else 0.7
            stage.move("shoulder", [(t, 0.0), (back, -0.5 * sign), (out, sign), (home, 0.0)], arm)
    name = side_name(side)
    high = ("high", "up to the height of the chest") if height > 0.5 else ("low", "not very high")
    verbs = (f"kicks with the {name} foot", f"kicks with the {name} leg", f"does a kick with the {name} leg")
    return Act(stage.pose, verbs, (high, times(count), pace(quick)))


def picking(rng: np.random.Generator) -> Act:
    """Bend down, pick something up from the floor with one hand or both, and stand up."""
    quick = rng.uniform(0.75, 1.3)
    both = rng.random() < 0.4
    side = int(rng.integers(2))
    knees = rng.random() < 0.5
    down = 1.15 / quick
    stage = Stage(0.3 + 2 * down + 0.3 + 0.4)
    depth = 0.42 if knees else 0.16
    stage.move("height", pulse(0.3, down, 0.3, down, -depth))
    stage.move("pitch", pulse(0.3, down, 0.3, down, 0.62 if knees else 1.05))
    stage.move("bend", pulse(0.3, down, 0.3, down, 0.55 if knees else 0.75))
    stage.shift(z=pulse(0.3, down, 0.3, down, -0.16))
    for arm in (LEFT, RIGHT) if both else (side,):
        stage.move("shoulder", pulse(0.3, down, 0.3, down, 1.15 if knees else 1.5), arm)
        stage.move("elbow", [(0.3, 0.0), (0.3 + down, -0.15), (0.6 + down, -0.15), (0.6 + 1.6 * down, 0.9),
                             (0.6 + 2 * down, 0.0)], arm)  # fmt: skip
    if not both:
        stage.move("side", pulse(0.3, down, 0.3, down, -SIDE[side] * 0.12))
    hand = ("with both hands", "using both hands") if both else (f"with the {side_name(side)} hand",)
    way = ("bending the knees", "crouching") if knees else ("bending at the waist", "with straight legs")
    verbs = ("picks something up", "picks up something from the floor", "bends down and picks something up")
    return Act(stage.pose, verbs, (hand, way, pace(quick)))


def jacks(rng: np.random.Generator) -> Act:
    """Jumping jacks: feet apart and arms up, then back."""
    count, beat = int(rng.integers(2, 6)), float(rng.uniform(0.45, 0.62))
    stage = Stage(0.6 + 2 * count * beat + 0.8)
    height = GRAVITY * (0.55 * beat) ** 2 / 8
    for number in range(2 * count):
        land = 0.6 + (number + 0.775) * beat
        off = land - 0.55 * beat
        u = np.clip((stage.time - off) / (0.55 * beat), 0, 1)
        rise = 4 * height * u * (1 - u)
        stage.pose.height += rise
        stage.pose.ball[:, :, 1] += rise[:, None]
        stage.pose.planted[(u > 0) & (u < 1)] = False
        outward = 1.0 if number % 2 == 0 else -1.0
        stage.pose.ball[:, :, 0] += outward * 0.24 * SIDE * u[:, None]
        stage.move("abduction", [(off - 0.1 * beat, 0.0), (land + 0.05 * beat, outward * 2.5)])
    inside = pulse(0.25, 0.35, 2 * count * beat, 0.4, 1.0)
    bounce = keyed(stage.time, [(0.0, 0.0), *inside])
    stage.pose.height -= 0.055 * bounce
    stage.pose.heel += 0.25 * bounce[:, None]
    verbs = ("does jumping jacks", "performs jumping jacks", "is doing jumping jacks")
    return Act(stage.pose, verbs, (times(count), pace(0.53 / beat)))


def swaying(rng: np.random.Generator) -> Act:
    """Dance on the spot: the hips sway from side to side, the arms swing along."""
    count, beat, wide = int(rng.integers(3, 8)), float(rng.uniform(0.6, 1.0)), float(rng.uniform(0.05, 0.12))
    first = SIDE[int(rng.integers(2))]
    stage = Stage(0.4 + count * beat + 0.5)
    inside = keyed(stage.time, [(0.3, 0.0), (0.7, 1.0), (0.2 + count * beat, 1.0), (0.4 + count * beat, 0.0)])
    swing = np.sin(np.pi * (stage.time - 0.4) / beat) * inside * first
    stage.pose.place[:, 0] += wide * swing
    stage.pose.roll += 1.2 * wide * swing
    stage.pose.side += 1.6 * wide * swing
    stage.pose.height -= 0.03 * inside * (1 - np.abs(swing))
    up = float(rng.choice([0.25, 1.0]))
    stage.pose.elbow += (1.1 * inside)[:, None]
    stage.pose.abduction += (up * 0.6 * inside)[:, None]
    for side in (LEFT, RIGHT):
        stage.pose.shoulder[:, side] += up * inside + 0.35 * swing * SIDE[side]
        stage.pose.twist += 0.08 * swing * (side == LEFT)
    arms = ("with the arms up", "arms in the air") if up > 0.5 else ("with the arms low", "arms beside the body")
    size = ("in big movements", "with wide hips") if wide > 0.085 else ("in small movements", "gently")
    verbs = ("dances on the spot", "sways from side to side", "dances from side to side")
    return Act(stage.pose, verbs, (arms, size, pace(0.8 / beat), times(count)))

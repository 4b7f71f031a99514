"""Actions of the arms, standing."""

from __future__ import annotations

import numpy as np

from leadbench.data.synthetic.act import Act, Choices, Stage, pace, pulse, side_name, times
from leadbench.data.synthetic.body import LEFT, RIGHT, SIDE


def _sides(rng: np.random.Generator, both: float = 0.34) -> tuple[list[int], str]:
    """One hand or both: sides, and what is said of them."""
    if rng.random() < both:
        return [LEFT, RIGHT], "both"
    side = int(rng.integers(2))
    return [side], side_name(side)


def _arms(which: str) -> Choices:
    return ("both arms", "both hands") if which == "both" else (f"the {which} arm", f"the {which} hand")


def waving(rng: np.random.Generator) -> Act:
    """Wave one hand or both, high or low, several times."""
    sides, which = _sides(rng, 0.25)
    count, quick = int(rng.integers(2, 7)), rng.uniform(0.7, 1.45)
    high = rng.random() < 0.5
    beat = 0.55 / quick
    stage = Stage(0.3 + 0.7 + count * beat + 0.9)
    up = 0.3 + 0.6
    for side in sides:
        stage.move("abduction", pulse(0.3, 0.6, count * beat, 0.7, 1.9 if high else 1.05), side)
        stage.move("rotation", pulse(0.3, 0.6, count * beat, 0.7, -1.75), side)
        stage.move("elbow", pulse(0.3, 0.6, count * beat, 0.7, 0.75 if high else 1.25), side)
        inside = np.clip((stage.time - up) / 0.15, 0, 1) * np.clip((up + count * beat - stage.time) / 0.15, 0, 1)
        swing = np.sin(2 * np.pi * (stage.time - up) / beat) * inside
        stage.pose.elbow[:, side] += 0.38 * swing
        stage.pose.abduction[:, side] += 0.12 * swing
    hand = _arms(which)
    verbs = tuple(f"{verb} {noun}" for verb in ("waves", "is waving") for noun in hand)
    place = ("above the head", "with the arm stretched up") if high else ("beside the head", "at shoulder height")
    if which == "both" and high:
        place = ("above the head", "high in the air")
    return Act(stage.pose, verbs, (times(count), place, pace(quick)))


def raising(rng: np.random.Generator) -> Act:
    """Raise arms forward or sideways to some height, hold, and lower them."""
    sides, which = _sides(rng)
    forward, top = rng.random() < 0.5, rng.choice([0.8, 1.5, 2.8])
    quick, hold = rng.uniform(0.6, 1.4), rng.uniform(0.1, 1.8)
    move = 0.55 + 0.25 * top
    stage = Stage(0.3 + 2 * move / quick + hold + 0.4)
    for side in sides:
        keys = pulse(0.3, move / quick, hold, move / quick, top + rng.normal(0, 0.05))
        stage.move("shoulder" if forward else "abduction", keys, side)
        stage.move("elbow", pulse(0.3, move / quick, hold, move / quick, -0.15), side)
    height = {
        0.8: ("halfway up", "to the height of the chest", "not very high"),
        1.5: ("to shoulder height", "up to the shoulders", "until level with the shoulders"),
        2.8: ("above the head", "high in the air", "all the way up"),
    }[float(top)]
    way = ("to the front", "forward") if forward else ("to the side", "sideways")
    arms = _arms(which)
    verbs = tuple(f"{verb} {noun}" for verb in ("raises", "lifts") for noun in arms)
    held = ("and holds still for a while", "and stays like that") if hold > 1.1 else ("for a moment", "only shortly")
    return Act(stage.pose, verbs, (height, way, pace(quick), held))


def clapping(rng: np.random.Generator) -> Act:
    """Clap in front of the chest or over the head."""
    count, quick, over = int(rng.integers(2, 9)), rng.uniform(0.7, 1.5), rng.random() < 0.35
    beat = 0.5 / quick
    stage = Stage(0.3 + 0.5 + count * beat + 0.8)
    inside = np.clip((stage.time - 0.7) / 0.1, 0, 1) * np.clip((0.75 + count * beat - stage.time) / 0.1, 0, 1)
    apart = 0.5 * (1 + np.cos(2 * np.pi * (stage.time - 0.8) / beat + np.pi)) * inside
    for side in (LEFT, RIGHT):
        total = count * beat
        if over:
            stage.move("abduction", pulse(0.3, 0.5, total, 0.6, 2.62), side)
            stage.pose.abduction[:, side] -= 0.55 * apart
        else:
            stage.move("shoulder", pulse(0.3, 0.5, total, 0.6, 0.62), side)
            stage.move("elbow", pulse(0.3, 0.5, total, 0.6, 1.22), side)
            stage.move("rotation", pulse(0.3, 0.5, total, 0.6, 0.42), side)
            stage.pose.rotation[:, side] -= 0.75 * apart
    place = ("over the head", "above the head") if over else ("in front of the chest", "in front of the body")
    return Act(stage.pose, ("claps", "claps the hands", "is clapping"), (times(count), place, pace(quick)))


def punching(rng: np.random.Generator) -> Act:
    """Punch forward with one hand, or by turns."""
    count, quick = int(rng.integers(1, 6)), rng.uniform(0.75, 1.4)
    turns = count > 1 and rng.random() < 0.5
    start = int(rng.integers(2))
    beat = 0.75 / quick
    stage = Stage(0.4 + 0.4 + count * beat + 0.8)
    total = 0.4 + count * beat
    for side in (LEFT, RIGHT):
        stage.move("elbow", pulse(0.3, 0.4, total - 0.1, 0.5, 1.75), side)
        stage.move("shoulder", pulse(0.3, 0.4, total - 0.1, 0.5, 0.45), side)
    stage.move("height", pulse(0.3, 0.4, total - 0.1, 0.5, -0.05))
    for number in range(count):
        side = start if not turns or number % 2 == 0 else 1 - start
        begin = 0.75 + number * beat
        stage.move("elbow", pulse(begin, 0.38 * beat, 0.05, 0.45 * beat, -1.7), side)
        stage.move("shoulder", pulse(begin, 0.38 * beat, 0.05, 0.45 * beat, 0.95), side)
        stage.move("twist", pulse(begin, 0.38 * beat, 0.05, 0.45 * beat, -SIDE[side] * 0.45))
    name = side_name(start)
    verbs = ("punches", "throws punches", "boxes") if count > 1 else ("punches", "throws a punch")
    by_turns = ("with both hands by turns", "left and right in turn")
    hand = by_turns if turns else (f"with the {name} hand", f"with the {name} fist")
    return Act(stage.pose, verbs, (hand, times(count), pace(quick)))


def throwing(rng: np.random.Generator) -> Act:
    """Throw something with one hand, from above or from below."""
    side, quick, above = int(rng.integers(2)), rng.uniform(0.75, 1.35), rng.random() < 0.6
    sign, back, swing = SIDE[side], 0.8 / quick, 0.40 / quick
    stage = Stage(0.3 + back + swing + 1.3)
    cocked, released = 0.3 + back, 0.3 + back + swing
    rest = released + 0.9
    if above:
        stage.move("abduction", [(0.3, 0.0), (cocked, 1.35), (released, 0.3), (rest, 0.0)], side)
        stage.move("rotation", [(0.3, 0.0), (cocked, -1.75), (released, -0.2), (rest, 0.0)], side)
        stage.move("elbow", [(0.3, 0.0), (cocked, 1.45), (released, 0.1), (rest, 0.0)], side)
        stage.move("shoulder", [(0.3, 0.0), (cocked, -0.1), (released, 1.45), (rest, 0.0)], side)
    else:
        stage.move("shoulder", [(0.3, 0.0), (cocked, -0.85), (released, 1.25), (rest, 0.0)], side)
        stage.move("elbow", [(0.3, 0.0), (cocked, -0.1), (released, 0.25), (rest, 0.0)], side)
    stage.move("twist", [(0.3, 0.0), (cocked, sign * 0.55), (released, -sign * 0.45), (rest, 0.0)])
    stage.move("bend", [(cocked, -0.1), (released, 0.3 if above else 0.15), (rest, 0.0)])
    stage.shift(z=[(0.3, 0.0), (cocked, -0.06), (released, 0.07), (rest, 0.0)])
    name = side_name(side)
    verbs = ("throws something", "throws a ball", "makes a throw")
    way = ("overhand", "from above the shoulder") if above else ("underhand", "from below")
    return Act(stage.pose, verbs, ((f"with the {name} hand", f"with the {name} arm"), way, pace(quick)))

"""Captions from what is measured in a clip, in everyday words: no decimals, several wordings of each fact.

A caption joins who, how (style), what (content) and several measured facts, in varying order. Words are drawn from a
stream keyed by the clip's id;
facts are measured anew in a mirrored clip, so its captions say left where the original's say right. Where a label names
the side of a turn, the measured turn has the last word. Version 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leadbench.core.random import stream
from leadbench.data.prepare.measure import Hand, Measured

VERSION = 2
CAPTIONS = 4
FACTS = 4
STRAIGHT = 6.0
"""Degrees of turn below which a walk is called straight."""

Choices = tuple[str, ...]

NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip

SUBJECTS: Choices = ("a person", "someone", "the person", "a figure", "somebody", "an actor")


@dataclass(frozen=True)
class Wording:
    """How a source's labels are said: verb phrases by content, adverbials by style, and which facts go with them.

    ``hands`` are contents about hands; ``facts`` (content, figures -> facts) replaces the choice between
    :func:`hand_facts` and :func:`moving_facts`.
    """

    contents: Mapping[str, Choices]
    styles: Mapping[str, Choices]
    hands: frozenset[str] = frozenset()
    facts: Callable[[str, Measured], list[Choices]] | None = None


def write_captions(content: str, style: str, measured: Measured, wording: Wording, seed_id: str) -> list[str]:
    """Captions of a clip; ``seed_id`` chooses the words."""
    if wording.facts is not None:
        facts = wording.facts(content, measured)
    else:
        facts = hand_facts(content, measured) if content in wording.hands else moving_facts(measured)
    content = content_as_measured(content, measured)
    captions = []
    for number in range(CAPTIONS):
        rng = stream(VERSION, "captions", seed_id, number)
        chosen = [facts[i] for i in sorted(rng.permutation(len(facts))[:FACTS])]
        said = [_pick(rng, choices) for choices in chosen]
        captions.append(
            _join(
                rng,
                _pick(rng, SUBJECTS),
                _pick(rng, wording.contents[content]),
                _pick(rng, wording.styles[style]),
                said,
            )
        )
    return captions


def content_as_measured(content: str, m: Measured) -> str:
    """The label of a turning walk with the side that is seen: some actors turn against the label, some not at all.

    A label without a turn stays as it is.
    """
    walk, turn, side = content.partition("-turn-")
    if not turn:
        return content
    if abs(m.turn) < STRAIGHT:
        return walk
    seen = "left" if m.turn > 0 else "right"
    return content if side == seen else f"{walk}{turn}{seen}"


def _join(rng: np.random.Generator, subject: str, verb: str, style: str, facts: Sequence[str]) -> str:
    """One of four orders of the parts."""
    order = int(rng.integers(4))
    if order == 0:
        parts = [f"{subject} {verb} {style}", *facts]
    elif order == 1:
        parts = [f"{style} {subject} {verb}", *facts]
    elif order == 2:
        parts = [f"{subject} {verb} {facts[0]}", style, *facts[1:]]
    else:
        parts = [f"{subject} {verb} {facts[0]}", facts[1], style, *facts[2:]]
    return ", ".join(parts[:-1]) + (", and " if rng.random() < 0.3 else ", ") + parts[-1] + "."


def moving_facts(m: Measured) -> list[Choices]:
    """Facts of somebody who may travel: speed, turn, steps, distance, first foot, trunk, arms, length."""
    facts = [_trunk(m), _arms(m), _seconds(m)]
    if m.steps:
        steps = NUMBERS[min(m.steps, 20)]
        noun = "step" if m.steps == 1 else "steps"
        facts.append((f"taking about {steps} {noun}", f"in about {steps} {noun}", f"with {steps} {noun} or so"))
        foot = m.first_foot
        facts.append((f"starting with the {foot} foot", f"{foot} foot first", f"beginning on the {foot} foot"))
    if m.path > 1.0:
        facts += [_speed(m.speed), _turn(m.turn), _distance(m.distance)]
    else:
        facts.append(("staying in place", "on the spot", "without going anywhere"))
    if m.crouch < 0.93:
        facts.append(("with bent knees", "knees bent", "bending the knees"))
    if m.bounce > 0.035:
        facts.append(("bouncing up and down", "with a bouncy step", "rising and falling"))
    return facts


def hand_facts(content: str, m: Measured) -> list[Choices]:
    """Facts of raising or waving hands: height, elbow, speed, repetitions, stance, trunk, order, length."""
    left, right = m.hands
    both = "both" in content
    hand = left if ("left" in content or (both and left.top > right.top)) else right
    facts = [_height(hand, both), _elbow(hand, both), _trunk(m), _stance(m), _seconds(m), _reach(hand, both)]
    if content.startswith("wave"):
        facts.append(_waves(hand))
    else:
        facts += [_rise(hand), _when(hand)]
    if both:
        facts.append(_order(left, right))
    return facts


def window_facts(content: str, m: Measured) -> list[Choices]:
    """Facts of a window of a long recording, which starts and ends anywhere: trunk, arms, pace, way, knees, bounce.

    Nothing is counted. "Ahead" is said of contents that end in ``forward`` alone.
    """
    facts = [_trunk(m), _arms(m)]
    if m.speed > 0.35 and m.distance > 0.5:
        facts += [_speed(m.speed), _way(m.turn, content.endswith("forward"))]
    elif m.distance < 0.5:
        facts.append(("staying in place", "on the spot", "without going anywhere"))
    if m.crouch < 0.93:
        facts.append(("with bent knees", "knees bent", "bending the knees"))
    if m.bounce > 0.035:
        facts.append(("bouncing up and down", "with a bouncy step", "rising and falling"))
    return facts


def _way(turn: float, ahead: bool) -> Choices:
    """The turn of a walk that may go round in circles, or in a direction that the person does not face."""
    if abs(turn) >= 220:
        side = "left" if turn > 0 else "right"
        return (f"turning far around to the {side}", f"going around to the {side}")
    return ("in a straight line", "without turning") if abs(turn) < STRAIGHT and not ahead else _turn(turn)


def _speed(speed: float) -> Choices:
    if speed < 0.8:
        return ("very slowly", "at a very slow pace", "at a crawl")
    if speed < 1.05:
        return ("slowly", "at a slow pace", "without hurry")
    if speed < 1.25:
        return ("at an easy pace", "at a normal speed", "neither fast nor slow")
    if speed < 1.6:
        return ("briskly", "at a brisk pace", "rather quickly")
    if speed < 2.4:
        return ("at a gentle jog", "at jogging speed", "fairly fast")
    if speed < 2.8:
        return ("fast", "at a fast pace", "at a good running speed")
    return ("very fast", "at full speed", "as fast as possible")


def _turn(turn: float) -> Choices:
    side = "left" if turn > 0 else "right"
    size = abs(turn)
    if size < STRAIGHT:
        return ("straight ahead", "in a straight line", "without turning")
    if size < 20:
        return (f"drifting slightly to the {side}", f"almost straight but a little {side}", f"veering a bit {side}")
    if size < 60:
        return (f"bending to the {side}", f"turning a little to the {side}", f"curving to the {side}")
    if size < 85:
        return (f"turning almost a quarter to the {side}", f"with not quite a quarter turn {side}")
    if size < 98:
        return (f"turning a quarter to the {side}", f"with a quarter turn {side}", f"turning square to the {side}")
    if size < 140:
        return (f"turning more than a quarter to the {side}", f"with a wide turn {side}")
    return (f"turning around to the {side}", f"with a half turn {side}")


def _distance(distance: float) -> Choices:
    metres = NUMBERS[min(20, max(1, round(distance)))]
    unit = "metre" if metres == "one" else "metres"
    return (f"covering about {metres} {unit}", f"for about {metres} {unit}", f"over roughly {metres} {unit}")


def _trunk(m: Measured) -> Choices:
    if m.deepest_lean > 45:
        return ("bending deep at the waist", "with a deep bend of the body")
    if m.lean > 14:
        return ("leaning far forward", "with the body bent far forward", "the upper body well forward")
    if m.lean > 7:
        return ("leaning forward", "with the body tilted forward", "stooping forward")
    if m.lean > 2.5:
        return ("leaning slightly forward", "with the body a little forward", "the body a bit forward")
    if m.lean > -3:
        return ("upright", "with a straight back", "standing tall")
    return ("leaning back a little", "with the body tilted backward", "the chest pushed out")


def _arms(m: Measured) -> Choices:
    swing = (m.hands[0].path + m.hands[1].path) / 2 / m.seconds
    if swing < 0.55:
        return ("arms nearly still", "hardly moving the arms", "with quiet arms")
    if swing < 0.95:
        return ("swinging the arms a little", "with a small arm swing", "arms swinging gently")
    if swing < 1.4:
        return ("swinging the arms", "with a clear arm swing", "arms swinging")
    return ("swinging the arms widely", "with a big arm swing", "pumping the arms")


def _seconds(m: Measured) -> Choices:
    if m.seconds < 2.6:
        return ("all over in a moment", "in a very short time", "for a moment")
    if m.seconds < 3.6:
        return ("for a short time", "for three seconds or so")
    if m.seconds < 5.2:
        return ("for a little while", "for four or five seconds")
    if m.seconds < 7.2:
        return ("for some time", "for about six seconds")
    return ("for a long time", "for quite long")


def _height(hand: Hand, both: bool) -> Choices:
    hands = "the hands" if both else "the hand"
    if hand.top < 0.0:
        return (f"{hands} only to the chest", "not even to the shoulder", "keeping low at the chest")
    if hand.top < 0.2:
        return ("up to the shoulder", "about shoulder high", f"{hands} at the height of the shoulder")
    if hand.top < 0.36:
        return ("up to the face", "about head high", f"{hands} beside the face")
    if hand.top < 0.45:
        return ("above the head", f"{hands} over the head", "higher than the head")
    return ("high above the head", "as high as possible", f"{hands} reaching for the sky")


def _elbow(hand: Hand, both: bool) -> Choices:
    elbow, arm = ("elbows", "arms") if both else ("elbow", "arm")
    if hand.straight < 60:
        return (f"with the {elbow} tightly bent", f"folding the {arm} tightly")
    if hand.straight < 95:
        return (f"with the {elbow} bent", f"bending the {arm}")
    if hand.straight < 130:
        return (f"with the {elbow} half bent", f"the {arm} half open")
    return (f"with the {arm} almost straight", f"stretching the {arm}")


def _reach(hand: Hand, both: bool) -> Choices:
    if hand.sideways > 0.2:
        return ("wide out to the side", "well away from the body")
    if hand.forward > 0.24:
        return ("in front of the body", "reaching to the front")
    if hand.sideways < 0.08:
        return ("close to the head", "near the middle of the body")
    return ("beside the head", "a little to the side")


def _waves(hand: Hand) -> Choices:
    if hand.waves <= 1:
        return ("hardly swinging it", "with barely a swing")
    count = NUMBERS[min(20, hand.waves)]
    return (f"about {count} times", f"swinging {count} times or so", f"with about {count} swings")


def _rise(hand: Hand) -> Choices:
    if hand.rise < 0.85:
        return ("with a quick movement", "quickly", "in a flash")
    if hand.rise < 1.3:
        return ("at a calm speed", "at a normal speed")
    if hand.rise < 1.9:
        return ("slowly", "with a slow movement")
    return ("very slowly", "taking a lot of time", "little by little")


def _when(hand: Hand) -> Choices:
    if hand.top_time < 0.34:
        return ("reaching the top early", "soon at the top")
    if hand.top_time < 0.52:
        return ("reaching the top in the middle", "at the top half way through")
    return ("reaching the top late", "at the top only near the end")


def _order(left: Hand, right: Hand) -> Choices:
    if abs(left.top - right.top) > 0.06:
        higher = "left" if left.top > right.top else "right"
        return (f"the {higher} hand higher", f"with the {higher} hand on top")
    return ("both hands equally high", "hands level")


def _stance(m: Measured) -> Choices:
    if m.stance < 0.18:
        return ("feet together", "with the feet close together")
    if m.stance < 0.27:
        return ("feet a little apart", "with the feet under the hips")
    return ("feet wide apart", "with a wide stance")


def _pick(rng: np.random.Generator, choices: Choices) -> str:
    return choices[int(rng.integers(len(choices)))]


def swap_sides(label: str) -> str:
    """Exchange left and right in a label.

    >>> swap_sides("wave-left-hand")
    'wave-right-hand'
    """
    swap = {"left": "right", "right": "left"}
    return "-".join(swap.get(part, part) for part in label.split("-"))

"""Captions: true to the measurements, varied, deterministic, and within the lexicon."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from leadbench.core.errors import DataError
from leadbench.core.skeleton import get_skeleton
from leadbench.data.prepare.captions import (
    CAPTIONS,
    content_as_measured,
    hand_facts,
    moving_facts,
    swap_sides,
    write_captions,
)
from leadbench.data.prepare.measure import Hand, Measured, measure
from leadbench.data.prepare.tagging import tag
from leadbench.data.prepare.wording_bnr import BANDAI_NAMCO_WORDING as WORDING
from leadbench.motion.mirror import mirror_joints
from leadbench.text.word_vectors import POS_TAGS

SKELETON = get_skeleton("humanml3d")
HAND = Hand(
    path=1.0, top=0.1, lifts=1, waves=3, straight=90.0, sideways=0.1, forward=0.1, rise=1.0, top_time=0.4
)  # fmt: skip
STILL = Measured(
    seconds=3.0, distance=0.1, path=0.2, speed=0.07, direction=0.0, turn=0.0, steps=0, first_foot="", lean=0.0,
    deepest_lean=2.0, crouch=0.98, bounce=0.0, stance=0.2, nod=0.05, hands=(HAND, HAND),
)  # fmt: skip
WALK = replace(STILL, distance=3.0, path=3.2, speed=1.1, steps=5, first_foot="left")


def said(facts: list[tuple[str, ...]]) -> str:
    return " | ".join("; ".join(choices) for choices in facts)


@pytest.mark.parametrize(
    ("figures", "words", "not_words"),
    [
        ({"turn": 90.0}, "quarter turn left", "the right"),
        ({"turn": -90.0}, "quarter turn right", "to the left"),
        ({"turn": 2.0}, "in a straight line", "quarter"),
        ({"turn": -175.0}, "turning around to the right", "to the left"),
        ({"speed": 0.5}, "very slowly", "fast"),
        ({"speed": 3.5}, "as fast as possible", "slow"),
        ({"steps": 1}, "with one step or so", "steps"),
        ({"steps": 6, "first_foot": "right"}, "right foot first", "left foot"),
        ({"distance": 1.2}, "about one metre", "metres"),
        ({"distance": 5.2}, "roughly five metres", "four"),
        ({"lean": 20.0}, "leaning far forward", "upright"),
        ({"lean": 0.0}, "upright", "leaning"),
        ({"crouch": 0.9}, "with bent knees", "upright with"),
        ({"path": 0.5}, "on the spot", "metre"),
    ],
)
def test_what_is_said_of_a_walk_follows_the_figures(figures: dict[str, object], words: str, not_words: str) -> None:
    text = said(moving_facts(replace(WALK, **figures)))  # type: ignore[arg-type]
    assert words in text
    assert not_words not in text


@pytest.mark.parametrize(
    ("content", "figures", "words", "not_words"),
    [
        ("raise-up-left-hand", {"top": -0.1}, "only to the chest", "head,"),
        ("raise-up-left-hand", {"top": 0.1}, "about shoulder high", "above the head"),
        ("raise-up-left-hand", {"top": 0.5}, "high above the head", "shoulder"),
        ("raise-up-left-hand", {"straight": 50.0}, "elbow tightly bent", "straight;"),
        ("raise-up-left-hand", {"straight": 170.0}, "arm almost straight", "elbow"),
        ("raise-up-left-hand", {"rise": 0.5}, "quickly", "slowly"),
        ("raise-up-left-hand", {"top_time": 0.8}, "reaching the top late", "early"),
        ("wave-left-hand", {"waves": 4}, "about four times", "reaching the top"),
        ("wave-left-hand", {"waves": 1}, "hardly swinging it", "times"),
        ("wave-left-hand", {"sideways": 0.3}, "wide out to the side", "in front"),
    ],
)
def test_what_is_said_of_a_hand_follows_that_hand(
    content: str, figures: dict[str, float], words: str, not_words: str
) -> None:
    moved = replace(HAND, **figures)  # type: ignore[arg-type]
    for hands, label in (((moved, HAND), content), ((HAND, moved), swap_sides(content))):
        text = said(hand_facts(label, replace(STILL, hands=hands)))
        assert words in text
        assert not_words not in text


def test_the_higher_of_two_hands_is_named() -> None:
    higher = replace(HAND, top=HAND.top + 0.2)
    assert "left hand higher" in said(hand_facts("raise-up-both-hands", replace(STILL, hands=(higher, HAND))))
    assert "right hand higher" in said(hand_facts("raise-up-both-hands", replace(STILL, hands=(HAND, higher))))
    assert "hands level" in said(hand_facts("raise-up-both-hands", STILL))


def test_captions_name_content_and_style_and_four_facts() -> None:
    facts = moving_facts(WALK)
    captions = write_captions("walk-turn-left", "elderly", replace(WALK, turn=90.0), WORDING, "clip")
    assert len(captions) == CAPTIONS == len(set(captions))
    for caption in captions:
        assert "turn" in caption
        assert any(phrase in caption for phrase in WORDING.contents["walk-turn-left"])
        assert any(phrase in caption for phrase in WORDING.styles["elderly"])
        known = [*facts, *moving_facts(replace(WALK, turn=90.0))]
        found = {choices for choices in known if any(phrase in caption for phrase in choices)}
        assert len(found) >= 3


def test_words_depend_on_the_id_alone() -> None:
    first = write_captions("walk", "normal", WALK, WORDING, "a")
    assert write_captions("walk", "normal", WALK, WORDING, "a") == first
    assert write_captions("walk", "normal", WALK, WORDING, "b") != first


def variants() -> list[Measured]:
    """Figures that reach every branch of the wording."""
    moves = [
        replace(WALK, speed=s, turn=t, lean=lean, steps=n, seconds=length, first_foot="right", crouch=c, bounce=b)
        for s, t, lean, n, length, c, b in zip(
            (0.5, 1.0, 1.2, 1.5, 2.0, 2.7, 4.0), (0, 10, -40, 80, -90, 120, 180), (-9, 0, 5, 10, 30, 0, 0),
            (0, 1, 3, 20, 99, 4, 5), (2.0, 3.0, 5.0, 7.0, 9.9, 3, 3), (1, 0.9, 1, 1, 1, 1, 1), (0, 0.1, 0, 0, 0, 0, 0),
            strict=True,
        )
    ]  # fmt: skip
    hands = [
        replace(HAND, top=top, straight=angle, sideways=side, forward=front, rise=rise, top_time=when, waves=w, path=p)
        for top, angle, side, front, rise, when, w, p in zip(
            (-0.1, 0.1, 0.3, 0.4, 0.6), (40, 80, 110, 150, 170), (0.3, 0.0, 0.0, 0.1, 0.1), (0, 0.3, 0, 0, 0),
            (0.5, 1.0, 1.5, 3.0, 1.0), (0.1, 0.4, 0.9, 0.5, 0.2), (0, 1, 2, 20, 50), (0.5, 2, 4, 9, 3), strict=True,
        )
    ]  # fmt: skip
    stances = (0.1, 0.2, 0.4)
    raised = [
        replace(STILL, hands=pair, stance=stance, deepest_lean=60.0 if stance > 0.3 else 0.0)
        for pair, stance in zip(itertools.product(hands, hands), itertools.cycle(stances), strict=False)
    ]
    return moves + raised


def test_every_word_of_the_grammar_is_in_the_lexicon() -> None:
    for measured in variants():
        for content in WORDING.contents:
            facts = hand_facts(content, measured) if content in WORDING.hands else moving_facts(measured)
            for phrase in itertools.chain(WORDING.contents[content], *facts):
                assert tag(phrase)
    for phrase in itertools.chain(*WORDING.styles.values()):
        for token in tag(phrase):
            assert re.fullmatch(r"[a-z]+/[A-Z]+", token)
            assert token.split("/")[1] in POS_TAGS


def test_captions_hold_no_digits_and_every_branch_speaks() -> None:
    for number, measured in enumerate(variants()):
        for content, style in zip(WORDING.contents, itertools.cycle(WORDING.styles), strict=False):
            for caption in write_captions(content, style, measured, WORDING, f"{number}"):
                assert re.fullmatch(r"[a-z ,]+\.", caption), caption


def test_an_unknown_word_is_an_error() -> None:
    with pytest.raises(DataError, match="'flies'"):
        tag("a person flies")


def test_lemmas() -> None:
    assert tag("Someone is walking with both feet.") == [
        "someone/PRON", "be/AUX", "walk/VERB", "with/ADP", "both/DET", "foot/NOUN",
    ]  # fmt: skip


def motion(turn: float, seconds: float = 3.0, lift: float = 0.0) -> np.ndarray:
    """A stick figure that glides ahead at 1 m/s, turns on the way, and lifts its right hand by ``lift`` metres."""
    frames = int(seconds * 20)
    pose = np.zeros((22, 3))
    for joint, parent in enumerate(SKELETON.parents):
        if parent >= 0:
            pose[joint] = pose[parent] + SKELETON.offsets[joint]
    pose[:, 1] -= pose[:, 1].min()
    yaw = np.radians(turn * np.clip(np.linspace(-0.3, 1.3, frames), 0, 1))
    cos, sin = np.cos(yaw), np.sin(yaw)
    turned = np.stack([np.stack([cos, 0 * yaw, sin], -1), np.stack([0 * yaw, 1 + 0 * yaw, 0 * yaw], -1),
                       np.stack([-sin, 0 * yaw, cos], -1)], axis=1)  # fmt: skip
    poses = np.tile(pose, (frames, 1, 1))
    poses[:, 21, 1] += lift * np.sin(np.linspace(0, np.pi, frames))
    path = np.cumsum(np.stack([sin, 0 * yaw, cos], -1) / 20, axis=0)
    return np.einsum("fxy,fjy->fjx", turned, poses) + path[:, None]


@pytest.mark.parametrize("turn", [0.0, 90.0, -135.0])
def test_measured_path_and_turn(turn: float) -> None:
    found = measure(motion(turn), 20.0)
    assert found.turn == pytest.approx(turn, abs=4)
    assert found.seconds == 3.0
    assert found.speed == pytest.approx(1.0, abs=0.05)
    if turn == 0:
        assert found.distance == pytest.approx(2.95, abs=0.01)
        assert found.direction == pytest.approx(0, abs=1e-6)


def test_measured_hand() -> None:
    resting, lifted = measure(motion(0.0), 20.0).hands, measure(motion(0.0, lift=0.7), 20.0).hands
    assert lifted[0].path == pytest.approx(resting[0].path, abs=1e-9)
    assert lifted[1].path == pytest.approx(1.4, abs=0.05)
    assert lifted[1].top - resting[1].top == pytest.approx(0.7, abs=0.02)
    assert lifted[1].lifts == 1
    assert lifted[1].top_time == pytest.approx(0.5, abs=0.05)


def test_a_mirrored_motion_measures_mirrored() -> None:
    joints = motion(70.0, lift=0.5)
    here, there = measure(joints, 20.0), measure(mirror_joints(joints, SKELETON), 20.0)
    assert there.turn == pytest.approx(-here.turn)
    assert there.direction == pytest.approx(-here.direction)
    assert there.distance == pytest.approx(here.distance)
    for a, b in zip(here.hands, reversed(there.hands), strict=True):
        assert (a.path, a.top, a.sideways) == pytest.approx((b.path, b.top, b.sideways))


@pytest.mark.parametrize(
    ("label", "turn", "expected"),
    [
        ("walk-turn-left", 80.0, "walk-turn-left"),
        ("walk-turn-left", -80.0, "walk-turn-right"),
        ("walk-turn-right", -1.0, "walk"),
        ("walk-left", -80.0, "walk-left"),
        ("raise-up-left-hand", -80.0, "raise-up-left-hand"),
    ],
)
def test_side_of_a_turn_is_the_measured_one(label: str, turn: float, expected: str) -> None:
    assert content_as_measured(label, replace(WALK, turn=turn)) == expected


@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("a person is running.", "a/DET person/NOUN be/AUX run/VERB"),
        ("at a good running speed", "at/ADP a/DET good/ADJ running/NOUN speed/NOUN"),
        ("someone steps backward, with two steps", "someone/PRON step/VERB backward/ADV with/ADP two/NUM step/NOUN"),
        ("with a straight back", "with/ADP a/DET straight/ADJ back/NOUN"),
        ("the person goes back", "the/DET person/NOUN go/VERB back/ADV"),
        ("as if very old", "as/ADP if/OTHER very/ADV old/ADJ"),
    ],
)
def test_words_of_two_classes_are_tagged_by_what_stands_before_them(caption: str, tokens: str) -> None:
    assert " ".join(tag(caption)) == tokens

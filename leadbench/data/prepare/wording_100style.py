"""Words for the labels of 100STYLE: movements by the code in a file's name, styles by its first part.

What is said of a style follows its name alone, so it is no more than the name claims.
"""

from __future__ import annotations

import re

from leadbench.data.prepare.captions import Wording, window_facts

CONTENTS = {
    "BR": "run-backward", "BW": "walk-backward", "FR": "run-forward", "FW": "walk-forward", "ID": "stand",
    "SR": "run-sideways", "SW": "walk-sideways", "TR1": "change", "TR2": "change", "TR3": "change",
}  # fmt: skip
"""Movement codes; TR are transitions between the other movements."""

_FIGURES = {
    "Aeroplane": "an aeroplane", "Cat": "a cat", "Chicken": "a chicken", "Dinosaur": "a dinosaur",
    "FairySteps": "a fairy",
    "LawnMower": "somebody with a lawnmower", "Monk": "a monk", "Morris": "a morris dancer", "Old": "an old person",
    "Penguin": "a penguin", "Quail": "a quail", "Roadrunner": "a roadrunner", "Robot": "a robot", "Rocket": "a rocket",
    "Star": "a star", "Superman": "a superman", "Teapot": "a teapot", "Zombie": "a zombie",
}  # fmt: skip
_MANNERS = {
    "Akimbo": "with the arms akimbo", "Angry": "in an angry way", "ArmsAboveHead": "with the arms above the head",
    "ArmsBehindBack": "with the arms behind the back", "ArmsBySide": "with the arms by the side",
    "ArmsFolded": "with the arms folded", "Balance": "keeping the balance", "BeatChest": "beating the chest",
    "BentForward": "bent forward", "BentKnees": "on bent knees", "BigSteps": "with big steps",
    "BouncyLeft": "bouncy on the left", "BouncyRight": "bouncy on the right", "CrossOver": "crossing the legs over",
    "Crouched": "in a crouch", "CrowdAvoidance": "as if avoiding a crowd", "Depressed": "as if depressed",
    "DragLeftLeg": "dragging the left leg", "DragRightLeg": "dragging the right leg", "Drunk": "as if drunk",
    "DuckFoot": "with the feet of a duck", "Elated": "as if elated", "Flapping": "flapping the arms",
    "FlickLegs": "flicking the legs", "Followed": "as if followed", "GracefulArms": "with graceful arms",
    "HandsBetweenLegs": "with the hands between the legs", "HandsInPockets": "with the hands in the pockets",
    "Heavyset": "as if heavyset", "HighKnees": "with high knees", "InTheDark": "as if in the dark",
    "KarateChop": "with karate chops", "Kick": "with kicks", "LeanBack": "leaning back",
    "LeanLeft": "leaning to the left",
    "LeanRight": "leaning to the right", "LeftHop": "hopping on the left foot", "LegsApart": "with the legs apart",
    "LimpLeft": "limping on the left", "LimpRight": "limping on the right", "LookUp": "looking up",
    "Lunge": "with lunges", "March": "as if on a march", "Neutral": "in a neutral way", "OnHeels": "on the heels",
    "OnPhoneLeft": "with a phone in the left hand", "OnPhoneRight": "with a phone in the right hand",
    "OnToesBentForward": "on the toes and bent forward", "OnToesCrouched": "on the toes in a crouch",
    "PendulumHands": "with hands like a pendulum", "PigeonToed": "with the toes of a pigeon", "Proud": "in a proud way",
    "Punch": "with punches", "RaisedLeftArm": "with the left arm raised", "RaisedRightArm": "with the right arm raised",
    "RightHop": "hopping on the right foot", "Rushed": "as if rushed",
    "ShieldedLeft": "as if with a shield on the left",
    "ShieldedRight": "as if with a shield on the right", "Skip": "skipping", "SlideFeet": "sliding the feet",
    "SpinAntiClock": "spinning counterclockwise", "SpinClock": "spinning clockwise",
    "StartStop": "starting and stopping", "Stiff": "in a stiff way", "Strutting": "strutting",
    "Swat": "as if swatting at something",
    "Sweep": "as if sweeping the floor", "Swimming": "as if swimming", "SwingArmsRound": "swinging the arms round",
    "SwingShoulders": "swinging the shoulders", "Tiptoe": "on tiptoe",
    "TogetherStep": "putting the feet together at each step",
    "TwoFootJump": "jumping with two feet", "WalkingStickLeft": "with a walking stick on the left",
    "WalkingStickRight": "with a walking stick on the right", "Waving": "waving", "WhirlArms": "whirling the arms",
    "WideLegs": "with wide legs", "WiggleHips": "wiggling the hips", "WildArms": "with wild arms",
    "WildLegs": "with wild legs",
}  # fmt: skip

HUNDRED_STYLE_WORDING = Wording(
    contents={
        "walk-forward": ("walks forward", "is walking forward", "walks along"),
        "walk-backward": ("walks backward", "is walking backward", "steps backward"),
        "walk-sideways": ("walks sideways", "is walking sideways", "steps sideways"),
        "run-forward": ("runs forward", "is running forward", "runs along"),
        "run-backward": ("runs backward", "is running backward"),
        "run-sideways": ("runs sideways", "is running sideways"),
        "stand": ("stands", "is standing", "stays standing"),
        "change": ("moves around and changes pace", "changes from one movement to another", "keeps changing pace"),
    },
    styles={
        **{style: (f"like {figure}", f"in the style of {figure}") for style, figure in _FIGURES.items()},
        **{style: (manner,) for style, manner in _MANNERS.items()},
    },
    facts=window_facts,
)


def names_a_side(style: str) -> bool:
    """Whether a style says left or right, or which way it spins: its mirrored copy would be another style.

    >>> names_a_side("LimpLeft"), names_a_side("SpinClock"), names_a_side("Superman")
    (True, True, False)
    """
    return re.search(r"Left|Right|Clock", style) is not None

"""Words whose tag the official evaluators override (text-to-motion, utils/word_vectorizer.py; MIT licence).

A caption's token keeps its word vector, but its part-of-speech one-hot becomes that of the list. Exact match, no
lemmas. A word of two lists gets the first: places, body, objects, actions, manners.
"""

from __future__ import annotations

from collections.abc import Mapping

LISTS: Mapping[str, str] = {
    "Loc_VIP": "left right clockwise counterclockwise anticlockwise forward back backward up down straight curve",
    "Body_VIP": "arm chin foot feet face hand mouth leg waist eye knee shoulder thigh",
    "Obj_VIP": "stair dumbbell chair window floor car ball handrail baseball basketball",
    "Act_VIP": "walk run swing pick bring kick put squat throw hop dance jump turn stumble stop sit lift lower raise "
    "wash stand kneel stroll rub bend balance flap jog shuffle lean rotate spin spread climb",
    "Desc_VIP": "slowly carefully fast careful slow quickly happy angry sad happily angrily sadly",
}

SPECIAL_WORDS: Mapping[str, str] = {word: tag for tag in reversed(list(LISTS)) for word in LISTS[tag].split()}
"""Word -> tag that overrides the caption's own."""

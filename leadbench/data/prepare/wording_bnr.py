"""Words for the labels of the Bandai-Namco Research motion dataset."""

from __future__ import annotations

from leadbench.data.prepare.captions import Wording

_RAISE = ("raises {0}", "lifts {0}", "puts {0} up")
_WAVE = ("waves {0}", "is waving {0}", "swings {0} from side to side")
_HANDS = {
    "both-hands": ("both hands", "both arms", "the two hands"),
    "left-hand": ("the left hand", "the left arm"),
    "right-hand": ("the right hand", "the right arm"),
}


def _hand_contents() -> dict[str, tuple[str, ...]]:
    contents = {}
    for hand, nouns in _HANDS.items():
        contents[f"raise-up-{hand}"] = tuple(verb.format(noun) for verb in _RAISE for noun in nouns)
        contents[f"wave-{hand}"] = tuple(verb.format(noun) for verb in _WAVE for noun in nouns)
    return contents


BANDAI_NAMCO_WORDING = Wording(
    contents={
        **_hand_contents(),
        "walk": ("walks", "is walking", "goes for a walk", "strolls along"),
        "walk-back": ("walks backward", "is walking backward", "steps backward", "goes back"),
        "walk-left": ("walks to the left", "moves to the left", "goes left"),
        "walk-right": ("walks to the right", "moves to the right", "goes right"),
        "walk-turn-left": ("walks and turns left", "is walking and turns to the left", "turns left while walking"),
        "walk-turn-right": ("walks and turns right", "is walking and turns to the right", "turns right while walking"),
        "run": ("runs", "is running", "goes for a run"),
        "dash": ("dashes", "sprints", "rushes off"),
        "bow": ("bows", "makes a bow", "takes a bow"),
        "bye": ("waves goodbye", "says goodbye with a wave", "gives a goodbye wave"),
        "byebye": ("waves goodbye again and again", "keeps waving goodbye", "says a long goodbye with waves"),
        "call": ("calls somebody over", "beckons", "makes a calling sign"),
        "guide": ("shows the way", "guides somebody", "points out the way"),
        "respond": ("responds to somebody", "gives an answer with the body"),
        "dance-long": ("dances", "is dancing", "does a dance"),
        "dance-short": ("dances", "is dancing", "does a short dance"),
        "kick": ("kicks", "gives a kick", "does a kick"),
        "punch": ("punches", "throws a punch", "boxes"),
        "slash": ("slashes", "makes a slash", "cuts through the air"),
    },
    styles={
        "normal": ("in a normal way", "normally", "like anybody", "as usual"),
        "active": ("full of energy", "energetically", "in a lively way"),
        "elderly": ("like an old person", "like an elderly person", "as if very old"),
        "old": ("like an old person", "like an elderly person", "as if very old"),
        "exhausted": ("as if exhausted", "worn out", "dragging the body"),
        "tired": ("as if tired", "tiredly", "like after a long day"),
        "feminine": ("like a lady", "in a feminine way", "gracefully like a woman"),
        "masculine": ("like a tough man", "in a masculine way", "with manly strength"),
        "masculinity": ("like a tough man", "in a masculine way", "with manly strength"),
        "youthful": ("like a young person", "youthfully", "in a youthful way"),
        "angry": ("angrily", "as if angry", "in anger"),
        "childish": ("like a child", "in a childish way"),
        "chimpira": ("like a street thug", "swaggering", "with a swagger"),
        "giant": ("like a giant", "heavily like a giant"),
        "happy": ("happily", "as if happy", "in a happy mood"),
        "musical": ("as if in a musical", "like on stage", "theatrically"),
        "not-confident": ("without confidence", "shyly", "timidly"),
        "proud": ("proudly", "full of pride", "as if proud"),
        "sad": ("sadly", "as if sad", "in a sad mood"),
    },
    hands=frozenset(_hand_contents()),
)

"""Part-of-speech tags and lemmas for the words that captions are made of.

HumanML3D tags with spaCy; captions here come from a closed vocabulary, so a lexicon does it without a model. A word
outside the lexicon is an error, not a guess.
"""

from __future__ import annotations

from leadbench.core.errors import DataError

_WORDS = {
    "DET": ("a an the both all some another each"),
    "PRON": ("someone somebody anybody something it"),
    "ADP": (
        "of in on at with to for over up down out off through without under beside above near from into while after "
        "by below until along within about like as than behind between"
    ),
    "NUM": (
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty zero ninety"
    ),
    "AUX": ("is"),
    "ADJ": (
        "normal old elderly young tough masculine feminine youthful lively long short slow fast easy brisk gentle "
        "good full straight quarter half wide bent quick calm top big small clear little quiet tight deep angry "
        "childish happy sad low proud exhausted tired worn possible bouncy open high level manly still close far "
        "sharp other hurt lifted stretched seated akimbo depressed drunk elated graceful heavyset neutral stiff wild"
    ),
    "ADV": (
        "very normally energetically gracefully tiredly youthfully angrily happily sadly proudly shyly timidly "
        "theatrically heavily slowly quickly briskly rather fairly almost slightly not only even quite about "
        "roughly so ahead backward forward back again here first early soon late equally hardly barely nearly "
        "tightly widely gently together apart away around neither nor more well usual goodbye higher upright "
        "anywhere tall too left right then next once twice halfway sideways clockwise counterclockwise calmly "
        "carefully deeply firmly quietly swiftly shortly overhand underhand round"
    ),
    "OTHER": ("and or but if that"),
    "NOUN": (  # said in the singular only
        "aeroplane balance cat chicken crowd dancer dark dinosaur duck fairy karate lawnmower march monk morris "
        "pendulum penguin phone pigeon quail roadrunner robot rocket shield star stick style superman teapot zombie"
    ),
}
_NOUNS = (
    "person figure actor hand arm foot step metre turn way walk run bow wave dance kick punch slash sign answer "
    "body energy day lady woman man strength child thug swagger giant mood musical stage confidence pride anger "
    "pace speed crawl hurry jog line waist bend chest shoulder height head face sky elbow side front middle "
    "swing movement flash time lot top end hip stance knee spot place moment second while air street left right "
    "square bit running jogging calling upper ball box chair circle curve degree eighth fist floor jack jump "
    "jumping leg limp obstacle race seat soldier squat sidestep thief throw tiptoe row crouch chop "
    "heel lunge pocket toe"
)
_VERBS = {
    "walk": "walks walking", "run": "runs running", "go": "goes going", "stroll": "strolls", "step": "steps",
    "move": "moves moving", "turn": "turns turning", "dash": "dashes", "sprint": "sprints", "rush": "rushes rushed",
    "bow": "bows", "make": "makes", "take": "takes taking", "wave": "waves waving", "say": "says", "give": "gives",
    "keep": "keeps keeping", "call": "calls calling", "beckon": "beckons", "show": "shows", "guide": "guides",
    "point": "points", "respond": "responds", "dance": "dances dancing", "do": "does doing", "kick": "kicks",
    "punch": "punches", "throw": "throws", "box": "boxes", "slash": "slashes", "cut": "cuts", "raise": "raises raised",
    "lift": "lifts lifting", "put": "puts putting", "swing": "swings swinging", "drag": "dragging",
    "swagger": "swaggering",
    "start": "starting", "begin": "beginning", "stay": "stays staying", "rise": "rising", "fall": "falling",
    "drift": "drifting", "veer": "veering", "bend": "bending", "curve": "curving", "cover": "covering",
    "lean": "leaning", "tilt": "tilted", "stoop": "stooping", "stand": "stands standing", "push": "pushed",
    "clap": "claps clapping", "creep": "creeps", "crouch": "crouches crouching", "duck": "ducks", "get": "gets",
    "hang": "hanging", "hold": "holds", "hop": "hops hopping", "hurt": "hurts", "jump": "jumps", "leap": "leaps",
    "lie": "lies", "limp": "limps limping", "march": "marches marching", "perform": "performs", "pick": "picks",
    "rest": "rests", "shuffle": "shuffles", "sit": "sits", "sneak": "sneaks sneaking", "squat": "squats",
    "sway": "sways", "use": "using", "bounce": "bouncing", "pump": "pumping", "fold": "folding folded",
    "stretch": "stretching", "reach": "reaching", "avoid": "avoiding", "beat": "beating", "change": "changes changing",
    "cross": "crossing", "flap": "flapping", "flick": "flicking", "follow": "followed", "look": "looking",
    "skip": "skipping", "slide": "sliding", "spin": "spinning", "stop": "stopping", "strut": "strutting",
    "swat": "swatting", "sweep": "sweeping", "swim": "swimming", "whirl": "whirling", "wiggle": "wiggling",
}  # fmt: skip


_NOMINAL = frozenset({"DET", "ADJ", "NUM", "ADP"})
"""Tags after which a word that could be either is a noun: "two steps", but "a person steps"."""


def _nouns() -> dict[str, tuple[str, str]]:
    singular = {noun: (noun, "NOUN") for noun in _NOUNS.split()}
    plural = {f"{noun}s": (noun, "NOUN") for noun in _NOUNS.split()}
    return {
        **singular,
        **plural,
        "punches": ("punch", "NOUN"),
        "slashes": ("slash", "NOUN"),
        "feet": ("foot", "NOUN"),
        "quarters": ("quarter", "NOUN"),
    }


def _others() -> dict[str, tuple[str, str]]:
    """Verbs in the forms that captions use (never the bare form of one that is a noun too) and the closed classes."""
    verbs = {form: (verb, "VERB") for verb, forms in _VERBS.items() for form in forms.split()}
    closed = {word: (word, tag) for tag, words in _WORDS.items() for word in words.split()}
    return {**verbs, **closed, "is": ("be", "AUX")}


_LEXICON = {**_nouns(), **_others()}
_EITHER = {word: noun for word, noun in {**_nouns(), "back": ("back", "NOUN")}.items() if word in _others()}


def tag(caption: str) -> list[str]:
    """Tokens ``lemma/POS`` of a caption; punctuation is left out.

    Raises:
        DataError: a word is not in the lexicon.

    >>> tag("A person walks slowly, with two steps and a straight back.")[2:7]
    ['walk/VERB', 'slowly/ADV', 'with/ADP', 'two/NUM', 'step/NOUN']
    """
    tokens: list[str] = []
    before = ""
    for word in caption.lower().replace(",", " ").replace(".", " ").split():
        if word not in _LEXICON:
            raise DataError(f"tagging: the word {word!r} of caption {caption!r} is not in the lexicon")
        noun = _EITHER.get(word)
        lemma, before = noun if noun is not None and before in _NOMINAL else _LEXICON[word]
        tokens.append(f"{lemma}/{before}")
    return tokens

"""Captions of one action, or of two in a row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leadbench.data.synthetic.act import Act, choose

CAPTIONS = 4
_SUBJECTS = ("a person", "someone", "the person", "a man", "a woman", "a figure", "somebody")
_LINKS = (", then", " and then", ", and after that", ", next")


def write_captions(acts: Sequence[Act], rng: np.random.Generator) -> tuple[str, ...]:
    """Four different captions; each tells every action, and some of the details of each."""
    captions: dict[str, None] = {}
    while len(captions) < CAPTIONS:
        captions[_caption(acts, rng)] = None
    return tuple(captions)


def _caption(acts: Sequence[Act], rng: np.random.Generator) -> str:
    subject = choose(rng, _SUBJECTS)
    most = 3 if len(acts) == 1 else 2
    clauses = [_clause(act, rng, most, first=number == 0) for number, act in enumerate(acts)]
    text = f"{subject} {clauses[0]}"
    for clause in clauses[1:]:
        text += f"{choose(rng, _LINKS)} {clause}"
    return f"{text}."


def _clause(act: Act, rng: np.random.Generator, most: int, *, first: bool) -> str:
    verbs = act.verbs if first else tuple(verb for verb in act.verbs if not verb.startswith("is "))
    count = min(len(act.details), most)
    chosen = sorted(rng.permutation(len(act.details))[:count])
    said = [choose(rng, act.details[i]) for i in chosen]
    if len(said) > 1 and rng.random() < 0.5:
        said = said[::-1]
    glue = ", " if rng.random() < 0.4 else " "
    # a fact that continues the sentence cannot stand before another
    said.sort(key=lambda fact: fact.startswith("and "))
    return " ".join([choose(rng, verbs), glue.join(said)])

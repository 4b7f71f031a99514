"""What a participant sees in which order: a function of the study and of the participant's number."""

from __future__ import annotations

from dataclasses import dataclass

from leadbench.core.random import stream
from leadbench.study.plan import PARTS, SCALE, StudyPlan


@dataclass(frozen=True)
class Item:
    """A page of a part.

    Attributes:
        name: of a pair, or of a check (``check-1``).
        pair: whose motions are shown.
        swapped: whether the second row is motion A.
        wanted: ratings of A and B that a check asks for; None: it is no check.
    """

    name: str
    pair: str
    swapped: bool
    wanted: tuple[int, int] | None = None


def items_of(plan: StudyPlan, participant: str) -> dict[str, tuple[Item, ...]]:
    """Pages of each part: pairs in an order of their own, sides drawn for each, checks among them, never first.

    Of every two pairs one is swapped, so that no side has an advantage by chance.
    """
    return {part: _part(plan, participant, part) for part in PARTS}


def _part(plan: StudyPlan, participant: str, part: str) -> tuple[Item, ...]:
    draws = stream(plan.seed, f"study-{part}", plan.identity, participant)
    order = draws.permutation(len(plan.pairs))
    swapped = draws.permutation([bool(place % 2) for place in range(len(plan.pairs))])
    found = [Item(plan.pairs[at].name, plan.pairs[at].name, bool(swapped[at])) for at in order]
    for number in range(plan.checks):
        first, second = (int(value) for value in draws.choice(SCALE, 2, replace=False))
        shown = plan.pairs[int(draws.integers(len(plan.pairs)))].name
        place = int(draws.integers(1, len(found) + 1))
        found.insert(place, Item(f"check-{number + 1}", shown, bool(draws.integers(2)), (first, second)))
    return tuple(found)

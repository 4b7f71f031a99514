"""Orders of pages, and where a participant is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from studies import make_study

from leadbench.study.answers import Participant
from leadbench.study.order import items_of
from leadbench.study.plan import PARTS, Study
from leadbench.study.position import Position


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("order") / "study", pairs=6, checks=2)


def test_everybody_sees_every_pair_once_in_each_part(study: Study) -> None:
    names = sorted([pair.name for pair in study.plan.pairs] + ["check-1", "check-2"])
    for number in range(50):
        items = items_of(study.plan, f"{number:064x}")
        assert items == items_of(study.plan, f"{number:064x}")
        for part in PARTS:
            assert sorted(item.name for item in items[part]) == names
            assert items[part][0].wanted is None
            pairs = [item for item in items[part] if item.wanted is None]
            assert sum(item.swapped for item in pairs) == 3
            for item in items[part]:
                assert item.wanted is None or item.wanted[0] != item.wanted[1]


def test_places_and_sides_are_even_over_participants(study: Study) -> None:
    firsts, swapped = Counter[str](), Counter[str]()
    for number in range(600):
        items = items_of(study.plan, f"{number:064x}")["realism"]
        firsts[items[0].name] += 1
        swapped.update(item.name for item in items if item.swapped and item.wanted is None)
    assert len(firsts) == 6
    assert all(60 < count < 140 for count in firsts.values())
    assert all(250 < count < 350 for count in swapped.values())


def test_another_study_has_other_orders(study: Study, tmp_path: Path) -> None:
    other = make_study(tmp_path / "other", pairs=6, checks=2, seed=1)
    assert items_of(other.plan, "a" * 64) != items_of(study.plan, "a" * 64)


def test_a_gap_is_gone_back_to(study: Study) -> None:
    """Answers that came from elsewhere may lack one: the participant is led to it."""
    items = items_of(study.plan, "b" * 64)["realism"]
    answers = {("realism", item.name): (3, 3) for number, item in enumerate(items) if number != 2}
    person = Participant("b" * 64, "en", "t", {}, None, answers, {("realism", items[0].name): "t"})
    found = Position.of(study.plan, person)
    assert found.address == "/rate/realism/3"
    assert found.may_rate("realism", 3)
    assert not found.may_rate("realism", 4)
    assert not found.may_rate("relevance", 1)

"""Which pairs a study shows."""

from __future__ import annotations

from collections import Counter

import pytest

from leadbench.core.errors import ConfigError
from leadbench.study.choosing import choose_pairs

LABELS = ["walk"] * 6 + ["jump"] * 3 + ["wave"] + [None] * 2
CHANGES = [float(number % 5) for number in range(len(LABELS))]


def test_the_most_changed() -> None:
    chosen = choose_pairs("changed", CHANGES, LABELS, 4, 0)
    assert {CHANGES[at] for at in chosen} == {4.0, 3.0}
    assert chosen == sorted(chosen)


def test_random_ones_depend_on_the_seed_alone() -> None:
    draws = [tuple(choose_pairs("random", CHANGES, LABELS, 5, seed)) for seed in (0, 0, 1, 2)]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3
    assert all(len(set(draw)) == 5 for draw in draws)


def test_every_class_has_a_turn_before_any_has_two() -> None:
    of = [LABELS[at] for at in choose_pairs("stratified", CHANGES, LABELS, 3, 0)]
    assert sorted(of) == ["jump", "walk", "wave"]
    more = Counter(LABELS[at] for at in choose_pairs("stratified", CHANGES, LABELS, 10, 0))
    assert more == {"walk": 6, "jump": 3, "wave": 1}


@pytest.mark.parametrize(
    ("choice", "labels", "count", "said"),
    [
        ("random", LABELS, 13, "--pairs 13: there are 12 candidates"),
        ("stratified", ["walk"] * 12, 2, "1 classes of captions; at least 2"),
        ("stratified", LABELS, 11, "--pairs 11: 10 candidates have a class"),
    ],
)
def test_too_few(choice: str, labels: list[str | None], count: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        choose_pairs(choice, CHANGES, labels, count, 0)

"""Which pairs a study shows."""

from __future__ import annotations

from collections.abc import Sequence

from leadbench.core.errors import ConfigError
from leadbench.core.random import stream

CHOICES = ("changed", "random", "stratified")
"""Ways to choose: the pairs that differ most, as the paper's were; any; or some of every class of captions."""


def choose_pairs(
    choice: str, changes: Sequence[float], labels: Sequence[str | None], count: int, seed: int
) -> list[int]:
    """Places of the chosen candidates, in the order of the candidates.

    Args:
        choice: of :data:`CHOICES`.
        changes: how far the two motions of each candidate are apart.
        labels: class of each caption; for ``stratified``.
        count: how many to choose.
        seed: of the draws.

    Raises:
        ConfigError: there are fewer candidates, or no classes to spread over.

    >>> choose_pairs("changed", [0.1, 0.5, 0.3], [None] * 3, 2, 0)
    [1, 2]
    >>> sorted(choose_pairs("stratified", [0.0] * 4, ["walk", "walk", "walk", "jump"], 2, 0))[-1]
    3
    """
    if count > len(changes):
        raise ConfigError(f"--pairs {count}: there are {len(changes)} candidates")
    draws = stream(seed, "study-pairs", choice)
    if choice == "changed":
        chosen = sorted(range(len(changes)), key=lambda at: -changes[at])[:count]
    elif choice == "random":
        chosen = [int(at) for at in draws.permutation(len(changes))[:count]]
    else:
        chosen = _stratified(labels, count, [int(at) for at in draws.permutation(len(changes))])
    return sorted(chosen)


def _stratified(labels: Sequence[str | None], count: int, order: Sequence[int]) -> list[int]:
    """One of each class in turn, classes with more candidates first, within a class in a drawn order."""
    classes: dict[str, list[int]] = {}
    for at in order:
        label = labels[at]
        if label is not None:
            classes.setdefault(label, []).append(at)
    if len(classes) < 2:
        raise ConfigError(f"--choose stratified: {len(classes)} classes of captions; at least 2 are needed")
    queues = sorted(classes.values(), key=lambda places: (-len(places), str(labels[places[0]])))
    rounds = max(map(len, queues))
    turns = [queue[number] for number in range(rounds) for queue in queues if number < len(queue)]
    if len(turns) < count:
        raise ConfigError(f"--pairs {count}: {len(turns)} candidates have a class")
    return turns[:count]

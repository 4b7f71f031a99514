"""Which runs are of other trainings of one recipe, and what several of them say together.

Replications draw the evaluation's random numbers anew; trainings draw everything anew. A difference between two models
is about their recipes only as far as it exceeds what the seed of a training changes, so where a claim's rows were
measured in several trainings, the training is the unit: each gives one number, its mean over replications, and these
are tested by Student's t with trainings - 1 degrees of freedom. In a balanced design this is the test of the mixed
model with a random effect of the training; replications beyond a few only make the means more exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from leadbench.metrics.statistics import PairedTest, t_test
from leadbench.report.claims.judge import Comparison

_JUDGE = "evaluator"  # runs are judged together by evaluator already


@dataclass(frozen=True)
class Training:
    """What the models of a run are.

    Attributes:
        weights: SHA-256 of every file but the evaluator's, by the model's name.
        recipes: SHA-256 of how each was trained, without the seed (:attr:`leadbench.zoo.files.ModelCard.recipe`).
    """

    weights: Mapping[str, str] = field(default_factory=dict)
    recipes: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(identity: Mapping[str, Any]) -> Training:
        """From a stored run's identity; records of versions that did not note recipes have none."""
        weights, trained = identity.get("weights"), identity.get("trainings")
        files = weights if isinstance(weights, Mapping) else {}
        notes = trained if isinstance(trained, Mapping) else {}
        return Training(
            {name: str(digest) for name, digest in files.items() if name != _JUDGE},
            {
                name: str(note["recipe"])
                for name, note in notes.items()
                if isinstance(note, Mapping) and "recipe" in note
            },
        )

    def repeats(self, other: Training) -> bool:
        """Whether this is another training of the same recipes: some weights differ, and no recipe does.

        >>> first = Training({"denoiser": "a"}, {"denoiser": "r"})
        >>> first.repeats(Training({"denoiser": "b"}, {"denoiser": "r"}))
        True
        >>> first.repeats(first) or first.repeats(Training({"denoiser": "b"}, {"denoiser": "s"}))
        False
        """
        shared = set(self.weights) & set(other.weights)
        differing = {name for name in shared if self.weights[name] != other.weights[name]}
        return bool(differing) and all(
            name in self.recipes and self.recipes[name] == other.recipes.get(name) for name in differing
        )


@dataclass(frozen=True)
class Tested:
    """A comparison in one run or several: means of both rows, and the test of their differences.

    ``trainings`` holds the mean difference of each training; one where a single training was measured.
    """

    comparison: Comparison
    first: float
    second: float
    test: PairedTest
    trainings: tuple[float, ...]


Held = TypeVar("Held")


def of_other_trainings(told: Sequence[tuple[Training, Sequence[Tested], Held]]) -> list[tuple[Sequence[Tested], Held]]:
    """The first, and those behind it that are other trainings of its recipes and of each other's.

    Args:
        told: the best first; each with the training, what it says of a claim, and whatever the caller wants back.
    """
    chosen: list[tuple[Training, Sequence[Tested], Held]] = []
    for item in told:
        if all(item[0].repeats(other[0]) and not _equal(item[1], other[1]) for other in chosen):
            chosen.append(item)
    return [(tested, held) for _, tested, held in chosen]


def together(parts: Sequence[Tested]) -> Tested:
    """One comparison over several trainings, each with the weight of one."""
    comparison, means = parts[0].comparison, [part.test.mean for part in parts]
    test = t_test(means, comparison.bound, equivalence=comparison.direction == "equal")
    return Tested(comparison, _mean(p.first for p in parts), _mean(p.second for p in parts), test, tuple(means))


def _equal(first: Sequence[Tested], second: Sequence[Tested]) -> bool:
    """Whether two runs say the same to the last digit: the models that the claim is about are the same ones."""
    return all(a.test.mean == b.test.mean and a.first == b.first for a, b in zip(first, second, strict=True))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)

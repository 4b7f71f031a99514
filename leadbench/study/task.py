"""Answers to a study as records: a participant is a replication, a row one of the two sides."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from leadbench.core.errors import ConfigError, ResultsError
from leadbench.results.details import StudyDetails
from leadbench.results.records import MetricColumn, Record, record_key
from leadbench.study.answers import Answers, Participant
from leadbench.study.order import items_of
from leadbench.study.plan import PARTS, Study, StudyPlan
from leadbench.tasks.shared.units import Task, Unit

PROTOCOL = "study-1"
PEOPLE = "people"
COLUMNS = {
    "realism": MetricColumn(display="Realism", better=1),
    "relevance": MetricColumn(display="Text-motion relevance", better=1),
}
UNFINISHED, FAILED = "did not finish", "failed an attention check"
NOT_SAID = "not said"


@dataclass(frozen=True)
class Ratings:
    """Ratings of one participant.

    Attributes:
        sides: for each side: part -> pair -> rating.
        about: what the participant said about themselves.
        minutes: from the beginning to the end.
    """

    sides: tuple[Mapping[str, Mapping[str, int]], Mapping[str, Mapping[str, int]]]
    about: Mapping[str, str]
    minutes: float


@dataclass(frozen=True)
class Collected:
    """Ratings that count, and how many participants are left out, by the reason."""

    ratings: tuple[Ratings, ...]
    left_out: Mapping[str, int]


def collect(plan: StudyPlan, people: Sequence[Participant], *, failed_too: bool = False) -> Collected:
    """Ratings of those who finished and did what the attention checks said.

    Args:
        people: in the order in which they began.
        failed_too: whether a failed check counts for nothing.
    """
    found, left = [], Counter[str]()
    for person in people:
        items = items_of(plan, person.id)
        keys = [(part, item) for part in PARTS for item in items[part]]
        if person.finished is None or any((part, item.name) not in person.answers for part, item in keys):
            left[UNFINISHED] += 1
            continue
        wrong = any(item.wanted not in (None, person.answers[part, item.name]) for part, item in keys)
        if wrong and not failed_too:
            left[FAILED] += 1
            continue
        sides: tuple[dict[str, dict[str, int]], ...] = ({}, {})
        for part, item in keys:
            if item.wanted is None:
                a, b = person.answers[part, item.name]
                for side, rating in zip(sides, (b, a) if item.swapped else (a, b), strict=True):
                    side.setdefault(part, {})[item.pair] = rating
        found.append(Ratings((sides[0], sides[1]), person.about or {}, _minutes(person.began, person.finished)))
    return Collected(tuple(found), dict(left))


@dataclass
class StudyTask(Task):
    """Ratings of two rows of motions by people.

    Args:
        plan: what was rated.
        collected: by whom, and how.
    """

    plan: StudyPlan
    collected: Collected
    name: str = "study"
    columns: Mapping[str, MetricColumn] = field(default_factory=lambda: COLUMNS)

    def __post_init__(self) -> None:
        self.names = self.plan.names

    @property
    def group(self) -> str:
        """The dataset's name."""
        return self.plan.dataset

    def identity(self) -> dict[str, Any]:
        """The study, what its motions depend on, and every rating."""
        told = [[dict(rating.sides[0]), dict(rating.sides[1])] for rating in self.collected.ratings]
        return {
            "study": self.plan.identity,
            "dataset": self.plan.inputs["dataset"],
            "trainings": self.plan.inputs["trainings"],
            "weights": self.plan.inputs["weights"],
            "config": {"pairs": len(self.plan.pairs), "choice": self.plan.choice, "seed": self.plan.seed},
            "answers": hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest(),
            "left_out": dict(self.collected.left_out),
        }

    def check(self) -> None:
        """Whether there is something to compare.

        Raises:
            ResultsError: fewer than two participants count.
        """
        count = len(self.collected.ratings)
        if count < 2:
            left = ", ".join(f"{number} {reason}" for reason, number in self.collected.left_out.items())
            raise ResultsError(
                f"{count} participants count{f' ({left})' if left else ''}; at least 2 are needed for intervals"
            )

    def units(self) -> list[Unit]:
        """One for each participant: both rows."""
        return [
            Unit(
                f"participant {number + 1}",
                tuple(record_key(side.row, number) for side in self.plan.sides),
                partial(self._records, number),
            )
            for number in range(len(self.collected.ratings))
        ]

    def _records(self, number: int) -> list[Record]:
        return [self._record(number, side) for side in (0, 1)]

    def _record(self, number: int, side: int) -> Record:
        ratings = self.collected.ratings[number].sides[side]
        metrics = {part: sum(ratings[part].values()) / len(ratings[part]) for part in PARTS}
        details = StudyDetails(
            samples=len(self.plan.pairs),
            ratings={part: dict(ratings[part]) for part in PARTS},
            pairs=_chosen(self.plan),
            left_out=dict(self.collected.left_out),
            participants=self._participants,
            minutes=round(median(rating.minutes for rating in self.collected.ratings), 1),
        )
        return Record(
            task=self.name,
            dataset=self.plan.dataset,
            protocol=PROTOCOL,
            evaluator=PEOPLE,
            row=self.plan.sides[side].row,
            replication=number,
            seed=self.plan.seed,
            metrics=dict(metrics),
            details=details,
            chunk_size=1,
        )

    @property
    def _participants(self) -> dict[str, dict[str, int]]:
        """Answers to the questions about participants, counted; nobody's own."""
        return {
            question: {
                choice: sum(rating.about.get(question, NOT_SAID) == choice for rating in self.collected.ratings)
                for choice in (*choices, NOT_SAID)
            }
            for question, choices in self.plan.demographics.items()
        }


def study_task(study: Study, *, failed_too: bool = False) -> StudyTask:
    """The task of a study's answers as they are now.

    Raises:
        ResultsError: nobody has answered yet.
    """
    if not study.answers_path.is_file():
        raise ResultsError(f"{study.folder}: no answers yet (leadbench study serve {study.folder} collects them)")
    answers = Answers(study.answers_path, study.plan.identity)
    try:
        people = answers.participants()
    finally:
        answers.close()
    return StudyTask(study.plan, collect(study.plan, people, failed_too=failed_too))


def open_study(opened: object, request: object) -> StudyTask:
    """The task of a study's folder, as ``leadbench run --task`` would open it.

    Raises:
        ConfigError: the request names no folder of a study.
    """
    if not isinstance(request, Path):
        raise ConfigError("--task study: answers are read by leadbench study results FOLDER")
    return study_task(Study(request))


def _chosen(plan: StudyPlan) -> str:
    how = {
        "changed": "the most different",
        "random": "drawn",
        "stratified": "drawn from each class of captions",
    }[plan.choice]
    return f"{len(plan.pairs)} pairs, {how} of {plan.candidates}"


def _minutes(began: str, finished: str) -> float:
    return (datetime.fromisoformat(finished) - datetime.fromisoformat(began)).total_seconds() / 60

"""``leadbench run --task sequences``: of captions of two actions in a row, how many motions show both.

The paper does not measure it; a text embedding of one vector can lose which action comes first. Rows beside the models:
real motions, which is what can be reached, their reconstructions, which is what latents can hold, and real motions with
the actions of other captions, which is chance.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor

from leadbench.core.contracts import MotionAutoencoder
from leadbench.core.device import place_of
from leadbench.core.errors import DataError
from leadbench.core.tensors import Latent, MotionBatch, MotionSample, host_lengths
from leadbench.data.frames import drawn_batch
from leadbench.data.humanml3d import DrawnSample, draw
from leadbench.data.segments import Segment, find_segments
from leadbench.results.records import MetricColumn, Record, record_key
from leadbench.results.rows import REAL, SHUFFLED, Row
from leadbench.tasks.sequences.recognition import (
    LEAST,
    STRIDE,
    Recogniser,
    fit_recogniser,
    recognise,
    segments_of,
)
from leadbench.tasks.shared.controls import derangement
from leadbench.tasks.shared.models import ModelTask, Trial
from leadbench.tasks.shared.opening import open_evaluator, request_identity
from leadbench.tasks.shared.request import RunRequest
from leadbench.tasks.shared.units import Unit, autoencoders_of
from leadbench.zoo.assets import Opened

COLUMNS = {
    "both": MetricColumn(display="Both, in order", better=1),
    "swapped": MetricColumn(display="Both, swapped", better=-1),
    "first": MetricColumn(display="First action", better=1),
    "second": MetricColumn(display="Second action", better=1),
}
_AT_ONCE = 128


class SequencesTask(ModelTask):
    """Shares of motions that show the actions of their captions.

    Args:
        opened: dataset, models and plugins; the dataset's segments say which actions its motions show.
        request: backbones, projectors, evaluator and protocol.

    Raises:
        DataError: the dataset has no segments, or fewer than two test motions show two different actions in a row.
    """

    name = "sequences"
    columns = COLUMNS

    def __init__(self, opened: Opened, request: RunRequest) -> None:
        super().__init__(opened, request)
        config = request.config
        self._evaluator = open_evaluator(opened, request.evaluator)
        self.evaluator_identity = self._evaluator.identity
        train = opened.dataset.load("train", skip_bad=config.skip_bad_motions)[0]
        self._train, self._train_segments = train, _known(opened.root, train)
        segments = _known(opened.root, self._samples)
        self._wanted = {name: (of[0].action, of[1].action) for name, of in segments.items() if is_sequence(of)}
        self._test = _pieces(self._samples, segments)
        self._samples = [sample for sample in self._samples if sample.id in self._wanted]
        if len(self._samples) < 2:
            raise DataError(
                f"dataset {opened.root}: {len(self._samples)} motions of split {config.split!r} show two different "
                f"actions in a row; at least 2 are needed"
            )
        identity = request_identity(opened, request, self._found, [("evaluator", request.evaluator)], train=True)
        self._identity = {
            **identity,
            "evaluator": self._evaluator.identity,
            "segments": _digest({**self._train_segments, **segments}),
            "parts_of_motions": [LEAST, STRIDE],
        }

    def units(self) -> Sequence[Unit]:
        """Real motions and chance first, then what autoencoders make of real motions, then each row of a model."""
        units = []
        for number in range(self.request.config.replications):
            keys = tuple(record_key(row, number) for row in (REAL, SHUFFLED))
            units.append(Unit(f"replication {number + 1}: real", keys, partial(self._real, number)))
            for owner, autoencoder in autoencoders_of(self._found.entries).items():
                row = Row(source="reconstruction", backbone=owner)
                work = partial(self._reconstructed, row, number, autoencoder)
                units.append(Unit(f"replication {number + 1}: reconstruction", (record_key(row, number),), work))
        return [*units, *super().units()]

    def measure(self, trial: Trial) -> Mapping[str, float]:
        """Shares of the trial's motions."""
        parts = [replace(trial, drawn=drawn) for drawn in _batches(trial.drawn)]
        return self._shares((part.motions(part.latents()) for part in parts), trial.drawn)

    @torch.no_grad()
    def _reconstructed(self, row: Row, replication: int, autoencoder: MotionAutoencoder) -> list[Record]:
        """The real motions through an autoencoder, by their posterior means: what its latents can hold."""
        drawn, place = draw(self._samples, self.request.config.seed, replication), place_of(autoencoder)
        made = (
            autoencoder.decode(Latent.full(autoencoder.encode(batch.normalize(autoencoder.motion)).loc), batch.mask)
            for batch in (drawn_batch(part, place, None) for part in _batches(drawn))
        )
        return [self._record_of(row, replication, self._shares(made, drawn))]

    def _shares(self, made: Iterable[MotionBatch], drawn: Sequence[DrawnSample]) -> Mapping[str, float]:
        motions: list[Tensor] = []
        for batch in made:
            features = batch.denormalize().features.cpu()
            motions += [one[:length] for one, length in zip(features, host_lengths(batch.mask), strict=True)]
        return recognise(self._recogniser, motions, self._actions(drawn)).shares

    def _real(self, replication: int) -> list[Record]:
        seed = self.request.config.seed
        drawn = draw(self._samples, seed, replication)
        motions, actions = [item.features for item in drawn], self._actions(drawn)
        order = derangement(len(drawn), seed, replication)
        found = {REAL: actions, SHUFFLED: [actions[at] for at in order]}
        return [
            self._record_of(row, replication, recognise(self._recogniser, motions, wanted).shares)
            for row, wanted in found.items()
        ]

    def _actions(self, drawn: Sequence[DrawnSample]) -> list[tuple[str, str]]:
        return [self._wanted[item.id] for item in drawn]

    @cached_property
    def _recogniser(self) -> Recogniser:
        return fit_recogniser(self._evaluator, _pieces(self._train, self._train_segments))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What the reader of the table must know."""
        known = self._recogniser
        told = known.actions_of([piece for piece, _ in self._test])
        right = sum(one == action for one, (_, action) in zip(told, self._test, strict=True))
        return (
            f"{len(self._samples)} motions of two actions; evaluator {self.evaluator_identity[:12]}",
            f"the recogniser of {len(known.actions)} actions is right on {right} of {len(self._test)} segments of the "
            f"split {self.request.config.split}",
            f"a motion shows two actions where one of its cuts, every {STRIDE} frames, has the first action before it "
            "and the second one after it",
            *super().notes,
        )


def is_sequence(segments: Sequence[Segment]) -> bool:
    """Whether a motion is of two different actions, each long enough to be recognised.

    >>> is_sequence([Segment("walk", 0, 40), Segment("wave", 40, 60)])
    True
    >>> is_sequence([Segment("walk", 0, 40), Segment("walk", 40, 60)])
    False
    """
    return (
        len(segments) == 2
        and segments[0].action != segments[1].action
        and all(segment.end - segment.start >= LEAST for segment in segments)
    )


def _batches(drawn: Sequence[DrawnSample]) -> Iterator[Sequence[DrawnSample]]:
    for start in range(0, len(drawn), _AT_ONCE):
        yield drawn[start : start + _AT_ONCE]


def _known(root: Path, samples: Sequence[MotionSample]) -> dict[str, tuple[Segment, ...]]:
    return find_segments(root, [sample.id for sample in samples])


def _pieces(samples: Sequence[MotionSample], segments: Mapping[str, Sequence[Segment]]) -> list[tuple[Tensor, str]]:
    """What shows one action, with its name."""
    return [piece for sample in samples for piece in segments_of(sample.features, segments.get(sample.id, ()))]


def _digest(segments: Mapping[str, Sequence[Segment]]) -> str:
    told = {name: [asdict(one) for one in of] for name, of in sorted(segments.items())}
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()

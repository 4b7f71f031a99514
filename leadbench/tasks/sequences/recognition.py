"""Which actions a motion shows, one after another, by a linear classifier of an evaluator's embeddings.

The classifier is fitted on segments of real motions in which one action is performed, and never sees a generated one.
A motion shows action a and then b where some cut of it gives a first part that is recognised as a and a second part
that is recognised as b: where the first action ends is left to the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from leadbench.core.contracts import Evaluator
from leadbench.core.errors import DataError
from leadbench.core.tensors import MotionBatch, mask_of
from leadbench.data.segments import Segment
from leadbench.tasks.shared.scoring import embed_checked

LEAST = 16
"""Frames of a part; shorter ones show no action."""
STRIDE = 8
"""Frames between two cuts that are tried."""
_UNIT = 4  # of the evaluators' convolutions
_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Recogniser:
    """A fitted classifier of actions.

    Attributes:
        evaluator: in whose space it works.
        actions: names that it knows, sorted.
        model: the scikit-learn pipeline.
    """

    evaluator: Evaluator
    actions: tuple[str, ...]
    model: Any

    def actions_of(self, pieces: Sequence[Tensor]) -> list[str]:
        """The action of each piece [f, D] of raw features."""
        return [str(name) for name in self.model.predict(embed_pieces(self.evaluator, pieces).numpy())]


@dataclass(frozen=True)
class Found:
    """What was recognised of two actions, for each motion.

    Attributes:
        first, second: the action, at any cut and in any part.
        both: the first action before a cut, and the second one after it.
        swapped: the other way round.
    """

    first: tuple[bool, ...]
    second: tuple[bool, ...]
    both: tuple[bool, ...]
    swapped: tuple[bool, ...]

    @property
    def shares(self) -> dict[str, float]:
        """Of all motions, by name."""
        return {name: float(np.mean(hits)) for name, hits in vars(self).items()}


def fit_recogniser(evaluator: Evaluator, segments: Sequence[tuple[Tensor, str]]) -> Recogniser:
    """Multinomial logistic regression (L2, C = 1) on standardised embeddings, every action weighing the same.

    Args:
        segments: raw features [f, D] with the action that they show.

    Raises:
        DataError: fewer than two actions.
    """
    actions = tuple(sorted({action for _, action in segments}))
    if len(actions) < 2:
        raise DataError(f"sequences: {len(actions)} action in the train split; at least 2 are needed")
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    embeddings = embed_pieces(evaluator, [features for features, _ in segments])
    return Recogniser(evaluator, actions, model.fit(embeddings.numpy(), [action for _, action in segments]))


def segments_of(features: Tensor, segments: Sequence[Segment]) -> Iterator[tuple[Tensor, str]]:
    """Pieces of features [F, D] that show one action and are long enough."""
    for segment in segments:
        piece = features[segment.start : segment.end]
        if len(piece) >= LEAST:
            yield piece, segment.action


def recognise(recogniser: Recogniser, motions: Sequence[Tensor], wanted: Sequence[tuple[str, str]]) -> Found:
    """What of two actions each motion shows.

    Args:
        motions: raw features [F, D]; one that is shorter than two parts shows nothing.
        wanted: the actions of each, first and second.
    """
    cuts = [(row, cut) for row, motion in enumerate(motions) for cut in range(LEAST, len(motion) - LEAST + 1, STRIDE)]
    befores = recogniser.actions_of([motions[row][:cut] for row, cut in cuts])
    afters = recogniser.actions_of([motions[row][cut:] for row, cut in cuts])
    hits = {name: [False] * len(motions) for name in ("first", "second", "both", "swapped")}
    for (row, _), before, after in zip(cuts, befores, afters, strict=True):
        first, second = wanted[row]
        hits["first"][row] |= first in (before, after)
        hits["second"][row] |= second in (before, after)
        hits["both"][row] |= (before, after) == (first, second)
        hits["swapped"][row] |= (before, after) == (second, first)
    return Found(**{name: tuple(of) for name, of in hits.items()})


@torch.no_grad()
def embed_pieces(evaluator: Evaluator, pieces: Sequence[Tensor]) -> Tensor:
    """Embeddings [N, E], on the CPU, of pieces [f, D] of raw features, cut to a multiple of 4 frames.

    Pieces of like length are embedded together.
    """
    lengths = [len(piece) // _UNIT * _UNIT for piece in pieces]
    order = sorted(range(len(pieces)), key=lambda at: lengths[at])
    out = torch.empty(len(pieces), evaluator.dim)
    for start in range(0, len(order), _AT_ONCE):
        rows = order[start : start + _AT_ONCE]
        padded = torch.nn.utils.rnn.pad_sequence([pieces[at][: lengths[at]] for at in rows], batch_first=True)
        raw = MotionBatch(padded.float(), mask_of([lengths[at] for at in rows]))
        out[torch.tensor(rows)] = embed_checked(evaluator, raw).float().cpu()
    return out

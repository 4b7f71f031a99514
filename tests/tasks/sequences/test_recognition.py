"""What is recognised of two actions, on motions whose frames say which action they are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from leadbench.core.errors import DataError
from leadbench.core.tensors import MotionBatch, MotionSpec, TextSample
from leadbench.data.segments import Segment
from leadbench.tasks.sequences.recognition import LEAST, Recogniser, fit_recogniser, recognise, segments_of
from leadbench.tasks.sequences.task import is_sequence

ACTIONS = ("walk", "wave", "jump")


class Means:
    """An evaluator whose embedding of a motion is the mean of its frames."""

    name, dim, identity = "means", 3, "0" * 8
    motion = MotionSpec("humanml3d", 20.0, torch.zeros(3), torch.ones(3))

    def embed_text(self, samples: Sequence[TextSample]) -> Tensor:
        raise NotImplementedError

    def embed_motion(self, motion: MotionBatch) -> Tensor:
        return (motion.features * motion.mask[..., None]).sum(dim=1) / motion.lengths[:, None]


def frames(*acts: tuple[str, int]) -> Tensor:
    """Frames that hold 1 at the place of their action, and some noise."""
    clean = torch.cat([torch.eye(3)[ACTIONS.index(name)].expand(count, 3) for name, count in acts])
    return clean + 0.05 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(len(clean)))


@pytest.fixture
def recogniser() -> Recogniser:
    return fit_recogniser(Means(), [(frames((name, 16 + 4 * n)), name) for name in ACTIONS for n in range(8)])


def test_both_in_order_swapped_and_one_alone(recogniser: Recogniser) -> None:
    motions = [
        frames(("walk", 40), ("wave", 24)),
        frames(("wave", 40), ("walk", 24)),
        frames(("walk", 64)),
        frames(("jump", 64)),
        frames(("walk", 12), ("wave", 12)),  # no cut leaves two parts of 16 frames
    ]
    found = recognise(recogniser, motions, [("walk", "wave")] * len(motions))
    assert found.both == (True, False, False, False, False)
    assert found.swapped == (False, True, False, False, False)
    assert found.first == (True, True, True, False, False)
    assert found.second == (True, True, False, False, False)
    assert found.shares == pytest.approx({"first": 0.6, "second": 0.4, "both": 0.2, "swapped": 0.2})


def test_the_place_of_the_cut_is_the_models_choice(recogniser: Recogniser) -> None:
    motions = [frames(("walk", first), ("wave", 96 - first)) for first in range(16, 84, 4)]
    assert all(recognise(recogniser, motions, [("walk", "wave")] * len(motions)).both)


def test_motions_are_told_alike_alone_and_together(recogniser: Recogniser) -> None:
    motions = [frames(("walk", 20 + 4 * n), ("jump", 100 - 8 * n)) for n in range(8)]
    wanted = [("walk", "jump")] * 8
    together = recognise(recogniser, motions, wanted)
    alone = [recognise(recogniser, [motion], [pair]) for motion, pair in zip(motions, wanted, strict=True)]
    assert together.both == tuple(one.both[0] for one in alone)


def test_short_segments_show_nothing() -> None:
    features = torch.arange(60.0)[:, None].expand(60, 3)
    pieces = list(segments_of(features, [Segment("walk", 0, LEAST - 1), Segment("wave", LEAST - 1, 60)]))
    assert [(len(piece), float(piece[0, 0]), name) for piece, name in pieces] == [(45, 15.0, "wave")]


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([("walk", 0, 16), ("wave", 16, 32)], True),
        ([("walk", 0, 12), ("wave", 12, 32)], False),
        ([("walk", 0, 32)], False),
        ([("walk", 0, 16), ("wave", 16, 32), ("jump", 32, 64)], False),
    ],
)
def test_what_a_sequence_is(segments: list[tuple[str, int, int]], expected: bool) -> None:
    assert is_sequence([Segment(*one) for one in segments]) is expected


def test_one_action_cannot_be_told_from_others() -> None:
    with pytest.raises(DataError, match="1 action in the train split"):
        fit_recogniser(Means(), [(frames(("walk", 20)), "walk")])

"""What tells one dataset's content from another's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from leadbench.core.tensors import MotionSample, MotionSpec, TextSample
from leadbench.data.digest import samples_digest


def spec(shift: float = 0.0) -> MotionSpec:
    return MotionSpec("humanml3d", 20.0, torch.zeros(263) + shift, torch.ones(263))


def sample(**changes: object) -> MotionSample:
    captions = (TextSample("a person walks", ("a/DET", "person/NOUN", "walk/VERB")),)
    return replace(MotionSample("000001", torch.zeros(8, 263), captions), **changes)


def test_everything_counts() -> None:
    other = (TextSample("a person walks", ("a/DET", "person/NOUN", "walk/NOUN")),)
    moved = torch.zeros(8, 263)
    moved[3, 5] = 1e-7
    variants = [
        ([sample()], spec()),
        ([sample(id="000002")], spec()),
        ([sample(features=moved)], spec()),
        ([sample(features=torch.zeros(12, 263))], spec()),
        ([sample(captions=other)], spec()),
        ([sample(), sample()], spec()),
        ([sample()], spec(1e-3)),
        ([], spec()),
    ]
    found = [samples_digest(*variant) for variant in variants]
    assert len(set(found)) == len(variants)
    assert found[0] == samples_digest([sample()], spec())


@pytest.mark.parametrize("words", [("a b", "c"), ("a", "b c")])
def test_where_one_caption_ends_counts(words: tuple[str, str]) -> None:
    joined = samples_digest([sample(captions=tuple(TextSample(word, ("a/DET",)) for word in words))], spec())
    assert joined != samples_digest([sample(captions=(TextSample(" ".join(words), ("a/DET",)),))], spec())

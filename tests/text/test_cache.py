from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from fakes import FakeTextEncoder

from leadbench.core.tensors import Condition
from leadbench.text.cache import CachedTextEncoder


def test_a_caption_is_encoded_once() -> None:
    encoder = FakeTextEncoder()
    cached = CachedTextEncoder(encoder)
    first = cached.encode(["a", "bb", "a"])
    again = cached.encode(["bb"])
    cached.null(3)
    cached.null(2)
    assert sorted(encoder.seen) == ["", "a", "bb"]
    assert cached.encoded == 3
    assert torch.equal(first.tokens[1], again.tokens[0])
    assert torch.equal(first.tokens[0], first.tokens[2])


def test_warmed_captions_survive_in_a_file(tmp_path: Path) -> None:
    captions = ["a walk", "a run", "aa"]
    first = CachedTextEncoder(FakeTextEncoder(), tmp_path / "text.safetensors")
    first.warm(captions)
    encoder = FakeTextEncoder()
    second = CachedTextEncoder(encoder, tmp_path / "text.safetensors")
    second.warm(captions)
    assert not set(encoder.seen) & set(captions)  # only what tells whether it is the same encoder
    assert torch.equal(first.encode(captions).tokens, second.encode(captions).tokens)


def test_a_file_of_another_encoder_is_not_used(tmp_path: Path) -> None:
    class Other(FakeTextEncoder):
        def encode(self, captions: Sequence[str]) -> Condition:
            condition = super().encode(captions)
            return Condition(condition.tokens + 1, condition.mask, condition.encoder)

    CachedTextEncoder(FakeTextEncoder(), tmp_path / "text.safetensors").warm(["a walk"])
    encoder = Other()
    cached = CachedTextEncoder(encoder, tmp_path / "text.safetensors")
    cached.warm(["a walk"])
    assert "a walk" in encoder.seen
    assert float(cached.encode(["a walk"]).tokens[0, 0, -1]) == 2


def test_encoders_of_several_tokens_keep_their_masks() -> None:
    class Tokens(FakeTextEncoder):
        def encode(self, captions: Sequence[str]) -> Condition:
            length = max(1, *map(len, captions))
            mask = torch.tensor([[i < max(1, len(c)) for i in range(length)] for c in captions])
            return Condition(torch.ones(len(captions), length, 4) * mask[..., None], mask, self.name)

    condition = CachedTextEncoder(Tokens()).encode(["abc", "a"])
    assert condition.mask.sum(dim=1).tolist() == [3, 1]
    assert condition.tokens.sum(dim=(1, 2)).tolist() == [12, 4]


def test_many_captions_together_are_each_encoded_once() -> None:
    fake = FakeTextEncoder()
    cached = CachedTextEncoder(fake)
    captions = ["a person walks", "a walk", "a person walks", ""]
    assert cached.together(captions, batch=2) == 3
    assert cached.together(captions) == 0
    assert sorted(fake.seen) == sorted(set(captions))
    assert torch.equal(cached.encode(captions).tokens, FakeTextEncoder().encode(captions).tokens)


def test_a_copy_keeps_what_was_encoded() -> None:
    cached = CachedTextEncoder(FakeTextEncoder())
    cached.encode(["a walk"])
    copied = copy.deepcopy(cached)
    assert torch.equal(copied.encode(["a walk"]).tokens, cached.encode(["a walk"]).tokens)
    copied.encode(["a run"])
    assert (copied.encoded, cached.encoded) == (2, 1)

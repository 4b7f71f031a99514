"""Text encoders on the pretended device."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from leadbench.core.contracts import InvertibleTextEncoder, TextEncoder
from leadbench.core.device import Compute
from leadbench.core.tensors import hides_nothing
from leadbench.testing.pretended import DEVICE, Pretended
from leadbench.text.cache import CachedTextEncoder
from leadbench.text.clip import ClipTextEncoder
from leadbench.text.parts import wordllama_parts
from leadbench.text.sentence import minilm
from leadbench.text.static import wordllama

CAPTIONS = ["", "a person walks", "someone waves with the left hand, then sits down"]


def small_clip() -> ClipTextEncoder:
    """A CLIP tower of random weights."""
    import open_clip

    torch.manual_seed(0)
    tower = open_clip.transformer.TextTransformer(width=16, heads=2, layers=2, output_dim=8)
    return ClipTextEncoder(tower)


@pytest.mark.parametrize("make", [minilm, wordllama, wordllama_parts, small_clip])
def test_an_encoder_computes_there_what_it_computes_here(make: Callable[[], TextEncoder], pretended: Pretended) -> None:
    here = make()
    assert isinstance(here, InvertibleTextEncoder)
    plain, word = here.encode(CAPTIONS), here.word_embedding("walk")
    written = here.encode_with(["a man <*>"], {"*": word})
    cached = CachedTextEncoder(make(), compute=Compute(DEVICE))
    there = cached.encode(CAPTIONS)
    assert there.tokens.device == there.mask.device == DEVICE
    assert hides_nothing(there.mask)
    torch.testing.assert_close(there.tokens.cpu(), plain.tokens, atol=1e-5, rtol=1e-4)
    encoder = cached.wrapped
    assert isinstance(encoder, InvertibleTextEncoder)
    moved = encoder.word_embedding("walk")
    assert moved.device == DEVICE
    torch.testing.assert_close(moved.cpu(), word, atol=1e-6, rtol=1e-5)
    pretended.reset()
    again = encoder.encode_with(["a man <*>"], {"*": moved})
    assert not pretended.waits
    torch.testing.assert_close(again.tokens.cpu(), written.tokens, atol=1e-5, rtol=1e-4)


class _TwoTokens:
    """A plugin's encoder of several tokens that knows nothing of devices."""

    name, dim = "two", 3

    def encode(self, captions: list[str]) -> object:
        from leadbench.core.tensors import Condition

        lengths = [1 + len(caption) % 3 for caption in captions]
        mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
        tokens = torch.arange(mask.numel() * 3, dtype=torch.float32).view(*mask.shape, 3)
        return Condition(tokens, mask, self.name)


def test_embeddings_of_a_plugin_are_sent_once(pretended: Pretended) -> None:
    here = CachedTextEncoder(_TwoTokens())  # type: ignore[arg-type]
    there = CachedTextEncoder(_TwoTokens(), compute=Compute(DEVICE))  # type: ignore[arg-type]
    wanted = here.encode(CAPTIONS)
    found = there.encode(CAPTIONS)
    assert torch.equal(found.tokens.cpu(), wanted.tokens)
    assert torch.equal(found.mask.cpu(), wanted.mask)
    pretended.reset()
    there.encode(CAPTIONS * 20)
    assert not pretended.waits
    assert pretended.to_device <= 3 * 8 * len(CAPTIONS) * 20  # a few numbers a caption

"""Placeholders in captions: what each invertible encoder does with the vectors given for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from official_layouts import write_text_towers

from leadbench.core.contracts import InvertibleTextEncoder
from leadbench.core.errors import ConfigError, UnknownNameError
from leadbench.text.clip import ClipTextEncoder, load_tower
from leadbench.text.parts import wordllama_parts
from leadbench.text.sentence import SentenceEncoder, minilm
from leadbench.text.static import wordllama

CAPTIONS = ["a person <a> slowly", "<a>", "the man <a> and then <b>"]


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("towers")
    write_text_towers(root)
    return root


@pytest.fixture(scope="module", params=["minilm", "wordllama", "wordllama-parts", "clip", "t5"])
def encoder(request: pytest.FixtureRequest, towers: Path) -> InvertibleTextEncoder:
    if request.param == "clip":
        return ClipTextEncoder(load_tower(str(towers / "clip")))
    if request.param == "t5":
        return SentenceEncoder("t5", towers / "t5")
    return {"minilm": minilm, "wordllama": wordllama, "wordllama-parts": wordllama_parts}[request.param]()


def test_captions_without_placeholders_are_as_always(encoder: InvertibleTextEncoder) -> None:
    captions = ["a person walks", "the man jumps up and down"]
    expected = encoder.encode(captions).tokens
    torch.testing.assert_close(encoder.encode_with(captions, {}).tokens, expected, atol=2e-6, rtol=1e-5)


def test_a_words_own_embedding_gives_the_word(encoder: InvertibleTextEncoder) -> None:
    """Only where the word is one sub-token; with several, the mean of them is another thing."""
    if encoder.name == "t5":
        pytest.skip("the tiny vocabulary of this test cuts words into several sub-tokens")
    word = encoder.word_embedding("up")
    found = encoder.encode_with(["a person jumps <a> and down"], {"a": word}).tokens
    plain = encoder.encode(["a person jumps up and down"]).tokens
    other = encoder.encode_with(["a person jumps <a> and down"], {"a": torch.zeros_like(word)}).tokens
    assert (found - plain).abs().max() < 0.05 * (other - plain).abs().max() + 1e-6


def test_punctuation_behind_a_placeholder_is_read_as_behind_a_word(encoder: InvertibleTextEncoder) -> None:
    """Tokenizers mark where words begin: "." alone is another sub-token than the one that ends a sentence."""
    if encoder.name == "t5":
        pytest.skip("the tiny vocabulary of this test cuts words into several sub-tokens")
    up = encoder.word_embedding("up")
    found = encoder.encode_with(["a person jumps <a>."], {"a": up}).tokens
    torch.testing.assert_close(found, encoder.encode(["a person jumps up."]).tokens, atol=2e-6, rtol=1e-5)


def test_gradients_reach_the_vectors_alone(encoder: InvertibleTextEncoder) -> None:
    torch.manual_seed(0)
    width = encoder.word_embedding("walk").shape[0]
    first, second = torch.randn(3, width, requires_grad=True), torch.randn(width, requires_grad=True)
    tokens = encoder.encode_with(CAPTIONS, {"a": first, "b": second}).tokens
    assert tokens.shape == (3, encoder.encode(["up"]).tokens.shape[1], encoder.dim)
    weights = torch.randn(tokens.shape)
    (tokens * weights).sum().backward()
    assert first.grad is not None
    assert second.grad is not None
    assert (first.grad.abs().amax(dim=1) > 0).all()
    assert second.grad.abs().max() > 0
    assert not encoder.encode(["a person walks"]).tokens.requires_grad


def test_rows_do_not_see_each_other(encoder: InvertibleTextEncoder) -> None:
    torch.manual_seed(0)
    width = encoder.word_embedding("walk").shape[0]
    vectors = {"a": torch.randn(3, width), "b": torch.randn(width)}
    together = encoder.encode_with(CAPTIONS, vectors).tokens
    for row, caption in enumerate(CAPTIONS):
        alone = encoder.encode_with([caption], {"a": vectors["a"][row], "b": vectors["b"]}).tokens
        torch.testing.assert_close(alone[0], together[row], atol=2e-6, rtol=1e-5)


def test_what_does_not_fit_is_told(encoder: InvertibleTextEncoder) -> None:
    vector = encoder.word_embedding("walk")
    with pytest.raises(UnknownNameError, match=r"placeholder '<b>' .*<a>"):
        encoder.encode_with(["a <b>"], {"a": vector})
    with pytest.raises(ConfigError, match="2 vectors for 1 captions"):
        encoder.encode_with(["a <a>"], {"a": torch.stack([vector, vector])})

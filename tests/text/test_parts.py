"""Means over parts of a caption, against means computed word by word."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadbench.text.parts import PARTS, PartsEncoder, part_weights, wordllama_parts
from leadbench.text.static import wordllama


@pytest.fixture(scope="module")
def encoder() -> PartsEncoder:
    return wordllama_parts()


@given(st.integers(1, 60), st.integers(1, 12))
def test_weights_are_integrals_over_equal_parts(count: int, parts: int) -> None:
    """Of the function that is k between k and k + 1, by a fine sum."""
    weights = part_weights(count, parts).double().numpy()
    fine = 2520
    place = (np.arange(parts * fine) + 0.5) * count / (parts * fine)
    expected = np.zeros((parts, count))
    np.add.at(expected, (np.arange(parts).repeat(fine), place.astype(int)), 1 / fine)
    np.testing.assert_allclose(weights[1:], expected, atol=2e-3)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(weights[1:].mean(axis=0), weights[0], atol=1e-6)


def test_the_first_token_is_the_mean_of_all_words(encoder: PartsEncoder) -> None:
    captions = ["a person squats three times, then waves with the left hand.", "walks", ""]
    tokens = encoder.encode(captions).tokens
    assert tokens.shape == (3, 1 + PARTS, 256)
    torch.testing.assert_close(tokens[:, :1], wordllama().encode(captions).tokens, atol=1e-6, rtol=1e-5)


def test_order_matters_behind_it(encoder: PartsEncoder) -> None:
    one, other = encoder.encode(["squats then waves", "waves then squats"]).tokens
    torch.testing.assert_close(one[0], other[0], atol=1e-6, rtol=1e-5)
    assert (one[1] - other[1]).abs().max() > 0.1


def test_as_many_words_as_parts_are_the_words(encoder: PartsEncoder) -> None:
    caption = "a b c d e f g h"
    words = encoder._table.rows(caption)
    assert len(words) == PARTS
    torch.testing.assert_close(encoder.encode([caption]).tokens[0, 1:], words, atol=1e-6, rtol=1e-5)


def test_a_caption_has_the_same_tokens_beside_any_other(encoder: PartsEncoder) -> None:
    captions = ["a man", "a man walks in a circle and then sits down on the ground", "", "turns"]
    together = encoder.encode(captions).tokens
    assert all(
        torch.equal(encoder.encode([caption]).tokens[0], row) for caption, row in zip(captions, together, strict=True)
    )
    assert not together[2].any()

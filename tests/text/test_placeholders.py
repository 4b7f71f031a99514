"""Captions with pseudo-words."""

from __future__ import annotations

import pytest
import torch

from leadbench.core.errors import ConfigError, UnknownNameError
from leadbench.text.placeholders import Part, check_rows, split_caption, tokens_of, vector_of


@pytest.mark.parametrize(
    ("caption", "parts"),
    [
        ("", ()),
        ("walk", (Part("walk", False),)),
        ("<a>", (Part("a", True),)),
        ("<a><b-c>", (Part("a", True), Part("b-c", True))),
        ("a person <*>.", (Part("a person", False), Part("*", True), Part(".", False, glued=True))),
        ("<a> slowly", (Part("a", True), Part("slowly", False))),
        ("3 < 4 and 5 > 4", (Part("3 < 4 and 5 > 4", False),)),
    ],
)
def test_splitting(caption: str, parts: tuple[Part, ...]) -> None:
    assert split_caption(caption) == parts


def test_glued_text_is_read_behind_a_word() -> None:
    """As by a tokenizer that marks where words begin."""
    vocabulary = {"_walk": 1, "_.": 2, ".": 3}

    def tokenize(text: str) -> list[int]:
        found = (
            [1, *(vocabulary[letter] for letter in text[4:])] if text.startswith("walk") else [vocabulary[f"_{text}"]]
        )
        return found

    assert tokens_of(Part(".", False), tokenize) == [2]
    assert tokens_of(Part(".", False, glued=True), tokenize) == [3]


def test_a_tokenizer_that_joins_words_reads_glued_text_alone() -> None:
    assert tokens_of(Part("s", False, glued=True), lambda text: {"walk": [1], "walks": [7], "s": [9]}[text]) == [9]


def test_vectors() -> None:
    shared, own = torch.arange(3.0), torch.arange(6.0).view(2, 3)
    assert vector_of("a", 1, {"a": shared}).tolist() == [0, 1, 2]
    assert vector_of("a", 1, {"a": own}).tolist() == [3, 4, 5]
    with pytest.raises(UnknownNameError, match="<b>"):
        vector_of("b", 0, {"a": shared})
    with pytest.raises(ConfigError, match=r"\[1, 1, 1\]"):
        vector_of("a", 0, {"a": torch.zeros(1, 1, 1)})
    check_rows(["x", "y"], {"a": own, "b": shared})
    with pytest.raises(ConfigError, match="2 vectors for 1 captions"):
        check_rows(["x"], {"a": own})

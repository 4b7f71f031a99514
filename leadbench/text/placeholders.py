"""Captions with placeholders ``<name>`` for pseudo-words: parts of text and names, in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from leadbench.core.errors import ConfigError, unknown_name

_PLACEHOLDER = re.compile(r"<([\w*-]+)>")
_WORD = "walk"


@dataclass(frozen=True)
class Part:
    """A stretch of text, or the name of a placeholder; ``glued`` text follows a placeholder without a space."""

    text: str
    placeholder: bool
    glued: bool = False


def split_caption(caption: str) -> tuple[Part, ...]:
    """Text and placeholders of a caption, without empty stretches.

    >>> [(part.text, part.placeholder) for part in split_caption("a person <superman> slowly")]
    [('a person', False), ('superman', True), ('slowly', False)]
    """
    pieces = _PLACEHOLDER.split(caption)
    parts = [
        Part(piece.strip(), index % 2 == 1, index > 0 and index % 2 == 0 and not piece[:1].isspace())
        for index, piece in enumerate(pieces)
    ]
    return tuple(part for part in parts if part.text)


def tokens_of(part: Part, tokenize: Callable[[str], list[int]]) -> list[int]:
    """Sub-tokens of a stretch of text; glued text is read behind a word, since tokenizers mark where words begin."""
    if part.glued:
        word = tokenize(_WORD)
        whole = tokenize(_WORD + part.text)
        if whole[: len(word)] == word:
            return whole[len(word) :]
    return tokenize(part.text)


def vector_of(name: str, row: int, vectors: Mapping[str, Tensor]) -> Tensor:
    """The vector [T] that stands for a placeholder in a row: a vector is one for all rows [T], or one for each [B, T].

    Raises:
        UnknownNameError: no vector of that name.
        ConfigError: it has another shape.
    """
    if name not in vectors:
        raise unknown_name("placeholder", f"<{name}>", [f"<{known}>" for known in vectors])
    vector = vectors[name]
    if vector.ndim not in (1, 2):
        raise ConfigError(f"placeholder <{name}>: its vector is {list(vector.shape)}, needed is [T] or [B, T]")
    return vector if vector.ndim == 1 else vector[row]


def check_rows(captions: Sequence[str], vectors: Mapping[str, Tensor]) -> None:
    """Raise ConfigError unless every vector that is one for each row has as many rows as there are captions."""
    for name, vector in vectors.items():
        if vector.ndim == 2 and len(vector) != len(captions):
            raise ConfigError(f"placeholder <{name}>: {len(vector)} vectors for {len(captions)} captions")

"""Word vectors and part-of-speech one-hots for evaluators of Guo et al. (text-to-motion, utils/word_vectorizer.py).

A caption becomes ``sos``, its first 20 tokens, ``eos``, padded to 22 rows. A known word gives its vector and its
tag's one-hot, where membership in a special-word list overrides the tag; an unknown word gives the vector of
``unk`` and the tag OTHER.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from leadbench.core.errors import DataError
from leadbench.core.tensors import TextSample
from leadbench.text.static import wordllama_table

POS_TAGS = (
    "VERB",
    "NOUN",
    "DET",
    "ADP",
    "NUM",
    "AUX",
    "PRON",
    "ADJ",
    "ADV",
    "Loc_VIP",
    "Body_VIP",
    "Obj_VIP",
    "Act_VIP",
    "Desc_VIP",
    "OTHER",
)
MAX_TOKENS = 20


class WordVectors(Protocol):
    """Provider of word vectors; part of an evaluator's identity."""

    name: str
    width: int
    identity: str

    def lookup(self, word: str) -> Tensor | None:
        """Vector [W] of a word; None for an unknown one."""
        ...

    def special(self, name: str) -> Tensor:
        """Vector [W] of ``sos``, ``eos`` or ``unk``."""
        ...


@dataclass
class WordLlamaVectors:
    """Static vectors of the package ``wordllama``: the mean over a word's sub-tokens; every word is known."""

    name: str = "wordllama"
    _cache: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._table = wordllama_table()
        self.width = int(self._table.vectors.shape[1])
        self.identity = hashlib.sha256(self._table.vectors.numpy().tobytes()).hexdigest()

    def lookup(self, word: str) -> Tensor:
        """Vector [256] of a word."""
        if word not in self._cache:
            self._cache[word] = self._table.mean(word)
        return self._cache[word]

    def special(self, name: str) -> Tensor:
        """Vectors of the markers: the tokenizer's own begin and end markers, zeros for ``unk``."""
        marker = {"sos": "<s>", "eos": "</s>"}.get(name)
        index = self._table.tokenizer.token_to_id(marker) if marker else None
        return torch.zeros(self.width) if index is None else self._table.vectors[index]


WORD_VECTORS: Mapping[str, Callable[[], WordVectors]] = {"wordllama": WordLlamaVectors}


@dataclass(frozen=True, eq=False)
class WordBatch:
    """Evaluator text input: vectors [B, 22, W], POS one-hots [B, 22, 15], lengths [B] with sos and eos counted."""

    vectors: Tensor
    pos: Tensor
    lengths: Tensor


def split_token(token: str) -> tuple[str, str]:
    """Split ``word/POS``.

    Raises:
        DataError: the token does not hold exactly one slash.
    """
    parts = token.split("/")
    if len(parts) != 2:
        raise DataError(f"token {token!r}: must be word/POS with exactly one slash")
    return parts[0], parts[1]


def vectorize(
    samples: Sequence[TextSample],
    provider: WordVectors,
    special_words: Mapping[str, str] | None = None,
    max_tokens: int = MAX_TOKENS,
) -> WordBatch:
    """Turn tagged captions into evaluator input.

    Args:
        samples: captions with tokens ``word/POS``.
        provider: source of the vectors.
        special_words: word -> tag that overrides the caption's own (``Loc_VIP`` and the like).
        max_tokens: tokens kept of a caption; officially 20.
    """
    overrides = special_words or {}
    rows = max_tokens + 2
    vectors = torch.zeros(len(samples), rows, provider.width)
    pos = torch.zeros(len(samples), rows, len(POS_TAGS))
    lengths = torch.zeros(len(samples), dtype=torch.int64)
    other = POS_TAGS.index("OTHER")
    sos, eos, unk = (provider.special(name) for name in ("sos", "eos", "unk"))
    for i, sample in enumerate(samples):
        tokens = [split_token(token) for token in sample.tokens[:max_tokens]]
        entries: list[tuple[Tensor, int]] = [(sos, other)]
        for word, tag in tokens:
            vector = provider.lookup(word)
            tag = overrides.get(word, tag)
            known = vector is not None and tag in POS_TAGS
            entries.append((unk if vector is None else vector, POS_TAGS.index(tag) if known else other))
        entries.append((eos, other))
        lengths[i] = len(entries)
        entries += [(unk, other)] * (rows - len(entries))
        vectors[i] = torch.stack([vector for vector, _ in entries])
        pos[i, torch.arange(rows), torch.tensor([tag for _, tag in entries])] = 1.0
    return WordBatch(vectors, pos, lengths)

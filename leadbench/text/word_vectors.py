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

from leadbench.core.device import indices, sent
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
    """Evaluator text input: vectors [B, 22, W], POS one-hots [B, 22, 15], lengths [B] with sos and eos counted.

    Lengths are on the CPU whatever the device of the vectors.
    """

    vectors: Tensor
    pos: Tensor
    lengths: Tensor

    def to(self, device: torch.device | str) -> WordBatch:
        """The same with vectors and tags on another device."""
        return WordBatch(sent(self.vectors, device), sent(self.pos, device), self.lengths)


_SOS, _EOS, _UNK = range(3)  # rows of a table's markers


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
    return WordTable(provider).batch(samples, special_words, max_tokens)


class WordTable:
    """Vectors of the words met so far, on a device: a caption is then a few numbers.

    Args:
        provider: source of the vectors.
        device: where batches are wanted.
    """

    def __init__(self, provider: WordVectors, device: torch.device | str = "cpu") -> None:
        self._provider, self._device = provider, torch.device(device)
        self._rows: dict[str, int] = {}
        special = torch.stack([provider.special(name) for name in ("sos", "eos", "unk")])
        self._vectors = sent(special, self._device)
        self._tags = torch.eye(len(POS_TAGS), device=self._device)

    def batch(
        self,
        samples: Sequence[TextSample],
        special_words: Mapping[str, str] | None = None,
        max_tokens: int = MAX_TOKENS,
    ) -> WordBatch:
        """Tagged captions as evaluator input; see :func:`vectorize`."""
        overrides, length, new = special_words or {}, max_tokens + 2, list[Tensor]()
        other = POS_TAGS.index("OTHER")
        words, tags, lengths = [], [], []
        for sample in samples:
            row, tagged = [_SOS], [other]
            for word, tag in (split_token(token) for token in sample.tokens[:max_tokens]):
                place = self._row(word, new)
                tag = overrides.get(word, tag)
                row.append(place)
                tagged.append(POS_TAGS.index(tag) if place != _UNK and tag in POS_TAGS else other)
            lengths.append(len(row) + 1)
            words += [*row, _EOS, *[_UNK] * (length - len(row) - 1)]
            tags += [*tagged, *[other] * (length - len(tagged))]
        if new:
            self._vectors = torch.cat([self._vectors, sent(torch.stack(new), self._device)])
        shape = (len(samples), length)
        return WordBatch(
            self._vectors[indices(words, self._device).view(shape)],
            self._tags[indices(tags, self._device).view(shape)],
            torch.tensor(lengths, dtype=torch.int64),
        )

    def _row(self, word: str, new: list[Tensor]) -> int:
        """Row of a word; the vector of one that was not met before goes to ``new``."""
        if word not in self._rows:
            vector = self._provider.lookup(word)
            if vector is not None:
                new.append(vector)
            self._rows[word] = _UNK if vector is None else len(self._vectors) + len(new) - 1
        return self._rows[word]

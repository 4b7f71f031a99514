"""A text-embedding cache: one caption is encoded once per run, whoever asks and however often."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from leadbench.contracts import TextEncoder
from leadbench.tensors import Condition


class CachedTextEncoder:
    """Wraps a text encoder; keeps every embedding on the CPU.

    Captions are encoded one by one unless :meth:`warm` is given many: a row then never depends on the
    padding of its neighbours, so a resumed run sees the same bits as an uninterrupted one.

    Attributes:
        encoded: how many captions the wrapped encoder has really embedded.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self.name = encoder.name
        self.dim = encoder.dim
        self.encoded = 0
        self._rows: dict[str, Tensor] = {}

    def warm(self, captions: Sequence[str], batch: int = 64) -> None:
        """Embed many captions at once, sorted by length: for training, where the last bit does not matter."""
        new = sorted({c for c in captions if c not in self._rows}, key=lambda c: (len(c), c))
        for start in range(0, len(new), batch):
            self._store(new[start : start + batch])

    def encode(self, captions: Sequence[str]) -> Condition:
        """Embed captions [B, L, C]; rows are padded to the longest, with a mask."""
        for caption in dict.fromkeys(captions):
            if caption not in self._rows:
                self._store([caption])
        rows = [self._rows[caption] for caption in captions]
        length = max(row.shape[0] for row in rows)
        tokens = torch.zeros(len(rows), length, self.dim)
        mask = torch.zeros(len(rows), length, dtype=torch.bool)
        for i, row in enumerate(rows):
            tokens[i, : row.shape[0]] = row
            mask[i, : row.shape[0]] = True
        return Condition(tokens, mask, self.name)

    def null(self, batch: int) -> Condition:
        """The encoder's own embedding of the empty caption, encoded once."""
        return self.encode([""]).expand(batch)

    def _store(self, captions: Sequence[str]) -> None:
        condition = self._encoder.encode(captions)
        self.encoded += len(captions)
        for caption, tokens, mask in zip(captions, condition.tokens, condition.mask, strict=True):
            self._rows[caption] = tokens[mask].clone()

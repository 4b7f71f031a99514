"""Static word vectors: ``wordllama`` (256 wide), the mean of a caption's sub-token vectors."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from leadbench.core.device import indices, sent
from leadbench.core.errors import WeightsError
from leadbench.core.tensors import Condition, full_mask
from leadbench.text.placeholders import check_rows, split_caption, tokens_of, vector_of
from leadbench.text.sources import WORDLLAMA_FILES

_PACKAGE = "wordllama"


class StaticTable:
    """Sub-token vectors [V, C] with their tokenizer.

    WordLlama's own loader looks in another folder and then asks the network, so its two files are read here.
    """

    def __init__(self, folder: Path) -> None:
        weights, tokenizer = (folder / name for name in WORDLLAMA_FILES)
        for path in (weights, tokenizer):
            if not path.is_file():
                raise WeightsError(
                    f"text encoder 'wordllama': missing {path.name} in the package (pip install wordllama)"
                )
        (self.vectors,) = (t.float() for t in load_file(weights).values())
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    def ids(self, text: str) -> list[int]:
        """The text's sub-tokens."""
        found: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return found

    def rows(self, text: str) -> Tensor:
        """Vectors [n, C] of the text's sub-tokens."""
        return self.vectors[torch.tensor(self.ids(text), dtype=torch.int64)]

    def mean(self, text: str) -> Tensor:
        """Mean vector [C] of the text's sub-tokens; zero for text without any."""
        rows = self.rows(text)
        return rows.mean(dim=0) if len(rows) else torch.zeros(self.vectors.shape[1])


@lru_cache(maxsize=1)
def wordllama_table() -> StaticTable:
    """The table that the package ``wordllama`` carries; read once.

    Raises:
        WeightsError: the package is not installed, or lacks its files.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError("text encoder 'wordllama': package wordllama is not installed (pip install wordllama)")
    return StaticTable(Path(spec.submodule_search_locations[0]))


class StaticEncoder:
    """Mean of static sub-token vectors: tokens [B, 1, 256] float32."""

    def __init__(self, name: str, table: StaticTable) -> None:
        self.name = name
        self._table, self._vectors = table, table.vectors
        self.dim = int(table.vectors.shape[1])

    def to(self, device: torch.device | str) -> None:
        """Move the table to a device, where embeddings are from then on."""
        self._vectors = self._table.vectors.to(device)

    def encode(self, captions: Sequence[str]) -> Condition:
        """Embed captions, [B, 1, C], on the table's device."""
        device = self._vectors.device
        if device.type == "cpu":
            tokens = torch.stack([self._table.mean(caption) for caption in captions]).unsqueeze(1)
        else:
            ids = [self._table.ids(caption) for caption in captions]
            starts = [0, *accumulate(map(len, ids))][:-1]
            read = indices([one for some in ids for one in some], device)
            tokens = F.embedding_bag(read, self._vectors, indices(starts, device), mode="mean").unsqueeze(1)
        return Condition(tokens, full_mask(len(tokens), 1, device), self.name)

    def word_embedding(self, word: str) -> Tensor:
        """Mean vector [256] of a word's sub-tokens."""
        return sent(self._table.mean(word), self._vectors.device)

    def encode_with(self, captions: Sequence[str], vectors: Mapping[str, Tensor]) -> Condition:
        """Embed captions [B, 1, C] whose placeholders ``<name>`` count as one sub-token each; differentiable."""
        check_rows(captions, vectors)
        rows = []
        for row, caption in enumerate(captions):
            known, learnt = [], []
            for part in split_caption(caption):
                if part.placeholder:
                    learnt.append(vector_of(part.text, row, vectors))
                else:
                    known.append(self._vectors[indices(tokens_of(part, self._table.ids), self._vectors.device)])
            tokens = torch.cat([*known, *(vector.unsqueeze(0) for vector in learnt)]) if known or learnt else None
            rows.append(self._vectors.new_zeros(self.dim) if tokens is None or not len(tokens) else tokens.mean(dim=0))
        tokens_out = torch.stack(rows).unsqueeze(1)
        return Condition(tokens_out, full_mask(len(tokens_out), 1, tokens_out.device), self.name)

    def null(self, batch: int) -> Condition:
        """Embedding of the empty caption (zeros), repeated."""
        return self.encode([""]).expand(batch)


def wordllama() -> StaticEncoder:
    """WordLlama l2_supercat, 256 wide, from the installed package."""
    return StaticEncoder("wordllama", wordllama_table())

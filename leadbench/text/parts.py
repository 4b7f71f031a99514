"""Static word vectors that keep the order of a caption: ``wordllama-parts``, nine tokens of 256.

The mean over all words, which ``wordllama`` gives, is the same for "squats, then waves" and "waves, then squats". Here
it is followed by the means over eight consecutive parts of the caption, each an eighth of its sub-tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from leadbench.core.device import indices, sent
from leadbench.core.tensors import Condition, full_mask
from leadbench.text.placeholders import check_rows, split_caption, tokens_of, vector_of
from leadbench.text.static import StaticEncoder, wordllama_table

PARTS = 8


def part_weights(count: int, parts: int = PARTS) -> Tensor:
    """Weights [1 + parts, count] of a caption's sub-tokens: the mean over all, then over each of so many equal parts.

    Sub-token k lies on the stretch from k to k + 1; one that two parts share counts in each by what lies in it. So a
    caption of fewer sub-tokens than parts repeats them.

    >>> part_weights(3, 2)
    tensor([[0.3333, 0.3333, 0.3333],
            [0.6667, 0.3333, 0.0000],
            [0.0000, 0.3333, 0.6667]])
    """
    edges = torch.arange(parts + 1, dtype=torch.float64) * count / parts
    starts = torch.arange(count, dtype=torch.float64)
    shared = torch.minimum(edges[1:, None], starts + 1) - torch.maximum(edges[:-1, None], starts)
    of_parts = shared.clamp(min=0) * parts / max(count, 1)
    whole = torch.full((1, count), 1 / max(count, 1), dtype=torch.float64)
    return torch.cat([whole, of_parts]).float()


class PartsEncoder(StaticEncoder):
    """Mean of a caption's static sub-token vectors, and of each of its parts: tokens [B, 9, 256] float32."""

    def encode(self, captions: Sequence[str]) -> Condition:
        """Embed captions, [B, 9, C], on the table's device; zeros for a caption without words."""
        device = self._vectors.device
        ids = [self._table.ids(caption) for caption in captions]
        if device.type == "cpu":
            tokens = torch.stack([part_weights(len(own)) @ self._vectors[torch.tensor(own).long()] for own in ids])
        else:
            longest = max(1, *map(len, ids))
            padded = [[*own, *[0] * (longest - len(own))] for own in ids]
            words = self._vectors[indices([one for own in padded for one in own], device)]
            weights = pad_sequence([part_weights(len(own)).T for own in ids], batch_first=True)
            weights = torch.nn.functional.pad(weights, (0, 0, 0, longest - weights.shape[1])).transpose(1, 2)
            tokens = sent(weights, device) @ words.unflatten(0, (len(ids), longest))
        return Condition(tokens, full_mask(len(tokens), 1 + PARTS, device), self.name)

    def encode_with(self, captions: Sequence[str], vectors: Mapping[str, Tensor]) -> Condition:
        """Embed captions [B, 9, C] whose placeholders ``<name>`` count as one sub-token each; differentiable."""
        check_rows(captions, vectors)
        device = self._vectors.device
        rows = []
        for row, caption in enumerate(captions):
            words = [self._vectors.new_zeros(0, self.dim)]
            for part in split_caption(caption):
                if part.placeholder:
                    words.append(vector_of(part.text, row, vectors).unsqueeze(0))
                else:
                    words.append(self._vectors[indices(tokens_of(part, self._table.ids), device)])
            own = torch.cat(words)
            rows.append(sent(part_weights(len(own)), device) @ own)
        return Condition(torch.stack(rows), full_mask(len(rows), 1 + PARTS, device), self.name)


def wordllama_parts() -> PartsEncoder:
    """WordLlama l2_supercat, 256 wide, from the installed package, in order."""
    return PartsEncoder("wordllama-parts", wordllama_table())

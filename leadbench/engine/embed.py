"""Evaluator embeddings of many motions, sorted by length."""

from __future__ import annotations

import torch
from torch import Tensor

from leadbench.nn.evaluator import MotionEmbedder

BATCH = 128
"""Motions embedded together: the recurrent products of 32 rows leave half of a core's rate unused."""


@torch.no_grad()
def embed_in_buckets(embedder: MotionEmbedder, features: Tensor, lengths: Tensor, batch: int = BATCH) -> Tensor:
    """Embeddings [S, E] of motions [S, F, D] of ``lengths`` [S], in input order: ``batch`` of like length at once."""
    if len(features) <= batch:
        embedded: Tensor = embedder(features, lengths)
        return embedded
    order = lengths.argsort(stable=True)
    pieces = [embedder(features[rows, : int(lengths[rows].max())], lengths[rows]) for rows in order.split(batch)]
    return torch.cat(pieces)[order.argsort()]

"""Retrieval among all motions of a split, text to motion and motion to text, by the protocols of TMR (Petrovich et al.
2023).

R-precision over pools of 32 is close to 1 for real motions, and tells good models from better ones no more. Here every
motion of the split competes. Split by split there are captions that mean the same; a motion of such a caption is no
miss. The protocols: all motions, as they are; with a threshold of similarity of captions, above which another's motion
counts as one's own; a subset of captions that are as different as can be; small pools, averaged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from leadbench.core.errors import DataError
from leadbench.metrics.arrays import ArrayLike, finite_float64

KS = (1, 2, 3, 5, 10)
"""Recall is told at these ranks."""

THRESHOLD = 0.95
"""Similarity (cosine + 1) / 2 above which captions count as one: TMR's."""


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks [N] of what each query looked for, from 0; ties share the mean of their places, a half where two tie."""

    ranks: Tensor

    def recall(self, k: int) -> float:
        """Share of the queries that find their own among the first ``k``."""
        return float((self.ranks < k).double().mean())

    @property
    def median(self) -> float:
        """Median rank, from 1."""
        ordered = self.ranks.sort().values
        middle = (len(ordered) - 1) // 2, len(ordered) // 2
        return float((ordered[middle[0]] + ordered[middle[1]]) / 2 + 1)


def gallery_ranks(text: ArrayLike, motion: ArrayLike, *, alike: Tensor | None = None, direction: str = "t2m") -> Ranks:
    """Ranks of the own motion of every text (``t2m``) among all motions, or of every motion's text (``m2t``), by
    Euclidean distance.

    Args:
        text: embeddings [N, E].
        motion: embeddings [N, E]; row i of both belongs together.
        alike: [N, N] bool, symmetric, True on the diagonal: pairs whose captions mean the same. The best rank among
            them counts.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: shapes differ, or ``direction`` is another word.

    >>> rows = torch.tensor([[0.0], [1.0], [2.0]])
    >>> gallery_ranks(rows, rows + 0.9).ranks.tolist()
    [0.0, 1.0, 1.0]
    """
    if direction not in ("t2m", "m2t"):
        raise DataError(f"direction {direction!r} (allowed: t2m, m2t)")
    distances = _distances(text, motion)
    queries = distances if direction == "t2m" else distances.T
    if alike is None:
        own = queries.diagonal()
    else:
        _check_alike(alike, len(queries))
        own = queries.masked_fill(~alike, float("inf")).min(1).values
    own = own[:, None]
    # whoever is as near shares the places
    return Ranks((queries < own).sum(1).double() + ((queries == own).sum(1).double() - 1) / 2)


def alike_captions(similarity: ArrayLike, threshold: float = THRESHOLD) -> Tensor:
    """Pairs [N, N] of captions that count as one: (cosine + 1) / 2 above the threshold; a caption is always like
    itself.

    Args:
        similarity: embeddings [N, T] of the captions by a text encoder, of any length.

    Raises:
        NonFiniteError: NaN or infinite values.

    >>> alike_captions(torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0]])).int().tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    unit = torch.nn.functional.normalize(finite_float64(similarity, "N T", "embeddings of captions"), dim=1)
    alike = unit @ unit.T > 2 * threshold - 1
    return alike | torch.eye(len(unit), dtype=torch.bool)


def dissimilar_rows(similarity: ArrayLike, count: int) -> Tensor:
    """Rows [min(N, count)] of captions that differ as much as can be, in order of their choice.

    Chosen one after another: the next is the one whose likest caption so far is the least like it, beginning with the
        caption that
    is least like all others on average. TMR approximates the same by a quadratic programme; its list for HumanML3D is
    another.

    Raises:
        NonFiniteError: NaN or infinite values.

    >>> dissimilar_rows(torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]), 2).tolist()
    [2, 0]
    """
    unit = torch.nn.functional.normalize(finite_float64(similarity, "N T", "embeddings of captions"), dim=1)
    cosines = unit @ unit.T
    if count < 1 or not len(unit):
        return torch.zeros(0, dtype=torch.int64)
    chosen = [int(cosines.mean(1).argmin())]
    nearest = cosines[chosen[0]].clone()
    for _ in range(min(count, len(unit)) - 1):
        nearest[chosen] = float("inf")
        chosen.append(int(nearest.argmin()))
        nearest = torch.maximum(nearest, cosines[chosen[-1]])
    return torch.tensor(chosen)


def pooled_recall(
    text: ArrayLike, motion: ArrayLike, order: Tensor, pool: int, k: int = 1, alike: Tensor | None = None
) -> float | None:
    """R-precision at ``k`` over pools of any size; None where the rows fill none.

    Args:
        order: permutation [N] that fills the pools; rows beyond the last full one are left out.
        alike: as :func:`gallery_ranks` takes it.

    >>> rows = torch.eye(4)
    >>> pooled_recall(rows, rows, torch.arange(4), 2), pooled_recall(rows, rows.roll(1, 0), torch.arange(4), 4)
    (1.0, 0.0)
    """
    distances = _distances(text, motion)
    pools = [part for part in order.split(pool) if len(part) == pool]
    if not pools:
        return None
    hits = 0.0
    for rows in pools:
        inside = distances[rows][:, rows]
        mine = inside.diagonal() if alike is None else _nearest_alike(inside, alike[rows][:, rows])
        own = mine[:, None]
        ranks = (inside < own).sum(1).double() + ((inside == own).sum(1).double() - 1) / 2
        hits += float((ranks < k).sum())
    return hits / (len(pools) * pool)


def _nearest_alike(distances: Tensor, alike: Tensor) -> Tensor:
    return distances.masked_fill(~alike, float("inf")).min(1).values


def _distances(text: ArrayLike, motion: ArrayLike) -> Tensor:
    texts, motions = finite_float64(text, "N E", "text embeddings"), finite_float64(motion, "N E", "motion embeddings")
    if texts.shape != motions.shape:
        raise DataError(f"text embeddings {tuple(texts.shape)} and motion embeddings {tuple(motions.shape)} differ")
    return torch.cdist(texts, motions, compute_mode="donot_use_mm_for_euclid_dist")


def _check_alike(alike: Tensor, count: int) -> None:
    if alike.shape != (count, count) or alike.dtype != torch.bool or not bool(alike.diagonal().all()):
        raise DataError(f"alike: needs bool [{count}, {count}] that is True on the diagonal")

"""How well labels and captions can be told from vectors: nearest neighbours, silhouettes, ranks, with intervals.

All are pure functions in float64 that give one value for each motion, so that two spaces can be compared motion by
motion. ``euclidean`` and ``cosine`` are the two metrics; cosine looks at directions alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_samples
from torch import Tensor

from leadbench.core.errors import DataError
from leadbench.metrics.arrays import ArrayLike, IndexLike, finite_float64, row_indices

Metric = Literal["euclidean", "cosine"]
METRICS: tuple[Metric, ...] = ("euclidean", "cosine")


def unit_rows(rows: ArrayLike, what: str = "rows") -> Tensor:
    """Rows [N, E] at length 1: their Euclidean order is that of the cosine.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: a row of zeros, which has no direction.

    >>> unit_rows(torch.tensor([[3.0, 4.0]])).tolist()
    [[0.6, 0.8]]
    """
    values = finite_float64(rows, "N E", what)
    norms = values.norm(dim=1, keepdim=True)
    if not bool((norms > 0).all()):
        raise DataError(f"{what}: {int((norms == 0).sum())} of {len(values)} are zero and have no direction")
    unit: Tensor = values / norms
    return unit


def knn_correct(
    rows: ArrayLike, labels: IndexLike, metric: Metric, *, neighbours: int = 5, groups: IndexLike | None = None
) -> Tensor:
    """Whether the nearest other rows say a row's own label, [N] bool; the mean is leave-one-out accuracy.

    The label that most of the neighbours have wins; of equally frequent ones that of the nearest neighbour.

    Args:
        rows: [N, E].
        labels: [N] whole numbers.
        metric: of the neighbourhood.
        neighbours: k.
        groups: [N] whole numbers; rows of one's own group are no neighbours. Default: each row is alone.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: fewer than ``neighbours`` rows are left to a row, or shapes do not fit.

    >>> knn_correct(torch.tensor([[0.0], [1.0], [8.0], [9.0]]), torch.tensor([0, 0, 1, 0]), "euclidean", neighbours=1)
    tensor([ True,  True, False, False])
    """
    values = unit_rows(rows) if metric == "cosine" else finite_float64(rows, "N E", "rows")
    own = _as_classes(labels, len(values), "labels")
    group = torch.arange(len(values)) if groups is None else _as_classes(groups, len(values), "groups")
    distances = torch.cdist(values, values, compute_mode="donot_use_mm_for_euclid_dist")
    distances[group[:, None] == group[None, :]] = float("inf")
    left = int(torch.isfinite(distances).sum(dim=1).min()) if len(values) else 0
    if neighbours < 1 or left < neighbours:
        raise DataError(f"nearest neighbours: {neighbours} are asked for, a row has {left} others")
    said = own[distances.argsort(dim=1, stable=True)[:, :neighbours]]
    votes = torch.nn.functional.one_hot(said, int(own.max()) + 1)
    first = torch.where(votes.bool().any(dim=1), votes.argmax(dim=1), neighbours)  # nearest neighbour of each label
    won = (votes.sum(dim=1) * (neighbours + 1) - first).argmax(dim=1)
    return won == own


def silhouettes(rows: ArrayLike, labels: IndexLike, metric: Metric) -> Tensor:
    """Silhouette of each row [N] (Rousseeuw 1987; scikit-learn): -1 to 1, how much nearer its own label's rows are.

    The mean is the silhouette score. Distances concentrate in many dimensions, so that spaces of two widths compare
    in sign and order rather than in size.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: fewer than 2 labels, as many labels as rows, or shapes do not fit.

    >>> silhouettes(torch.tensor([[0.0], [1.0], [4.0], [5.0]]), torch.tensor([0, 0, 1, 1]), "euclidean").mean()
    tensor(0.7460, dtype=torch.float64)
    """
    values = unit_rows(rows) if metric == "cosine" else finite_float64(rows, "N E", "rows")
    own = _as_classes(labels, len(values), "labels")
    count = len(own.unique())
    if not 2 <= count < len(values):
        raise DataError(
            f"silhouette: {count} labels for {len(values)} rows; there must be 2 or more, and fewer than rows"
        )
    return torch.from_numpy(np.asarray(silhouette_samples(values.numpy(), own.numpy(), metric=metric)))


def best_ranks(queries: ArrayLike, gallery: ArrayLike, own: Sequence[Sequence[int]]) -> Tensor:
    """Rank [N] of the best of each query's own gallery rows by cosine, 1 for the first.

    Rows of others at the same cosine count as nearer, so that a gallery of equal rows scores worst, not best.

    Args:
        queries: [N, E].
        gallery: [G, E].
        own: for each query the gallery rows that are right, one at least.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: widths differ, or a query has no row of its own.

    >>> best_ranks(torch.eye(2), torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.0, 2.0]]), [[0], [0, 2]]).tolist()
    [2, 1]
    """
    first, second = unit_rows(queries, "queries"), unit_rows(gallery, "gallery")
    if first.shape[1] != second.shape[1] or len(own) != len(first):
        raise DataError(
            f"ranks: {len(own)} sets of own rows, queries {list(first.shape)}, gallery {list(second.shape)}"
        )
    ranks = torch.empty(len(first), dtype=torch.long)
    for row, right in enumerate(own):
        if not len(right):
            raise DataError(f"ranks: query {row} has no row of its own")
        cosines = second @ first[row]
        best = cosines[list(right)].max()
        cosines[list(right)] = -2.0
        ranks[row] = 1 + int((cosines >= best).sum())
    return ranks


def bootstrap_interval(
    values: ArrayLike, generator: np.random.Generator, *, groups: IndexLike | None = None, draws: int = 2000
) -> tuple[float, float]:
    """95 % percentile interval of the mean of values [N], whole groups drawn with replacement (Efron 1979).

    Given differences of two spaces motion by motion, it is paired. Neighbours and captions stay those of the split:
    the interval is about which motions were asked, not about which others there are.

    Args:
        values: one number for each motion.
        generator: source of randomness, keyed by the caller.
        groups: [N] whole numbers: what is drawn together. Default: each alone.
        draws: how many means.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: no values, or shapes do not fit.

    >>> bootstrap_interval(torch.full((8,), 0.5), np.random.default_rng(0))
    (0.5, 0.5)
    """
    if not len(values):
        raise DataError("bootstrap: no values")
    rows = finite_float64(values[:, None], "N 1", "values")[:, 0]
    group = torch.arange(len(rows)) if groups is None else _as_classes(groups, len(rows), "groups")
    sums = np.bincount(group.numpy(), weights=rows.numpy())
    sizes = np.bincount(group.numpy())
    counts = generator.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=draws)
    low, high = np.percentile((counts @ sums) / (counts @ sizes), (2.5, 97.5))
    return float(low), float(high)


def principal_components(rows: ArrayLike, width: int) -> Tensor:
    """Rows [N, E] centred and projected on their ``width`` first principal components, [N, width].

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: more components are asked for than rows or columns have.

    >>> principal_components(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), 1).abs().flatten()
    tensor([2.5000, 2.5000], dtype=torch.float64)
    """
    values = finite_float64(rows, "N E", "rows")
    if not 1 <= width <= min(values.shape):
        raise DataError(f"PCA: {width} components of {list(values.shape)} values")
    return torch.from_numpy(np.asarray(PCA(width, svd_solver="full").fit_transform(values.numpy())))


def t_sne(rows: ArrayLike, metric: Metric, generator: np.random.Generator, perplexity: float = 30.0) -> Tensor:
    """Points [N, 2] of a t-SNE (van der Maaten and Hinton 2008; scikit-learn), which starts at the first components.

    A picture: neighbours of points mean something, distances between clusters and their sizes do not.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: fewer than 5 rows.
    """
    values = unit_rows(rows) if metric == "cosine" else finite_float64(rows, "N E", "rows")
    if len(values) < 5:
        raise DataError(f"t-SNE: {len(values)} rows, at least 5 are needed")
    tsne = TSNE(
        2,
        perplexity=min(perplexity, (len(values) - 1) / 3),
        metric=metric,
        init="pca",
        random_state=int(generator.integers(2**31)),
        n_jobs=1,  # the order of sums, and so the picture, would depend on their number
    )
    return torch.from_numpy(np.asarray(tsne.fit_transform(values.numpy()), dtype=np.float64))


def _as_classes(values: IndexLike, rows: int, what: str) -> Tensor:
    """Whole numbers [N] as 0 .. classes - 1."""
    given = torch.as_tensor(values)
    found = given if len(given) == 0 else row_indices(given, int(given.max()) + 1, what)
    if len(found) != rows:
        raise DataError(f"{what}: {len(found)} for {rows} rows")
    classes: Tensor = found.unique(return_inverse=True)[1]
    return classes

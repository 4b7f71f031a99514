"""Neighbours, silhouettes, ranks and intervals against slow references written from the definitions."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.random import stream
from leadbench.metrics.structure import (
    METRICS,
    Metric,
    best_ranks,
    bootstrap_interval,
    knn_correct,
    principal_components,
    silhouettes,
    t_sne,
    unit_rows,
)


@pytest.fixture
def rows() -> Tensor:
    """Three overlapping clouds of 15, of different lengths."""
    centres = torch.eye(6)[:3].repeat_interleave(15, dim=0) * 1.5
    return (centres + torch.randn(45, 6)) * torch.rand(45, 1).add(0.3)


LABELS = torch.arange(3).repeat_interleave(15)
GROUPS = torch.arange(45) // 2


def distance(a: Tensor, b: Tensor, metric: Metric) -> float:
    x, y = a.tolist(), b.tolist()
    if metric == "euclidean":
        return math.dist(x, y)
    return 1 - math.fsum(p * q for p, q in zip(x, y, strict=True)) / math.hypot(*x) / math.hypot(*y)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("grouped", [False, True])
def test_neighbours_agree_with_the_slow_reference(rows: Tensor, metric: Metric, grouped: bool) -> None:
    groups = GROUPS if grouped else torch.arange(45)
    expected = []
    for i in range(45):
        others = [j for j in range(45) if groups[j] != groups[i]]
        nearest = sorted(others, key=lambda j: distance(rows[i].double(), rows[j].double(), metric))[:5]
        said = [int(LABELS[j]) for j in nearest]
        most = max(Counter(said).values())
        expected.append(next(label for label in said if said.count(label) == most) == int(LABELS[i]))
    found = knn_correct(rows, LABELS, metric, groups=groups if grouped else None)
    assert found.tolist() == expected
    assert 0 < sum(expected) < 45


def test_copies_of_oneself_do_not_count(rows: Tensor) -> None:
    """Labels at chance: a copy beside each row tells its label, unless it is of the same group."""
    labels = torch.from_numpy(np.random.default_rng(0).permutation(45) // 2)
    pairs, names = rows.repeat_interleave(2, dim=0), labels.repeat_interleave(2)
    assert bool(knn_correct(pairs, names, "euclidean", neighbours=1).all())
    groups = torch.arange(45).repeat_interleave(2)
    assert knn_correct(pairs, names, "euclidean", neighbours=1, groups=groups).double().mean() < 0.3


@pytest.mark.parametrize("metric", METRICS)
def test_silhouettes_agree_with_the_slow_reference(rows: Tensor, metric: Metric) -> None:
    expected = []
    for i in range(45):
        means = []
        for label in range(3):
            members = [j for j in range(45) if int(LABELS[j]) == label and j != i]
            total = math.fsum(distance(rows[i].double(), rows[j].double(), metric) for j in members)
            means.append(total / len(members))
        own = means.pop(int(LABELS[i]))
        expected.append((min(means) - own) / max(min(means), own))
    assert silhouettes(rows, LABELS * 7, metric).tolist() == pytest.approx(expected, abs=1e-9)


def test_ranks_agree_with_sorting(rows: Tensor) -> None:
    queries, own = torch.randn(12, 6), [[i, i + 20] for i in range(12)]
    expected = []
    for query, right in zip(queries, own, strict=True):
        order = sorted(range(45), key=lambda j: distance(query.double(), rows[j].double(), "cosine"))
        others = [j for j in order if j not in right or j == next(k for k in order if k in right)]
        expected.append(1 + next(place for place, j in enumerate(others) if j in right))
    assert best_ranks(queries, rows, own).tolist() == expected
    # where nothing can be told apart, nothing is found
    assert best_ranks(queries, torch.ones(45, 6), own).tolist() == [44] * 12


def test_the_interval_is_that_of_large_samples_and_of_its_coverage() -> None:
    values = np.random.default_rng(1).exponential(size=800)
    half = 1.96 * values.std() / math.sqrt(800)
    low, high = bootstrap_interval(values, stream(0, "test"), draws=4000)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)
    assert (low, high) == bootstrap_interval(values, stream(0, "test"), draws=4000)


def test_groups_are_drawn_whole() -> None:
    """A value written down four times tells no more than once."""
    values = torch.randn(60, dtype=torch.float64)
    once = bootstrap_interval(values, stream(0, "test"))
    groups = torch.arange(60).repeat_interleave(4)
    assert bootstrap_interval(values.repeat_interleave(4), stream(0, "test"), groups=groups) == pytest.approx(once)
    alone = bootstrap_interval(values.repeat_interleave(4), stream(0, "test"))
    assert alone[1] - alone[0] == pytest.approx((once[1] - once[0]) / 2, rel=0.15)


def test_components_keep_what_they_can(rows: Tensor) -> None:
    whole, three = principal_components(rows, 6), principal_components(rows, 3)
    torch.testing.assert_close(torch.cdist(whole, whole), torch.cdist(rows.double(), rows.double()), atol=1e-6, rtol=0)
    values = torch.linalg.eigvalsh(rows.double().T.cov()).flip(0)
    torch.testing.assert_close(three.var(dim=0), values[:3])


def test_t_sne_shows_clusters_and_is_repeated_exactly() -> None:
    rows = torch.eye(8)[:3].repeat_interleave(20, dim=0) * 9 + torch.randn(60, 8) * 0.2
    for metric in METRICS:
        points = t_sne(rows, metric, stream(0, "test"), perplexity=10)
        assert bool(knn_correct(points, torch.arange(3).repeat_interleave(20), "euclidean").all())
        assert torch.equal(points, t_sne(rows, metric, stream(0, "test"), perplexity=10))


def test_bad_input_is_refused(rows: Tensor) -> None:
    with pytest.raises(DataError, match="5 are asked for, a row has 4 others"):
        knn_correct(rows[:5], LABELS[:5], "cosine")
    with pytest.raises(DataError, match="5 are asked for, a row has 0 others"):
        knn_correct(rows, LABELS, "cosine", groups=torch.zeros(45, dtype=torch.long))
    with pytest.raises(DataError, match="labels: 44 for 45 rows"):
        knn_correct(rows, LABELS[1:], "euclidean")
    with pytest.raises(DataError, match="1 labels for 15 rows"):
        silhouettes(rows[:15], LABELS[:15], "euclidean")
    with pytest.raises(DataError, match="1 of 45 are zero"):
        unit_rows(torch.cat([rows[:44], torch.zeros(1, 6)]))
    with pytest.raises(DataError, match="query 1 has no row of its own"):
        best_ranks(rows[:2], rows, [[0], []])
    with pytest.raises(DataError, match="sets of own rows"):
        best_ranks(rows[:2], rows[:, :3], [[0], [1]])
    with pytest.raises(DataError, match="no values"):
        bootstrap_interval(torch.empty(0), stream(0, "test"))
    with pytest.raises(DataError, match="7 components"):
        principal_components(rows, 7)
    with pytest.raises(DataError, match="4 rows"):
        t_sne(rows[:4], "cosine", stream(0, "test"))
    rows[3, 1] = float("nan")
    for call in (lambda: knn_correct(rows, LABELS, "cosine"), lambda: silhouettes(rows, LABELS, "euclidean")):
        with pytest.raises(NonFiniteError, match="first rows: 3"):
            call()

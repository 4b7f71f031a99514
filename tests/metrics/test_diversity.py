"""Diversity and MultiModality: pairs drawn without replacement, small sets, NaN."""

from __future__ import annotations

import numpy as np
import pytest
import reference_metrics

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.metrics.diversity import diversity, diversity_pair_count, draw_pairs, multimodality


def test_agree_with_the_slow_references() -> None:
    random = np.random.default_rng(0)
    rows, repeats = random.normal(size=(50, 6)), random.normal(size=(4, 12, 6))
    pairs = draw_pairs(50, 16, random)
    expected = reference_metrics.diversity(rows, pairs.first, pairs.second)
    assert diversity(rows, pairs.first, pairs.second) == pytest.approx(expected, rel=1e-12)
    pairs = draw_pairs(12, 5, random)
    expected = reference_metrics.multimodality(repeats, pairs.first, pairs.second)
    assert multimodality(repeats, pairs.first, pairs.second) == pytest.approx(expected, rel=1e-12)


def test_pairs_are_drawn_without_replacement() -> None:
    pairs = draw_pairs(30, 30, np.random.default_rng(1))
    assert sorted(pairs.first) == sorted(pairs.second) == list(range(30))
    assert not np.array_equal(pairs.first, pairs.second)


def test_same_stream_same_pairs() -> None:
    a, b, c = (draw_pairs(90, 30, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(a.first, b.first)
    assert np.array_equal(a.second, b.second)
    assert not np.array_equal(a.first, c.first)


def test_small_sets_draw_fewer_pairs_and_say_so() -> None:
    assert [diversity_pair_count(n) for n in (4384, 900, 899, 3, 2)] == [300, 300, 299, 1, 1]
    assert draw_pairs(4384, diversity_pair_count(4384), np.random.default_rng(0), wanted=300).note is None
    small = draw_pairs(60, diversity_pair_count(60), np.random.default_rng(0), wanted=300)
    assert (small.count, small.note) == (20, "20 pairs instead of 300 (60 samples)")


def test_collapsed_repeats_have_no_multimodality() -> None:
    repeats = np.broadcast_to(np.random.default_rng(0).normal(size=(3, 1, 4)), (3, 30, 4))
    pairs = draw_pairs(30, 10, np.random.default_rng(0))
    assert multimodality(repeats, pairs.first, pairs.second) == 0


def test_nan_is_refused() -> None:
    rows = np.zeros((5, 3, 2))
    rows[2, 1, 0] = np.nan
    index = np.array([0])
    with pytest.raises(NonFiniteError, match="first rows: 2"):
        multimodality(rows, index, index)
    with pytest.raises(NonFiniteError, match="first rows: 1"):
        diversity(rows[2], index, index)


def test_bad_input_is_refused() -> None:
    rows, index = np.zeros((5, 2)), np.array([0, 1])
    with pytest.raises(DataError, match="cannot be drawn without replacement from 5"):
        draw_pairs(5, 6, np.random.default_rng(0))
    with pytest.raises(DataError, match="do not make pairs"):
        diversity(rows, index, index[:1])
    with pytest.raises(DataError, match="do not all lie in 0 to 4"):
        diversity(rows, index, np.array([0, 5]))
    with pytest.raises(DataError, match="0 prompts"):
        multimodality(np.zeros((0, 3, 2)), index, index)
    with pytest.raises(DataError, match=r"expected \[P, R, E\]"):
        multimodality(rows, index, index)

"""Splits: shares, strata, determinism."""

from __future__ import annotations

from collections import Counter

import pytest

from leadbench.data.prepare.splits import SHARES, split_clips


def clips(cells: dict[tuple[str, str], int]) -> dict[str, tuple[str, str]]:
    return {f"{c}_{s}_{i:03d}": (c, s) for (c, s), count in cells.items() for i in range(count)}


def test_every_large_cell_is_split_by_the_shares() -> None:
    labels = clips({("walk", "old"): 40, ("walk", "young"): 100, ("run", "old"): 60})
    assigned = split_clips(labels)
    for cell, count in (("walk_old", 40), ("walk_young", 100), ("run_old", 60)):
        found = Counter(split for clip, split in assigned.items() if clip.startswith(cell))
        assert found == {"train": count * 0.80, "val": count * 0.05, "test": count * 0.15}


def test_small_cells_of_a_content_are_pooled() -> None:
    labels = clips({("bow", f"style{i}"): 5 for i in range(8)})
    assert Counter(split_clips(labels).values()) == {"train": 32, "val": 2, "test": 6}


def test_the_assignment_depends_on_labels_and_seed_only() -> None:
    labels = clips({("walk", "old"): 40, ("run", "old"): 30})
    assigned = split_clips(labels, seed=1)
    assert split_clips(dict(reversed(labels.items())), seed=1) == assigned
    assert split_clips(labels, seed=2) != assigned
    more = split_clips({**labels, **clips({("kick", "old"): 25})}, seed=1)
    assert {clip: more[clip] for clip in labels} == assigned


@pytest.mark.parametrize("count", [3, 4, 7, 12])
def test_no_split_is_empty_in_a_small_data_set(count: int) -> None:
    assigned = split_clips(clips({("walk", "old"): count}))
    assert set(assigned.values()) == set(SHARES)
    assert assigned == split_clips(clips({("walk", "old"): count}))


def test_fewer_clips_than_splits_are_left_to_rounding() -> None:
    assert set(split_clips(clips({("walk", "old"): 2})).values()) == {"train"}

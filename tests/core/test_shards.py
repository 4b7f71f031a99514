from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import dropout

from leadbench.core.shards import ALONE, Place, current_place, divided, dropped_out, gathered, own_rows, sharded


@given(st.integers(1, 40), st.integers(1, 9))
def test_processes_own_every_row_once(count: int, world: int) -> None:
    owned: list[int] = []
    weights = []
    for rank in range(world):
        place = Place(rank, world)
        begin, end = place.bounds(count)
        owned += range(begin, end)
        rows = place.rows(count)
        assert rows.stop - rows.start == max(1, end - begin)
        with sharded(place) as batch:
            assert own_rows(count) == rows
        weights.append(batch.weight)
    assert owned == list(range(count))
    assert sum(weights) == pytest.approx(1)


def test_a_batch_that_nobody_divided_counts_alike_in_every_process() -> None:
    with sharded(Place(2, 4)) as batch:
        assert divided()
        assert gathered(torch.eye(3)).equal(torch.eye(3))
    assert batch.weight == 1 / 4
    assert current_place() == ALONE
    assert not divided()


@given(st.integers(1, 12), st.integers(2, 5), st.integers(0, 2**31))
def test_dropout_of_a_part_is_that_of_the_whole(count: int, world: int, seed: int) -> None:
    x = torch.arange(1.0, count * 6 + 1).view(count, 2, 3)
    torch.manual_seed(seed)
    whole = dropout(x, 0.4)
    for rank in range(world):
        torch.manual_seed(seed)
        with sharded(Place(rank, world)):
            rows = own_rows(count)
            assert torch.equal(dropped_out(x[rows], 0.4), whole[rows])


def test_dropout_of_something_else_is_its_own() -> None:
    with sharded(Place(0, 2)):
        own_rows(8)
        torch.manual_seed(0)
        found = dropped_out(torch.ones(3, 5), 0.5)
    torch.manual_seed(0)
    assert torch.equal(found, dropout(torch.ones(3, 5), 0.5))

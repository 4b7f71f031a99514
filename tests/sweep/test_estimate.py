from __future__ import annotations

import itertools
import random

import pytest

from leadbench.sweep.estimate import chains_behind, costs_of, longest_chain, outlook
from leadbench.sweep.pieces import Piece
from leadbench.sweep.state import Marker
from sweeps import chain


def test_costs_are_of_the_piece_or_of_pieces_alike() -> None:
    pieces = [Piece(f"s{seed}/{entry}", entry, ()) for seed in (0, 1) for entry in ("train", "run")]
    markers = [
        Marker(piece="s0/train", entry="train", inputs="", outputs={}, seconds=10, peak_mib=100),
        Marker(piece="s7/train", entry="train", inputs="", outputs={}, seconds=20, peak_mib=300),
    ]
    costs = costs_of(pieces, markers)
    assert (costs["s0/train"].seconds, costs["s0/train"].measured) == (10, True)
    assert (costs["s1/train"].seconds, costs["s1/train"].peak_mib, costs["s1/train"].measured) == (15, 300, False)
    assert costs["s0/run"].seconds is None
    expected = [Piece("a", "run", (), expected=7.0), Piece("b", "train", (), expected=7.0)]
    costs = costs_of(expected, markers)
    assert (costs["a"].seconds, costs["b"].seconds) == (7, 15)


def test_one_worker_takes_the_sum_and_many_the_longest_chain() -> None:
    pieces = [*chain("a", "b", "c"), *(Piece(f"x{k}", "x", ()) for k in range(6))]
    seconds = {"a": 3.0, "b": 5.0, "c": 2.0, **{f"x{k}": 1.0 for k in range(6)}}
    assert longest_chain(pieces, seconds) == (10.0, ("a", "b", "c"))
    assert outlook(pieces, seconds, 1).seconds == 16
    assert outlook(pieces, seconds, 1).utilisation == 1
    assert outlook(pieces, seconds, 64).seconds == 10
    assert outlook(pieces, seconds, 2).seconds == 10  # the chain comes first
    assert outlook(pieces, seconds, 2).utilisation == pytest.approx(0.8)
    assert outlook(pieces, seconds, 64, overhead=0.5).seconds == 11.5


def test_any_number_of_workers_lies_between_the_bounds() -> None:
    draw = random.Random(0)
    for _ in range(50):
        pieces: list[Piece] = []
        for number in range(30):
            needs = [piece.name for piece in draw.sample(pieces, min(len(pieces), draw.randrange(3)))]
            pieces.append(Piece(str(number), "x", (), tuple(needs)))
        seconds = {piece.name: draw.uniform(0.1, 5) for piece in pieces}
        total, (chained, _) = sum(seconds.values()), longest_chain(pieces, seconds)
        took = [outlook(pieces, seconds, workers).seconds for workers in (1, 2, 4, 8, 64)]
        assert took[0] == pytest.approx(total)
        for workers, time in zip((1, 2, 4, 8, 64), took, strict=True):
            # Graham's bounds of list scheduling
            assert max(chained, total / workers) - 1e-9 <= time <= total / workers + chained + 1e-9
        assert max(chains_behind(pieces, seconds).values()) == pytest.approx(chained)
        assert all(a >= b - chained for a, b in itertools.pairwise(took))

from __future__ import annotations

import torch

from leadbench.core.random import NoiseSource, stream


def test_a_row_depends_on_its_id_alone() -> None:
    many = NoiseSource(0, ("a", "b", "c")).normal("initial", (2, 3))
    alone = NoiseSource(0, ("c",)).normal("initial", (2, 3))
    assert torch.equal(many[2], alone[0])


def test_every_part_of_the_key_counts() -> None:
    base = NoiseSource(0, ("a",), 0, 0).normal("x", (4,))
    others = [
        NoiseSource(1, ("a",)).normal("x", (4,)),
        NoiseSource(0, ("b",)).normal("x", (4,)),
        NoiseSource(0, ("a",), replication=1).normal("x", (4,)),
        NoiseSource(0, ("a",), repeat=1).normal("x", (4,)),
        NoiseSource(0, ("a",)).normal("y", (4,)),
        NoiseSource(0, ("a",)).normal("x", (4,), step=1),
    ]
    assert all(not torch.equal(base, other) for other in others)


def test_keys_are_not_glued_together() -> None:
    assert stream(0, "a", "bc").random() != stream(0, "ab", "c").random()
    assert stream(1, "2", 3).random() != stream(12, "", 3).random()


def test_numbers_are_standard_normal() -> None:
    values = NoiseSource(0, tuple(map(str, range(200)))).normal("x", (100,))
    assert abs(float(values.mean())) < 0.03
    assert abs(float(values.std()) - 1) < 0.03


def test_rows_may_have_repeats_of_their_own() -> None:
    mixed = NoiseSource(0, ("a", "a", "b"), repeat=(1, 2, 1)).normal("x", (4,))
    for row, (name, repeat) in enumerate((("a", 1), ("a", 2), ("b", 1))):
        assert torch.equal(mixed[row], NoiseSource(0, (name,), repeat=repeat).normal("x", (4,))[0])

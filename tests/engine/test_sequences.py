"""Sequences that a loop keeps: what stands where, in every guidance branch."""

from __future__ import annotations

import pytest
import torch

from leadbench.engine.sequences import TokenSequences
from leadbench.nn.packing import PackedLinear

BRANCHES, BATCH, LATENTS, TEXT, WIDTH = 2, 3, 2, 4, 8


@pytest.fixture
def maps() -> PackedLinear:
    torch.manual_seed(0)
    return PackedLinear(torch.randn(3 * WIDTH, WIDTH), torch.randn(3 * WIDTH))


@pytest.mark.parametrize("shared", [True, False])
def test_rows_and_their_maps(maps: PackedLinear, shared: bool) -> None:
    text = torch.randn(BRANCHES * BATCH, TEXT, WIDTH)
    latents, time = torch.randn(BATCH, LATENTS, WIDTH), torch.randn(WIDTH)
    used = maps if shared else None
    sequences = TokenSequences.of_text(text, LATENTS, used)
    sequences.put_latents(latents, used)
    sequences.put_time(time, maps(time[None])[0] if shared else None)
    expected = torch.cat([latents.repeat(BRANCHES, 1, 1), time.expand(BRANCHES * BATCH, 1, WIDTH), text], dim=1)
    assert torch.equal(sequences.rows, expected)
    if not shared:
        assert sequences.projected is None
        return
    assert sequences.projected is not None
    torch.testing.assert_close(
        sequences.projected, maps(expected.flatten(0, 1)).view(BRANCHES * BATCH, -1, 3 * WIDTH), atol=1e-5, rtol=1e-5
    )


def test_a_copy_is_its_own_until_it_takes_over(maps: PackedLinear) -> None:
    sequences = TokenSequences.of_text(torch.randn(2, TEXT, WIDTH), LATENTS, maps)
    sequences.put_latents(torch.zeros(2, LATENTS, WIDTH), maps)
    sequences.put_time(torch.zeros(WIDTH), torch.zeros(3 * WIDTH))
    other = sequences.clone()
    other.put_latents(torch.ones(2, LATENTS, WIDTH), maps)
    assert not sequences.rows[:, :LATENTS].any()
    sequences.copy_(other)
    assert torch.equal(sequences.rows, other.rows)
    assert sequences.projected is not None
    assert other.projected is not None
    assert torch.equal(sequences.projected, other.projected)
    assert sequences.rows.data_ptr() != other.rows.data_ptr()

"""NumPy's own generator is the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from leadbench.core.philox import philox_normals, philox_uniforms, philox_words
from leadbench.core.random import NoiseSource


def keys(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2**64, (count, 2), dtype=np.uint64)


def bits(own: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(own.view(np.int64))


def test_words_are_numpys_bit_for_bit() -> None:
    own = keys(200)
    own[0], own[1] = 0, 2**64 - 1  # every carry of the 64-bit products
    words = philox_words(bits(own), 64).numpy()
    for row, key in enumerate(own):
        assert np.array_equal(words[row], np.random.Philox(key=key).random_raw(32).view(np.uint32))


def test_normals_are_numpys() -> None:
    own = keys(3000)
    made = philox_normals(bits(own), 500).numpy()
    wanted = np.stack([np.random.Generator(np.random.Philox(key=key)).standard_normal(500, np.float32) for key in own])
    np.testing.assert_allclose(made, wanted, rtol=3e-7, atol=0)
    # the tails' logarithms are rounded by another library
    assert (made.view(np.uint32) == wanted.view(np.uint32)).mean() > 1 - 1e-5
    assert np.abs(wanted).max() > 3.66  # the tail was met


def test_few_and_many_numbers_begin_alike() -> None:
    own = bits(keys(50))
    assert torch.equal(philox_normals(own, 1), philox_normals(own, 700)[:, :1])


def test_the_noise_of_a_batch_is_that_of_its_rows() -> None:
    ids = tuple(f"motion {number}" for number in range(20))
    source = NoiseSource(3, ids, replication=2, repeat=tuple(range(20)))
    made = philox_normals(bits(source._keys("lcm", 4)), 12).view(20, 3, 4)
    torch.testing.assert_close(made, source.normal("lcm", (3, 4), step=4), rtol=3e-7, atol=0)


def test_uniform_numbers_are_numpys_bits() -> None:
    keys = np.random.default_rng(0).integers(2**63, size=(5, 2)).astype(np.uint64)
    wanted = [np.random.Generator(np.random.Philox(key=key)).random(37, dtype=np.float32) for key in keys]
    found = philox_uniforms(torch.from_numpy(keys.view(np.int64)), 37)
    assert torch.equal(found, torch.from_numpy(np.stack(wanted)))


def test_a_noise_source_draws_uniform_numbers_by_row() -> None:
    noise = NoiseSource(0, ("a", "b", "c"))
    drawn = noise.uniform("time", (4,))
    assert drawn.shape == (3, 4)
    assert noise.uniform("time").shape == (3,)
    assert torch.equal(NoiseSource(0, ("b",)).uniform("time", (4,))[0], drawn[1])
    assert not torch.equal(noise.uniform("other", (4,)), drawn)
    assert float(NoiseSource(0, tuple(map(str, range(4000)))).uniform("time").mean()) == pytest.approx(0.5, abs=0.02)

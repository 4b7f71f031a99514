"""Counter-based random streams: every random number is a function of what it is for, never of order.

A stream is keyed by (seed, purpose, replication, id of the sample, step, repeat), so results do not
depend on batch composition, device count, number of processes, or on having been interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


def stream(seed: int, purpose: str, *key: str | int) -> np.random.Generator:
    """A NumPy generator that depends only on its arguments (Philox with a SHA-256 key).

    >>> float(stream(0, "demo", "a").standard_normal()) == float(stream(0, "demo", "a").standard_normal())
    True
    """
    text = "\x1f".join([str(seed), purpose, *(str(k) for k in key)])
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest[:16], dtype=np.uint64)))


@contextmanager
def seeded(seed: int, purpose: str, *key: str | int) -> Iterator[None]:
    """Torch's own generator, for the length of a block, as a function of the arguments; as before afterwards.

    For what draws from it and takes no generator: the initial weights of a network, or a plugin's loss.

    >>> with seeded(0, "demo"):
    ...     first = torch.rand(3)
    >>> with seeded(0, "demo"):
    ...     second = torch.rand(3)
    >>> bool((first == second).all())
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream(seed, purpose, *key).integers(2**31)))
        yield


@dataclass(frozen=True)
class NoiseSource:
    """Random numbers bound to the ids of a batch, one independent stream for each row.

    ``repeat`` numbers the generations of one caption (MultiModality), of all rows or one for each; ``replication`` the
    passes over the test split.
    """

    seed: int
    ids: tuple[str, ...]
    replication: int = 0
    repeat: int | tuple[int, ...] = 0

    def normal(self, purpose: str, shape: Sequence[int], step: int = 0) -> Tensor:
        """Standard normal numbers [B, *shape] float32 on the CPU; row i depends on ids[i] alone."""
        out = np.empty((len(self.ids), *shape), dtype=np.float32)
        repeats = (self.repeat,) * len(self.ids) if isinstance(self.repeat, int) else self.repeat
        for row, (sample, repeat) in enumerate(zip(self.ids, repeats, strict=True)):
            rng = stream(self.seed, purpose, self.replication, sample, step, repeat)
            rng.standard_normal(dtype=np.float32, out=out[row])
        return torch.from_numpy(out)

    def __len__(self) -> int:
        return len(self.ids)

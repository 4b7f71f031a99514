"""Counter-based random streams: every random number is a function of what it is for, never of order.

A stream is keyed by (seed, purpose, replication, id of the sample, step, repeat), so results do not
depend on batch composition, device count, number of processes, or on having been interrupted.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadbench.core.device import CPU, accelerator, device_count, sent
from leadbench.core.philox import philox_normals, philox_uniforms

_SEPARATOR = "\x1f"


def stream(seed: int, purpose: str, *key: str | int) -> np.random.Generator:
    """A NumPy generator that depends only on its arguments (Philox with a SHA-256 key).

    >>> float(stream(0, "demo", "a").standard_normal()) == float(stream(0, "demo", "a").standard_normal())
    True
    """
    text = _SEPARATOR.join([str(seed), purpose, *(str(k) for k in key)])
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
    kind = accelerator()
    kind = kind if kind and hasattr(torch, kind) else None  # that of a device with a generator of its own
    with torch.random.fork_rng(range(device_count(kind)) if kind else [], device_type=kind or "cuda"):
        torch.manual_seed(int(stream(seed, purpose, *key).integers(2**31)))
        yield


@dataclass(frozen=True)
class NoiseSource:
    """Random numbers bound to the ids of a batch, one independent stream for each row.

    ``repeat`` numbers the generations of one caption (MultiModality), of all rows or one for each; ``replication`` the
    passes over the test split. Numbers are made on ``device``, all rows at once, and are the same on every one.
    """

    seed: int
    ids: tuple[str, ...]
    replication: int = 0
    repeat: int | tuple[int, ...] = 0
    device: torch.device = CPU.device

    def normal(self, purpose: str, shape: Sequence[int] = (), step: int = 0) -> Tensor:
        """Standard normal numbers [B, *shape] float32 on the device; row i depends on ids[i] alone.

        Row i is what :func:`stream` of (seed, purpose, replication, id, step, repeat) gives.
        """
        keys = self._keys(purpose, step)
        if self.device.type == "cpu":
            drawn = _drawn(keys, shape, lambda generator, out: generator.standard_normal(dtype=np.float32, out=out))
            return torch.from_numpy(drawn)
        bits = sent(torch.from_numpy(keys.view(np.int64)), self.device)
        return philox_normals(bits, int(np.prod(shape))).view(len(self.ids), *shape)

    def uniform(self, purpose: str, shape: Sequence[int] = (), step: int = 0) -> Tensor:
        """Numbers [B, *shape] float32, uniform in [0, 1), on the device; row i depends on ids[i] alone."""
        keys = self._keys(purpose, step)
        if self.device.type == "cpu":
            drawn = _drawn(keys, shape, lambda generator, out: generator.random(dtype=np.float32, out=out))
            return torch.from_numpy(drawn)
        bits = sent(torch.from_numpy(keys.view(np.int64)), self.device)
        return philox_uniforms(bits, int(np.prod(shape))).view(len(self.ids), *shape)

    def of(self, rows: slice) -> NoiseSource:
        """The numbers of some rows alone.

        >>> two = NoiseSource(0, ("a", "b"))
        >>> bool((two.of(slice(1, 2)).normal("noise", [3]) == two.normal("noise", [3])[1:]).all())
        True
        """
        repeat = self.repeat if isinstance(self.repeat, int) else self.repeat[rows]
        return replace(self, ids=self.ids[rows], repeat=repeat)

    def _keys(self, purpose: str, step: int) -> NDArray[np.uint64]:
        """The streams' keys [B, 2]."""
        known = (self.seed, purpose, self.replication)
        begun = hashlib.sha256("".join(f"{part}{_SEPARATOR}" for part in known).encode())
        repeats = (self.repeat,) * len(self.ids) if isinstance(self.repeat, int) else self.repeat
        digests = []
        for sample, repeat in zip(self.ids, repeats, strict=True):
            whole = begun.copy()
            whole.update(f"{sample}{_SEPARATOR}{step}{_SEPARATOR}{repeat}".encode())
            digests.append(whole.digest()[:16])
        return np.frombuffer(bytearray().join(digests), dtype=np.uint64).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self.ids)


_OWN = threading.local()  # of each thread: one generator that takes every stream's state in turn


def _drawn(
    keys: NDArray[np.uint64], shape: Sequence[int], draw: Callable[[np.random.Generator, NDArray[np.float32]], object]
) -> NDArray[np.float32]:
    """Numbers [B, *shape] of NumPy's streams; making a generator for each took three times as long."""
    if not hasattr(_OWN, "bits"):
        _OWN.bits = np.random.Philox(key=0)
        _OWN.fresh = _OWN.bits.state
        _OWN.generator = np.random.Generator(_OWN.bits)
    out = np.empty((len(keys), *shape), dtype=np.float32)
    for row, key in enumerate(keys):
        _OWN.fresh["state"]["key"] = key
        _OWN.bits.state = _OWN.fresh
        draw(_OWN.generator, out[row, ...])
    return out

"""NumPy's Philox generator and its normal numbers for many streams at once, in torch integers on any device.

``numpy.random.Philox`` is Philox-4x64-10 (Salmon et al., SC 2011, "Parallel random numbers: as easy as 1, 2, 3"); its
float32 normals come from the ziggurat of Marsaglia and Tsang (2000) with 256 layers. A draw takes one 32-bit word, or
more where it is rejected, so that where a draw begins depends on all before it: all words are judged as if a draw began
there, and the chain of those that do is found by doubling jumps. Nothing waits for the device.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from leadbench.core.device import sent

_LOW = 0xFFFFFFFF
_ROUNDS = 10
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)

_UNIT = 1.0 / 16777216.0
_LAYERS = 256
_EDGE = 3.6541528853610088  # where the ziggurat's tail begins
_TAIL_TRIES = 8  # each is accepted with a probability of about 1 - 1 / _EDGE^2 = 0.93


def philox_words(keys: Tensor, count: int) -> Tensor:
    """The first ``count`` 32-bit words of the streams of ``numpy.random.Philox(key=...)``.

    Args:
        keys: [B, 2] int64, the bits of each stream's 128-bit key.
        count: a multiple of 8.

    Returns:
        [B, count] int64, from 0 to 2^32 - 1.

    >>> key = np.array([1, 2], dtype=np.uint64)
    >>> words = philox_words(torch.from_numpy(key.view(np.int64))[None], 8)[0].tolist()
    >>> words == np.random.Philox(key=key).random_raw(4).view(np.uint32).tolist()
    True
    """
    blocks = torch.arange(1, count // 8 + 1, device=keys.device)  # NumPy counts before it draws
    state = [blocks.expand(len(keys), -1), *(torch.zeros_like(blocks).expand(len(keys), -1) for _ in range(3))]
    key = [keys[:, :1], keys[:, 1:]]
    for number in range(_ROUNDS):
        if number:
            key = [part + _signed(step) for part, step in zip(key, _WEYL, strict=True)]
        (high0, low0), (high1, low1) = _product(state[0], _MULTIPLIERS[0]), _product(state[2], _MULTIPLIERS[1])
        state = [high1 ^ state[1] ^ key[0], low1, high0 ^ state[3] ^ key[1], low0]
    halves = [half for part in state for half in (part & _LOW, (part >> 32) & _LOW)]
    return torch.stack(halves, dim=-1).flatten(1)


def philox_normals(keys: Tensor, count: int) -> Tensor:
    """What ``Generator(Philox(key)).standard_normal(count, dtype=float32)`` gives for each of many keys.

    Args:
        keys: [B, 2] int64, as :func:`philox_words` takes them.
        count: numbers of each stream.

    Returns:
        [B, count] float32 on the device of the keys. Equal to NumPy's bits, but for a last bit of some numbers beyond
        3.65, whose logarithm another library rounds, and, as rarely as an exponential falls between two roundings, for
        a rejection.
    """
    length = -(-(count + count // 16 + 64) // 8) * 8  # 2 % of the draws take a second word
    words = philox_words(keys, length + 2 * _TAIL_TRIES)
    values, after, accepted = _judged(words, length)
    emitted = _chain(after) & accepted
    place = emitted.cumsum(dim=1) - 1
    place = torch.where(emitted & (place < count), place, count)
    out = values.new_zeros(len(keys), count + 1)
    return out.scatter_(1, place, values)[:, :count]


def philox_uniforms(keys: Tensor, count: int) -> Tensor:
    """What ``Generator(Philox(key)).random(count, dtype=float32)`` gives for each of many keys, bit for bit.

    Args:
        keys: [B, 2] int64, as :func:`philox_words` takes them.
        count: numbers of each stream.

    Returns:
        [B, count] float32 in [0, 1) on the device of the keys.
    """
    words = philox_words(keys, -(-count // 8) * 8)[:, :count]
    return (words >> 8).float() * _UNIT


def _judged(words: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """For every word as the first of a draw: its value, where the next draw begins, and whether there is a value."""
    widths, bounds, heights = _tables_on(words.device)
    first = words[:, :length]
    layer, whole = first & 0xFF, (first >> 9) & 0x7FFFFF
    sizes = whole.float() * widths[layer]
    values = torch.where((first >> 8) & 1 == 1, -sizes, sizes)
    inside = whole < bounds[layer]
    uniform = (words >> 8).float() * _UNIT
    below = heights[layer]
    edge = (heights[(layer - 1).clamp(min=0)] - below) * uniform[:, 1 : length + 1] + below
    exact = torch.float32 if words.device.type == "mps" else torch.float64
    in_wedge = edge.to(exact) < torch.exp(-0.5 * values.to(exact).square())
    start = torch.arange(length, device=words.device)
    after = torch.where(inside, start + 1, start + 2)
    accepted = inside | in_wedge
    tail, used = _tail(uniform, length)
    in_tail = ~inside & (layer == 0)
    values = torch.where(in_tail, torch.where((whole >> 8) & 1 == 1, -tail, tail), values)
    after = torch.where(in_tail, start + 1 + used, after)
    return values, after.clamp(max=length), accepted | in_tail


def _tail(uniform: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Sizes beyond the edge drawn from the uniform numbers after each word, and how many of them are used up."""
    size, used = torch.zeros_like(uniform[:, :length]), None
    for number in reversed(range(_TAIL_TRIES)):
        begin = 1 + 2 * number
        beyond = -(1.0 / _EDGE) * torch.log1p(-uniform[:, begin : begin + length])
        against = -torch.log1p(-uniform[:, begin + 1 : begin + 1 + length])
        taken = against + against > beyond * beyond
        words = torch.full_like(taken, 2 * number + 2, dtype=torch.int64)
        size = torch.where(taken, _EDGE + beyond, size)
        used = words if used is None else torch.where(taken, words, used)
    assert used is not None
    return size, used


def _chain(after: Tensor) -> Tensor:
    """Which places [B, P] are reached from the first one, when each leads to ``after`` [B, P], at most P."""
    length = after.shape[1]
    end = after.new_full((len(after), 1), length)
    jump = torch.cat([after, end], dim=1)  # the place behind the last one leads to itself
    reached = torch.zeros_like(jump)
    reached[:, 0] = 1
    for _ in range(math.ceil(math.log2(length + 1))):
        reached = torch.zeros_like(reached).scatter_reduce(1, jump, reached, "amax") | reached
        jump = jump.gather(1, jump)
    return reached[:, :length] == 1


def _product(left: Tensor, right: int) -> tuple[Tensor, Tensor]:
    """High and low 64 bits of the product with an unsigned 64-bit number; int64 holds the bits of unsigned ones."""
    low, high = left & _LOW, (left >> 32) & _LOW
    right_low, right_high = right & _LOW, right >> 32
    cross, other = low * right_high, high * right_low
    middle = (((low * right_low) >> 32) & _LOW) + (cross & _LOW) + (other & _LOW)
    top = high * right_high + ((cross >> 32) & _LOW) + ((other >> 32) & _LOW) + (middle >> 32)
    return top, left * _signed(right)


def _signed(value: int) -> int:
    """The int64 of the same bits."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _density(x: float) -> float:
    return math.exp(-0.5 * x * x)


@cache
def _tables_on(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The tables on a device, sent once."""
    widths, bounds, heights = (sent(table, device) for table in _tables())
    return widths, bounds, heights


@cache
def _tables() -> tuple[Tensor, Tensor, Tensor]:
    """Of each layer: its width over 2^23, the share of it under the curve whatever the height, and the curve's height
    at its edge."""
    tail = math.sqrt(math.pi / 2) * math.erfc(_EDGE / math.sqrt(2))
    area = _EDGE * _density(_EDGE) + tail
    edges = [0.0] * _LAYERS
    edges[-1] = _EDGE
    for layer in range(_LAYERS - 2, 0, -1):
        edges[layer] = math.sqrt(-2 * math.log(area / edges[layer + 1] + _density(edges[layer + 1])))
    scale = 1 << 23
    widths = [area / _density(_EDGE) / scale, *(edge / scale for edge in edges[1:])]
    shares = [_EDGE * _density(_EDGE) / area, *(edges[i - 1] / edges[i] for i in range(1, _LAYERS))]
    heights = [1.0, *(_density(edge) for edge in edges[1:])]
    bounds = torch.tensor([int(share * scale) for share in shares])
    return (
        torch.from_numpy(np.array(widths, dtype=np.float32)),
        bounds,
        torch.from_numpy(np.array(heights, dtype=np.float32)),
    )

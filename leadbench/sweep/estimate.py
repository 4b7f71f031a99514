"""What a sweep will take: from pieces that are done, from pieces alike, and from how they wait for each other."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from leadbench.sweep.pieces import Piece
from leadbench.sweep.state import Marker


@dataclass(frozen=True)
class Cost:
    """What a piece takes.

    Attributes:
        seconds: None: nothing alike was done yet.
        peak_mib: None: nobody knows.
        measured: whether it was this very piece.
    """

    seconds: float | None = None
    peak_mib: float | None = None
    measured: bool = False


@dataclass(frozen=True)
class Outlook:
    """How a number of workers does a sweep.

    Attributes:
        seconds: from the beginning to the end.
        chain: of the longest chain of pieces that wait for each other, which no number of workers shortens.
        utilisation: share of the workers' time that is worked.
    """

    seconds: float
    chain: float
    utilisation: float


def costs_of(pieces: Sequence[Piece], markers: Sequence[Marker]) -> dict[str, Cost]:
    """Costs by name: of the piece itself where it was done, else the mean of pieces of the same entry, else what the
    description says."""
    own = {marker.piece: marker for marker in markers}
    alike: dict[str, list[Marker]] = {}
    for marker in markers:
        alike.setdefault(marker.entry, []).append(marker)
    found = {}
    for piece in pieces:
        mine = own.get(piece.name)
        if mine is not None:
            found[piece.name] = Cost(mine.seconds, mine.peak_mib, measured=True)
        elif others := alike.get(piece.entry):
            peaks = [other.peak_mib for other in others if other.peak_mib is not None]
            found[piece.name] = Cost(mean(other.seconds for other in others), max(peaks) if peaks else None)
        else:
            found[piece.name] = Cost(piece.expected)
    return found


def longest_chain(pieces: Sequence[Piece], seconds: Mapping[str, float]) -> tuple[float, tuple[str, ...]]:
    """The longest time that pieces take which wait for each other, and their names, first to last.

    Args:
        pieces: each after those that it needs.
        seconds: by name; what is missing takes none.
    """
    ends: dict[str, tuple[float, tuple[str, ...]]] = {}
    for piece in pieces:
        before = max((ends[need] for need in piece.needs), key=lambda end: end[0], default=(0.0, ()))
        ends[piece.name] = (before[0] + seconds.get(piece.name, 0.0), (*before[1], piece.name))
    return max(ends.values(), key=lambda end: end[0], default=(0.0, ()))


def outlook(pieces: Sequence[Piece], seconds: Mapping[str, float], workers: int, overhead: float = 0.0) -> Outlook:
    """What so many workers make of it, each doing a piece at a time.

    A discrete-event model: whenever a worker is free, it takes the ready piece with the longest chain behind it, as
    :func:`leadbench.sweep.run.run_sweep` does.

    Args:
        pieces: each after those that it needs.
        seconds: by name; what is missing takes none.
        workers: how many.
        overhead: seconds that a piece costs beside its own, such as to hand it out.
    """
    behind = chains_behind(pieces, seconds)
    position = {piece.name: number for number, piece in enumerate(pieces)}
    needs = {piece.name: set(piece.needs) & set(position) for piece in pieces}
    ready = [(-behind[piece.name], position[piece.name], piece.name) for piece in pieces if not needs[piece.name]]
    heapq.heapify(ready)
    running: list[tuple[float, int, str]] = []
    now = worked = 0.0
    while ready or running:
        while ready and len(running) < workers:
            _, order, name = heapq.heappop(ready)
            takes = seconds.get(name, 0.0) + overhead
            worked += takes
            heapq.heappush(running, (now + takes, order, name))
        now, _, ended = heapq.heappop(running)
        for name, left in needs.items():
            if ended in left:
                left.discard(ended)
                if not left:
                    heapq.heappush(ready, (-behind[name], position[name], name))
    chain, _ = longest_chain(pieces, seconds)
    return Outlook(now, chain, worked / (now * workers) if now else 1.0)


def chains_behind(pieces: Sequence[Piece], seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds of the longest chain that begins with each piece, by name."""
    behind: dict[str, float] = {}
    after: dict[str, list[str]] = {}
    for piece in pieces:
        for need in piece.needs:
            after.setdefault(need, []).append(piece.name)
    for piece in reversed(pieces):
        waiting = max((behind[name] for name in after.get(piece.name, ())), default=0.0)
        behind[piece.name] = seconds.get(piece.name, 0.0) + waiting
    return behind

"""The plan of a sweep as people and programs read it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tabulate import tabulate

from leadbench.sweep.estimate import Cost, longest_chain, outlook
from leadbench.sweep.pieces import Piece
from leadbench.sweep.state import Standing


def plan_text(pieces: Sequence[Piece], standing: Standing, costs: Mapping[str, Cost], workers: Sequence[int]) -> str:
    """Every piece with what it needs, what it takes and where it stands; then what is left in all."""
    rows = []
    direct = direct_needs(pieces)
    for number, piece in enumerate(pieces, start=1):
        needs = ", ".join(_short(need, piece.name) for need in direct[piece.name])
        cost = costs[piece.name]
        memory = "?" if cost.peak_mib is None else f"{cost.peak_mib / 1024:.1f} GiB"
        rows.append([number, piece.name, _clipped(needs), duration(cost.seconds), memory, standing.status[piece.name]])
    table = tabulate(rows, ["#", "Piece", "Needs", "Time", "Memory", ""], tablefmt="simple", disable_numparse=True)
    return "\n".join([table, "", *_summary(pieces, standing, costs, workers)])


def plan_json(pieces: Sequence[Piece], standing: Standing, costs: Mapping[str, Cost]) -> str:
    """The same for programs: one object a piece."""
    rows = [
        {
            "number": number,
            "piece": piece.name,
            "command": list(piece.command),
            "needs": list(piece.needs),
            "level": level,
            "seconds": costs[piece.name].seconds,
            "peak_mib": costs[piece.name].peak_mib,
            "resources": piece.resources.model_dump(),
            "status": standing.status[piece.name],
        }
        for number, (piece, level) in enumerate(zip(pieces, levels(pieces), strict=True), start=1)
    ]
    return json.dumps(rows, indent=1)


def list_text(pieces: Sequence[Piece]) -> str:
    """Number, level and command of every piece, one a line, for a scheduler's script."""
    width = len(str(len(pieces)))
    lines = zip(range(1, len(pieces) + 1), levels(pieces), pieces, strict=True)
    return "\n".join(f"{k:>{width}} {level} {shlex.join(piece.command)}" for k, level, piece in lines)


def levels(pieces: Sequence[Piece]) -> list[int]:
    """Of every piece how many must come before it, one after the other; pieces of one level need none of each other."""
    found: dict[str, int] = {}
    for piece in pieces:
        found[piece.name] = max((found[need] + 1 for need in piece.needs), default=1)
    return [found[piece.name] for piece in pieces]


def direct_needs(pieces: Sequence[Piece]) -> dict[str, list[str]]:
    """Of every piece the needed ones that no other needed one needs already."""
    above: dict[str, set[str]] = {}
    found: dict[str, list[str]] = {}
    for piece in pieces:
        known = [need for need in piece.needs if need in above]
        above[piece.name] = set(known).union(*(above[need] for need in known))
        found[piece.name] = [need for need in known if not any(need in above[other] for other in known)]
    return found


def duration(seconds: float | None) -> str:
    """A time as people say it.

    >>> duration(42.4), duration(300), duration(7500), duration(None)
    ('42 s', '5 min', '2.1 h', '?')
    """
    if seconds is None:
        return "?"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def _summary(
    pieces: Sequence[Piece], standing: Standing, costs: Mapping[str, Cost], workers: Sequence[int]
) -> list[str]:
    left = standing.left(pieces)
    lines = [f"{len(pieces)} pieces, {len(pieces) - len(left)} of them done"]
    changed = [piece.name for piece in left if standing.status[piece.name] == "changed"]
    if changed:
        lines.append(f"{len(changed)} were done with other inputs or another command, or lost what they wrote")
    revisions = sorted({marker.revision or "unknown" for marker in standing.markers.values()})
    if len(revisions) > 1:
        lines.append(f"what is done is of several revisions: {', '.join(revisions)}")
    if not left:
        return lines
    known = {piece.name: cost for piece in left if (cost := costs[piece.name].seconds) is not None}
    missing = len(left) - len(known)
    unknown = f" (without {missing} pieces that nothing is known of)" if missing else ""
    if not known:
        return [*lines, "left: nothing is known of how long pieces take, until one of each entry is done"]
    chain, names = longest_chain(left_alone(left), known)
    lines.append(f"left: {duration(sum(known.values()))} of work{unknown}; the longest chain takes {duration(chain)}:")
    lines.append(f"  {' -> '.join(names)}")
    for count in workers:
        view = outlook(left_alone(left), known, count)
        lines.append(f"  {count} at once: {duration(view.seconds)}, {view.utilisation:.0%} of their time used")
    return lines


def left_alone(left: Sequence[Piece]) -> list[Piece]:
    """What is left, needing nothing that is done."""
    names = {piece.name for piece in left}
    return [replace(piece, needs=tuple(need for need in piece.needs if need in names)) for piece in left]


def _short(need: str, piece: str) -> str:
    """A needed piece without the folders that both are in."""
    above = piece.rpartition("/")[0]
    return need.removeprefix(f"{above}/") if above else need


def _clipped(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."

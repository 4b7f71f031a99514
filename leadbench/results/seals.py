"""Hashes by which a stored run notices that it is not as it was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

DIGEST = "digest"
MOST_RECORDS = 1_000_000


def run_digest(task: str, identity: Mapping[str, Any]) -> str:
    """SHA-256 of what a run is of; records carry it in their own hash, so that they belong to no other run."""
    return _sha256({"task": task, "identity": identity})


def sealed(content: Mapping[str, Any], run: str = "") -> dict[str, Any]:
    """Content with its hash.

    >>> sealed({"a": 1}) == sealed({"a": 1}), sealed({"a": 1}) == sealed({"a": 1}, "of a run")
    (True, False)
    """
    kept = {name: value for name, value in content.items() if name != DIGEST}
    return {**kept, DIGEST: _sha256({"content": kept, "run": run})}


def is_intact(content: Mapping[str, Any], run: str = "") -> bool:
    """Whether content is as it was sealed."""
    return bool(sealed(content, run)[DIGEST] == content.get(DIGEST))


def packed_plan(keys: Iterable[str]) -> dict[str, int | list[int]]:
    """Row -> replications that a run will have, of the keys of its records: how many, where they count from 0.

    >>> packed_plan(["real#0", "real#1", "mld#1"])
    {'real': 2, 'mld': [1]}
    """
    rows: dict[str, list[int]] = {}
    for key in keys:
        row, _, replication = key.rpartition("#")
        rows.setdefault(row, []).append(int(replication))
    return {row: len(found) if sorted(found) == list(range(len(found))) else sorted(found) for row, found in rows.items()}


def planned_keys(plan: Mapping[str, int | Sequence[int]]) -> set[str]:
    """The keys again.

    Raises:
        TypeError, ValueError: it is no plan.
    """
    counts = [found if isinstance(found, int) else len(found) for found in plan.values()]
    if any(count < 0 for count in counts) or sum(counts) > MOST_RECORDS:
        raise ValueError(f"more than {MOST_RECORDS} records, or less than none")
    return {
        f"{row}#{replication}"
        for row, found in plan.items()
        for replication in (range(found) if isinstance(found, int) else map(int, found))
    }


def _sha256(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()

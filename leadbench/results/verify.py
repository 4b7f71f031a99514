"""Whether stored runs are whole and as they were written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from leadbench.core.errors import ResultsError
from leadbench.results.store import HEADER, RunStore


@dataclass(frozen=True)
class Verified:
    """One run: how many records it has and will have, or what is wrong with it."""

    folder: Path
    records: int = 0
    planned: int = 0
    problem: str = ""


def verify_results(root: Path) -> list[Verified]:
    """Every run in a folder or below it, by path.

    Raises:
        ResultsError: there is none.
    """
    if not root.is_dir():
        raise ResultsError(f"{root}: no such folder")
    headers = sorted(path.parent for path in root.rglob(HEADER))
    if not headers:
        raise ResultsError(f"{root}: no stored run here or below (leadbench run writes one)")
    return [_verified(folder) for folder in headers]


def _verified(folder: Path) -> Verified:
    try:
        run = RunStore(folder).load()
    except ResultsError as exc:
        return Verified(folder, problem=str(exc))
    return Verified(folder, len(run.records), len(run.planned) or len(run.records))

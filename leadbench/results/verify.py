"""Whether stored runs are whole and as they were written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from leadbench.core.errors import ResultsError
from leadbench.results.store import RunStore, run_folders


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
    folders = run_folders(root)
    if not folders:
        raise ResultsError(f"{root}: no stored run here or below (leadbench run writes one)")
    return [_verified(folder) for folder in folders]


def _verified(folder: Path) -> Verified:
    try:
        run = RunStore(folder).load()
    except ResultsError as exc:
        return Verified(folder, problem=str(exc))
    return Verified(folder, len(run.records), len(run.planned) or len(run.records))

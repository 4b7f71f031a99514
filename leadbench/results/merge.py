"""Runs that were worked on in several places, joined: the same run's records together, other runs beside them."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leadbench.core.differences import differing
from leadbench.core.errors import ResultsError
from leadbench.results.records import Record
from leadbench.results.seals import run_digest
from leadbench.results.store import HEADER, LOCK, RECORDS, RunStore, run_folders

CLOSE = 1e-4
"""Relative difference of metrics up to which two machines have made the same record."""


@dataclass(frozen=True)
class Merged:
    """A run after merging.

    Attributes:
        folder: where it lies now.
        added: records that were not there before.
        records: that it holds.
        planned: that it has when it is finished; 0: nobody knows.
        twice: records that several of the named places have.
    """

    folder: Path
    added: int
    records: int
    planned: int
    twice: int


@dataclass(frozen=True, eq=False)
class _Source:
    store: RunStore
    task: str
    identity: Mapping[str, object]
    plan: Mapping[str, object]
    records: Mapping[str, Record]

    @classmethod
    def of(cls, folder: Path) -> _Source:
        store = RunStore(folder)
        header, run = store.header(), store.load()
        return cls(store, run.task, run.identity, header["plan"], {record.key: record for record in run.records})

    @property
    def digest(self) -> str:
        return run_digest(self.task, self.identity)


def merge_runs(folders: Sequence[Path], out: Path) -> list[Merged]:
    """Join runs into a folder of results; again, it changes nothing.

    Records of one run, by its identity (protocol, data, weights, code), are put together; runs of other identities lie
    beside each other. Run folders that are named themselves must be one run. All is checked before anything is written.

    Args:
        folders: run folders, or folders with runs below them.
        out: folder of results; what it holds already takes part.

    Returns:
        What became of each run that was named.

    Raises:
        ResultsError: a folder holds no run, or one that is not as it was written; run folders of different runs; one
            record with different metrics in two places.
    """
    sources = [[_Source.of(place) for place in _folders(folder)] for folder in folders]
    _require_one_run([found[0] for folder, found in zip(folders, sources, strict=True) if (folder / HEADER).is_file()])
    by_place: dict[Path, list[_Source]] = {}
    for source in (source for found in sources for source in found):
        by_place.setdefault(out / _group(source) / source.store.folder.name, []).append(source)
    joined = {place: _joined(place, found) for place, found in by_place.items()}
    return [_write(place, by_place[place], *joined[place]) for place in by_place]


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ResultsError(f"{folder}: no such folder")
    found = run_folders(folder)
    if not found:
        raise ResultsError(f"{folder}: no stored run here or below (leadbench run writes one)")
    return found


def _require_one_run(sources: Sequence[_Source]) -> None:
    """Of run folders that were named themselves."""
    for other in sources[1:]:
        first = sources[0]
        if other.digest != first.digest:
            names = ["task"] if other.task != first.task else []
            names += differing(dict(first.identity), dict(other.identity))
            shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
            raise ResultsError(f"{first.store.folder} and {other.store.folder}: are different runs ({shown})")


def _group(source: _Source) -> str:
    """Folder of a run among results: its dataset's name."""
    datasets = {record.dataset for record in source.records.values()}
    return next(iter(datasets)) if len(datasets) == 1 else source.store.folder.resolve().parent.name


def _joined(place: Path, sources: Sequence[_Source]) -> tuple[dict[str, Record], int, int]:
    """Records that ``place`` gets, how many of them it has not, and how many several places have."""
    there = [_Source.of(place)] if (place / HEADER).is_file() else []
    found: dict[str, Record] = {}
    every = [*there, *sources]
    for source in every:
        if source.digest != every[0].digest or source.plan != every[0].plan:
            what = differing(dict(every[0].identity), dict(source.identity)) or ["rows or replications"]
            raise ResultsError(
                f"{every[0].store.folder} and {source.store.folder}: have one name and are different runs "
                f"({', '.join(what[:4])})"
            )
        for key, record in source.records.items():
            known = found.setdefault(key, record)
            if known is not record:
                _require_equal(known, record, source.store.folder)
    before = len(there[0].records) if there else 0
    given = Counter(key for source in sources for key in source.records)
    return found, len(found) - before, sum(count > 1 for count in given.values())


def _require_equal(known: Record, other: Record, where: Path) -> None:
    """Metrics to rounding; seconds and machines may differ."""
    for name in sorted({*known.metrics, *other.metrics}):
        first, second = known.metrics.get(name), other.metrics.get(name)
        same = first == second or (
            first is not None and second is not None and math.isclose(first, second, rel_tol=CLOSE, abs_tol=CLOSE)
        )
        if not same:
            raise ResultsError(f"{where}: record {known.key}: {name} is {second}, elsewhere {first}")


def _write(place: Path, sources: Sequence[_Source], records: Mapping[str, Record], added: int, twice: int) -> Merged:
    store, first = RunStore(place), sources[0]
    if first.store.folder.resolve() != place.resolve():
        store.adopt(first.store.header())
        for source in sources:
            _copy_others(source.store.folder, place)
    for record in records.values():
        store.append(record)
    run = store.load()
    return Merged(place, added, len(run.records), len(run.planned), twice)


def _copy_others(folder: Path, place: Path) -> None:
    """What a task keeps beside its records, such as learnt words; what is there stays."""
    for path in sorted(folder.rglob("*")):
        target = place / path.relative_to(folder)
        if path.is_file() and path.name not in (HEADER, RECORDS, LOCK) and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)

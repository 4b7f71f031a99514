"""Run folders: records as JSON lines, appended so that a kill at any moment loses none and halves none.

A run is a folder with ``run.json`` (what was asked for, and where it ran) and ``records.jsonl``. Writers take an
exclusive lock on the record file, cut off what a dead writer left behind the last whole line, append one line and
flush it to disk. Readers take no lock: they drop a last line that has no end. So a kill at any moment, a full disk
and several processes on one run leave only whole records, each key once. The lock is advisory and lives with the open
file, so that a killed process leaves none behind; it needs a POSIX system.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock
from pydantic import ValidationError

from leadbench.core.differences import differing
from leadbench.core.files import write_text_atomic
from leadbench.core.errors import ResultsError
from leadbench.core.reading import first_problem, parse_json, read_json_object
from leadbench.results.records import SCHEMA_VERSION, MetricColumn, Record, Run
from leadbench.results.seals import DIGEST, is_intact, packed_plan, planned_keys, run_digest, sealed

OLDER = "an older version wrote it (leadbench results migrate FOLDER brings it up to date)"
HEADER = "run.json"
LOCK = ".lock"
RECORDS = "records.jsonl"


class RunStore:
    """Reads and extends the records of one run folder.

    Args:
        folder: created by :meth:`start`, not before.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._found: dict[str, Record] = {}
        self._read = 0  # bytes of whole lines that are in _found
        self._lines = 0
        self._run: str | None = None  # digest of the header, once it was read

    @property
    def _file(self) -> Path:
        return self.folder / RECORDS

    @property
    def _header(self) -> Path:
        return self.folder / HEADER

    def start(
        self,
        task: str,
        identity: Mapping[str, Any],
        names: Mapping[str, str],
        provenance: Mapping[str, Any],
        planned: Sequence[str] = (),
        columns: Mapping[str, MetricColumn] | None = None,
    ) -> None:
        """Create the folder, or check that it holds a run of the same task and identity.

        Args:
            task: registered name.
            identity: what makes two runs the same; anything that JSON holds.
            names: registered name -> name in tables.
            provenance: versions, hardware, revision; kept from the first start.
            planned: keys of the records that the run has when it is finished.
            columns: how metrics beyond the paper's stand in tables.

        Raises:
            ResultsError: the folder holds another run; the message names what differs.
        """
        wanted = json.loads(json.dumps(identity, allow_nan=False))
        if not self._header.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            content = {
                "schema_version": SCHEMA_VERSION,
                "task": task,
                "identity": wanted,
                "names": dict(names),
                "provenance": dict(provenance),
                "plan": packed_plan(planned),
                # lists, since their order is that of the tables, and a file's objects are sorted
                **({"rows": list(packed_plan(planned))} if planned else {}),
                **({"columns": [{"key": key, **column.model_dump()} for key, column in columns.items()]} if columns else {}),
            }
            self._create_header(header_text(content))
        header = self.header()
        if planned and header["plan"] and header["plan"] != packed_plan(planned):
            raise ResultsError(f"{self.folder}: holds a run with other rows or replications; choose another --out")
        differences = differing(header["identity"], wanted)
        if header["task"] != task:
            differences.insert(0, "task")
        if differences:
            raise ResultsError(
                f"{self.folder}: holds a run with another {', '.join(differences)}; choose another --out"
            )

    def adopt(self, header: Mapping[str, Any]) -> None:
        """Create the folder for a run that another folder holds too, by its header; one that is there stays."""
        if not self._header.is_file():
            self._create_header(header_text(header))

    def header(self) -> dict[str, Any]:
        """Content of ``run.json``.

        Raises:
            ResultsError: there is none, it is not readable, or a newer version wrote it.
        """
        if not self._header.is_file():
            there = "no such folder" if not self.folder.is_dir() else "no run.json in it, so this is no run folder"
            raise ResultsError(f"{self.folder}: {there}")
        header = read_json_object(self._header, ResultsError)
        version = header.get("schema_version")
        if version != SCHEMA_VERSION:
            older = f"; {OLDER}" if isinstance(version, int) and version < SCHEMA_VERSION else ""
            raise ResultsError(
                f"{self._header}: schema version {version}, this leadbench reads {SCHEMA_VERSION}{older}"
            )
        kinds = {"task": str, "identity": dict, "names": dict, "provenance": dict, "plan": dict}
        wrong = [name for name, kind in kinds.items() if not isinstance(header.get(name), kind)]
        if wrong:
            raise ResultsError(f"{self._header}: has no {wrong[0]!r}, or another kind of it")
        if not is_intact(header):
            raise ResultsError(f"{self._header}: changed after it was written (its digest differs)")
        return header

    def load(self) -> Run:
        """The run as it is stored now; rows in the order of the task, whoever wrote their records first.

        Raises:
            ResultsError: no run folder, another schema version, or a line that is not a record.
        """
        header = self.header()
        try:
            planned = frozenset(planned_keys(header["plan"]))
        except (TypeError, ValueError) as exc:
            raise ResultsError(f"{self._header}: plan: needed: replications by row") from exc
        position = {row: number for number, row in enumerate(header.get("rows", ()))}
        records = tuple(
            sorted(self.records(), key=lambda one: (position.get(one.row.key, len(position)), one.replication))
            if position
            else self.records()
        )
        extra = sorted({record.key for record in records} - planned) if planned else []
        if extra:
            raise ResultsError(f"{self._file}: {len(extra)} records are no part of the run (first: {extra[0]})")
        return Run(
            folder=self.folder,
            task=header["task"],
            identity=header["identity"],
            records=records,
            names=header["names"],
            provenance=header["provenance"],
            planned=planned,
            columns=_columns(header, self._header),
        )

    def done(self, key: str) -> bool:
        """Whether a record with this key is stored, by this process or another."""
        self._refresh()
        return key in self._found

    def append(self, record: Record) -> None:
        """Store a record; a key that is stored already is left as it is.

        Raises:
            ResultsError: ``details`` hold something that JSON does not.
        """
        try:
            line = record_line(record, self._digest()).encode()
        except (TypeError, ValueError) as exc:
            raise ResultsError(f"record {record.key}: cannot be stored as JSON ({exc})") from exc
        with self._locked() as file:
            self._refresh()
            # The lock is ours, so bytes behind the last whole line are a dead writer's.
            file.truncate(self._read)
            if record.key in self._found:
                return
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
            self._refresh()

    def records(self) -> list[Record]:
        """All whole records, in the order in which they were written.

        Raises:
            ResultsError: a whole line is not a record.
        """
        self._refresh()
        return list(self._found.values())

    def _refresh(self) -> None:
        """Read whole lines that were appended since the last time."""
        if not self._file.is_file():
            return
        with self._file.open("rb") as file:
            file.seek(self._read)
            content = file.read()
        for line in content.split(b"\n")[:-1]:
            record = read_record(line, self._digest(), f"{self._file}:{self._lines + 1}")
            if self._found.setdefault(record.key, record) != record:
                raise ResultsError(f"{self._file}:{self._lines + 1}: another record of {record.key}")
            self._read += len(line) + 1
            self._lines += 1

    def _digest(self) -> str:
        if self._run is None:
            header = self.header()
            self._run = run_digest(header["task"], header["identity"])
        return self._run

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        """The record file, open for appending, while no other process writes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / LOCK), self._file.open("ab") as file:
            yield file

    def _create_header(self, text: str) -> None:
        """Write ``run.json`` whole or not at all; where two processes start at once, the first one's stays."""
        with self._locked():
            if self._header.is_file():
                return
            write_text_atomic(self._header, text)


def header_text(content: Mapping[str, Any]) -> str:
    """``run.json`` of a header, with its digest."""
    return json.dumps(sealed(content), indent=2, sort_keys=True, allow_nan=False) + "\n"


def record_line(record: Record, run: str) -> str:
    """Line of a record of a run with a given digest."""
    return json.dumps(sealed(record.model_dump(), run), allow_nan=False) + "\n"


def read_record(line: bytes, run: str, where: str) -> Record:
    """A record from its line.

    Raises:
        ResultsError: it is none, or not as it was written, or another run's.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as exc:
        raise ResultsError(f"{where}: not a record (not UTF-8)") from exc
    content = parse_json(text, f"{where}: not a record", ResultsError)
    if not isinstance(content, dict):
        raise ResultsError(f"{where}: not a record (no object)")
    version = content.get("schema_version")
    if isinstance(version, int) and version < SCHEMA_VERSION:
        raise ResultsError(f"{where}: not a record (schema version {version}; {OLDER})")
    try:
        record = Record.model_validate({name: value for name, value in content.items() if name != DIGEST})
    except ValidationError as exc:
        raise ResultsError(f"{where}: not a record ({first_problem(exc)})") from exc
    if not is_intact(content, run):
        raise ResultsError(f"{where}: changed after it was written, or copied from another run (its digest differs)")
    return record


def _columns(header: Mapping[str, Any], where: Path) -> dict[str, MetricColumn]:
    """How further metrics stand in tables, in order; a header that says nothing of it has none."""
    try:
        stored = [dict(column) for column in header.get("columns", [])]
        return {column.pop("key"): MetricColumn.model_validate(column) for column in stored}
    except (KeyError, TypeError, ValueError) as exc:
        raise ResultsError(f"{where}: columns: needed: a list of key, display, better and table") from exc


def run_folders(root: Path, file: str = HEADER) -> list[Path]:
    """Folders of runs in a folder or below it, by path: those that hold a file.

    Hidden folders are left out: a sweep keeps in one what its pieces made before they were merged.
    """
    found = (path for path in root.rglob(file) if not any(p.startswith(".") for p in path.relative_to(root).parts))
    return sorted(path.parent for path in found)


def load_runs(folder: Path) -> list[Run]:
    """Every stored run in a folder or below it, by path.

    Raises:
        ResultsError: there is none, or one cannot be read.
    """
    if not folder.is_dir():
        raise ResultsError(f"{folder}: no such folder")
    found = run_folders(folder)
    if not found:
        raise ResultsError(f"{folder}: no stored run here or below (leadbench run writes one)")
    return [RunStore(place).load() for place in found]

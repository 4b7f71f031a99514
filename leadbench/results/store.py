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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock
from pydantic import ValidationError

from leadbench.core.differences import differing
from leadbench.core.files import write_text_atomic
from leadbench.core.errors import ResultsError
from leadbench.results.records import SCHEMA_VERSION, Record, Run

OLDER = "an older version wrote it (leadbench results migrate FOLDER brings it up to date)"
HEADER = "run.json"
LOCK = ".lock"


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

    @property
    def _file(self) -> Path:
        return self.folder / "records.jsonl"

    @property
    def _header(self) -> Path:
        return self.folder / HEADER

    def start(
        self, task: str, identity: Mapping[str, Any], names: Mapping[str, str], provenance: Mapping[str, Any]
    ) -> None:
        """Create the folder, or check that it holds a run of the same task and identity.

        Args:
            task: registered name.
            identity: what makes two runs the same; anything that JSON holds.
            names: registered name -> name in tables.
            provenance: versions, hardware, revision; kept from the first start.

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
            }
            self._create_header(json.dumps(content, indent=2, sort_keys=True) + "\n")
        header = self.header()
        differences = differing(header["identity"], wanted)
        if header["task"] != task:
            differences.insert(0, "task")
        if differences:
            raise ResultsError(
                f"{self.folder}: holds a run with another {', '.join(differences)}; choose another --out"
            )

    def header(self) -> dict[str, Any]:
        """Content of ``run.json``.

        Raises:
            ResultsError: there is none, it is not readable, or a newer version wrote it.
        """
        try:
            header: dict[str, Any] = json.loads(self._header.read_text(encoding="utf-8"))
            version = header["schema_version"]
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise ResultsError(f"{self.folder}: no readable run.json, so this is no run folder") from exc
        if version != SCHEMA_VERSION:
            older = f"; {OLDER}" if isinstance(version, int) and version < SCHEMA_VERSION else ""
            raise ResultsError(
                f"{self._header}: schema version {version}, this leadbench reads {SCHEMA_VERSION}{older}"
            )
        missing = [name for name in ("task", "identity", "names", "provenance") if name not in header]
        if missing:
            raise ResultsError(f"{self._header}: has no {missing[0]!r}")
        return header

    def load(self) -> Run:
        """The run as it is stored now.

        Raises:
            ResultsError: no run folder, another schema version, or a line that is not a record.
        """
        header = self.header()
        return Run(
            folder=self.folder,
            task=header["task"],
            identity=header["identity"],
            records=tuple(self.records()),
            names=header["names"],
            provenance=header["provenance"],
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
            line = (json.dumps(record.model_dump(), allow_nan=False) + "\n").encode()
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
        """Read whole lines that were appended since the last time; the first of equal keys counts."""
        if not self._file.is_file():
            return
        with self._file.open("rb") as file:
            file.seek(self._read)
            content = file.read()
        for line in content.split(b"\n")[:-1]:
            try:
                record = Record.model_validate(json.loads(line))
            except (ValidationError, ValueError) as exc:
                raise ResultsError(f"{self._file}:{self._lines + 1}: not a record ({_reason(line, exc)})") from exc
            self._found.setdefault(record.key, record)
            self._read += len(line) + 1
            self._lines += 1

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


def _reason(line: bytes, error: ValueError) -> str:
    """Why a line is no record, in one line."""
    try:
        version = json.loads(line).get("schema_version")
    except (ValueError, AttributeError):
        return str(error).splitlines()[0]
    if isinstance(version, int) and version < SCHEMA_VERSION:
        return f"schema version {version}; {OLDER}"
    found = error.errors()[0] if isinstance(error, ValidationError) else None
    return str(error).splitlines()[0] if found is None else f"{'.'.join(map(str, found['loc']))}: {found['msg']}"


def load_runs(folder: Path) -> list[Run]:
    """Every stored run in a folder or below it, by path.

    Raises:
        ResultsError: there is none, or one cannot be read.
    """
    if not folder.is_dir():
        raise ResultsError(f"{folder}: no such folder")
    headers = sorted(path.parent for path in folder.rglob(HEADER))
    if not headers:
        raise ResultsError(f"{folder}: no stored run here or below (leadbench run writes one)")
    return [RunStore(found).load() for found in headers]

"""Answers of a study: one SQLite file in WAL mode, each answer once, whatever is sent how often.

A participant is known by the SHA-256 of a secret that the browser alone keeps, so that the file tells nobody how to
answer for another. Every call is a transaction that is on the disk when it returns.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from leadbench.core.errors import ResultsError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS study (identity TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS participants (
  id TEXT PRIMARY KEY, language TEXT NOT NULL, began TEXT NOT NULL, about TEXT, finished TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shown (
  participant TEXT NOT NULL REFERENCES participants(id), part TEXT NOT NULL, item TEXT NOT NULL, at TEXT NOT NULL,
  PRIMARY KEY (participant, part, item)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
  participant TEXT NOT NULL REFERENCES participants(id), part TEXT NOT NULL, item TEXT NOT NULL,
  a INTEGER NOT NULL CHECK (a BETWEEN 1 AND 5), b INTEGER NOT NULL CHECK (b BETWEEN 1 AND 5), at TEXT NOT NULL,
  PRIMARY KEY (participant, part, item)
) WITHOUT ROWID;
"""
_LEAST = ", ".join(
    f"coalesce(min({name}, excluded.{name}), {name}, excluded.{name})"
    for name in ("language", "began", "about", "finished")
)
"""Of two tellings of one participant the lesser, so that the order in which files are taken does not matter."""
_PATIENCE = 30.0  # seconds that a writer waits for another process

Key = tuple[str, str]
"""Part and item."""


@dataclass(frozen=True)
class Participant:
    """What one participant has sent.

    Attributes:
        id: hash of the browser's secret.
        language: of the texts.
        began, finished: times in UTC; None: not yet.
        about: answers to the questions about participants; None: not asked yet.
        answers: ratings of motions A and B.
        shown: when a page was first shown.
        answered: when a rating was last sent.
    """

    id: str
    language: str
    began: str
    about: Mapping[str, str] | None = None
    finished: str | None = None
    answers: Mapping[Key, tuple[int, int]] = field(default_factory=dict)
    shown: Mapping[Key, str] = field(default_factory=dict)
    answered: Mapping[Key, str] = field(default_factory=dict)


class Answers:
    """The file of answers; safe to use from several threads.

    Args:
        path: made if it is not there.
        identity: of the study.

    Raises:
        ResultsError: it holds answers to another study, or is no such file.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity
        self._lock = threading.Lock()
        try:
            self._file = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = FULL")
            self._file.execute("PRAGMA foreign_keys = ON")
            self._file.executescript(_SCHEMA)
            self._file.execute("INSERT INTO study SELECT ? WHERE NOT EXISTS (SELECT 1 FROM study)", (identity,))
            (held,) = self._file.execute("SELECT identity FROM study").fetchone()
        except sqlite3.Error as exc:
            raise ResultsError(f"{path}: no file of answers ({exc})") from exc
        if held != identity:
            raise ResultsError(f"{path}: holds answers to another study ({held[:12]}; this one is {identity[:12]})")

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._file.close()

    def begin(self, participant: str, language: str) -> None:
        """Somebody takes part; again, it changes nothing."""
        with self._writing() as file:
            file.execute(
                "INSERT INTO participants (id, language, began) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (participant, language, _now()),
            )

    def tell(self, participant: str, about: Mapping[str, str]) -> None:
        """Keep what a participant says about themselves; not after the end."""
        with self._writing() as file:
            file.execute(
                "UPDATE participants SET about = ? WHERE id = ? AND finished IS NULL",
                (json.dumps(dict(about), sort_keys=True), participant),
            )

    def show(self, participant: str, part: str, item: str) -> None:
        """A page is shown; the first time counts."""
        with self._writing() as file:
            file.execute(
                "INSERT INTO shown VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (participant, part, item, _now())
            )

    def rate(self, participant: str, part: str, item: str, a: int, b: int) -> bool:
        """Keep the ratings of motions A and B, in the place of former ones; False after the end."""
        with self._writing() as file:
            (open_,) = file.execute(
                "SELECT count(*) FROM participants WHERE id = ? AND finished IS NULL", (participant,)
            ).fetchone()
            if open_:
                file.execute(
                    "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                    "a = excluded.a, b = excluded.b, at = excluded.at "
                    "WHERE (a, b) IS NOT (excluded.a, excluded.b)",
                    (participant, part, item, a, b, _now()),
                )
            return bool(open_)

    def finish(self, participant: str) -> None:
        """The participant has sent everything; the first time counts."""
        with self._writing() as file:
            file.execute(
                "UPDATE participants SET finished = ? WHERE id = ? AND finished IS NULL", (_now(), participant)
            )

    def participant(self, identifier: str) -> Participant | None:
        """What one has sent; None: nobody of that number began."""
        return next(iter(self._read("WHERE id = ?", (identifier,))), None)

    def participants(self) -> list[Participant]:
        """Everybody, in the order in which they began."""
        return self._read("", ())

    def add(self, others: Iterable[Participant]) -> int:
        """Take answers from elsewhere; of two answers to one page the later counts.

        Returns:
            How many participants are new or have changed.
        """
        changed = 0
        with self._writing() as file:
            for other in others:
                before = file.total_changes
                _add(file, other)
                changed += file.total_changes > before
        return changed

    def _read(self, where: str, values: tuple[str, ...]) -> list[Participant]:
        ids = f"(SELECT id FROM participants {where})"
        with self._transaction("BEGIN") as file:  # one state of the file for all three
            people = file.execute(
                f"SELECT id, language, began, about, finished FROM participants {where} ORDER BY began, id", values
            ).fetchall()
            answers = file.execute(
                f"SELECT participant, part, item, a, b, at FROM answers WHERE participant IN {ids}", values
            ).fetchall()
            shown = file.execute(
                f"SELECT participant, part, item, at FROM shown WHERE participant IN {ids}", values
            ).fetchall()
        rated: dict[str, dict[Key, tuple[int, int]]] = {}
        times: dict[str, dict[Key, str]] = {}
        seen: dict[str, dict[Key, str]] = {}
        for who, part, item, a, b, at in answers:
            rated.setdefault(who, {})[part, item] = (a, b)
            times.setdefault(who, {})[part, item] = at
        for who, part, item, at in shown:
            seen.setdefault(who, {})[part, item] = at
        return [
            Participant(
                who, language, began, None if about is None else json.loads(about), finished,
                rated.get(who, {}), seen.get(who, {}), times.get(who, {}),
            )
            for who, language, began, about, finished in people
        ]  # fmt: skip

    def _writing(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._transaction("BEGIN IMMEDIATE")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._file.execute(begin)
            try:
                yield self._file
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")


def _add(file: sqlite3.Connection, other: Participant) -> None:
    about = None if other.about is None else json.dumps(dict(other.about), sort_keys=True)
    file.execute(
        f"INSERT INTO participants VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        f"(language, began, about, finished) = ({_LEAST}) WHERE (language, began, about, finished) IS NOT ({_LEAST})",
        (other.id, other.language, other.began, about, other.finished),
    )
    for (part, item), at in other.shown.items():
        file.execute(
            "INSERT INTO shown VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at WHERE excluded.at < at",
            (other.id, part, item, at),
        )
    for (part, item), (a, b) in other.answers.items():
        file.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET a = excluded.a, b = excluded.b, "
            "at = excluded.at WHERE (at, a, b) < (excluded.at, excluded.a, excluded.b)",
            (other.id, part, item, a, b, other.answered[part, item]),
        )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def as_json(participant: Participant) -> dict[str, Any]:
    """A participant as a line of an exported file."""
    return {
        "id": participant.id,
        "language": participant.language,
        "began": participant.began,
        "about": participant.about,
        "finished": participant.finished,
        "shown": [[*key, at] for key, at in sorted(participant.shown.items())],
        "answers": [
            [*key, *ratings, participant.answered[key]] for key, ratings in sorted(participant.answers.items())
        ],
    }

"""What is known of the pieces of a sweep: which are done, of which inputs, how long they took."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from leadbench.core.config import FrozenModel
from leadbench.core.errors import ResultsError
from leadbench.core.files import write_text_atomic
from leadbench.core.provenance import sha256_file
from leadbench.core.reading import read_text
from leadbench.sweep.pieces import HIDDEN, Piece

_MARKER = ".done.json"

Status = Literal["done", "changed", "to do", "found"]
"""``changed``: was done, with other inputs or another command; ``found``: somebody else made what it makes."""


class Marker(FrozenModel):
    """Left where a piece is done.

    Attributes:
        piece, entry: names.
        inputs: digest of its command, its data, and the pieces before it.
        outputs: what it wrote, with digests.
        seconds: that it took, loading included.
        peak_mib: most memory of its process; None: nobody knows.
        machine: the processor or accelerator.
        revision: of leadbench.
    """

    piece: str
    entry: str
    inputs: str
    outputs: dict[str, str]
    seconds: float
    peak_mib: float | None = None
    machine: str = ""
    revision: str | None = None


@dataclass(frozen=True)
class Standing:
    """Where every piece of a sweep stands.

    Attributes:
        status: by name.
        markers: of pieces that are done, or were with other inputs.
        inputs: digest of each piece's inputs as they are now.
    """

    status: Mapping[str, Status]
    markers: Mapping[str, Marker]
    inputs: Mapping[str, str]

    def left(self, pieces: Iterable[Piece]) -> list[Piece]:
        """Pieces that are not done."""
        return [piece for piece in pieces if self.status[piece.name] not in ("done", "found")]


class SweepState:
    """Markers and logs below the results.

    Args:
        out: folder of results.
    """

    def __init__(self, out: Path) -> None:
        self.folder = out / HIDDEN

    def log(self, name: str) -> Path:
        """File for what a piece says."""
        return self.folder / "logs" / f"{name}.log"

    def lock(self, name: str) -> Path:
        """Held while a piece is worked on."""
        return self.folder / "locks" / f"{name}.lock"

    def _file(self, name: str) -> Path:
        return self.folder / "done" / f"{name}{_MARKER}"

    def write(self, marker: Marker) -> None:
        """Keep that a piece is done."""
        path = self._file(marker.piece)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomic(path, marker.model_dump_json(indent=1) + "\n")

    def read(self, name: str) -> Marker | None:
        """Marker of a piece; None where there is none.

        Raises:
            ResultsError: it is no marker.
        """
        path = self._file(name)
        if not path.is_file():
            return None
        try:
            return Marker.model_validate_json(read_text(path, ResultsError))
        except ValidationError as exc:
            raise ResultsError(f"{path}: no marker of a piece; remove it, and the piece is done again") from exc

    def standing(self, pieces: Sequence[Piece]) -> Standing:
        """Where every piece stands, by its marker, its inputs and what it wrote."""
        status: dict[str, Status] = {}
        markers: dict[str, Marker] = {}
        inputs = inputs_of(pieces)
        for piece in pieces:
            marker = self.read(piece.name)
            waits = any(status[need] in ("changed", "to do") for need in piece.needs)
            if marker is not None:
                markers[piece.name] = marker
                same = marker.inputs == inputs[piece.name] and _is_there(marker.outputs)
                status[piece.name] = "done" if same and not waits else "changed"
            else:
                status[piece.name] = "found" if piece.made is not None and piece.made.is_dir() else "to do"
        return Standing(status, markers, inputs)

    def known(self) -> list[Marker]:
        """All markers, also of pieces that the description does not have any more."""
        done = self.folder / "done"
        names = [file.relative_to(done).as_posix().removesuffix(_MARKER) for file in sorted(done.rglob(f"*{_MARKER}"))]
        return [marker for name in names if (marker := self.read(name)) is not None]


def inputs_of(pieces: Sequence[Piece], folders: dict[Path, str] | None = None) -> dict[str, str]:
    """Digest of every piece's command, of the dataset's files, and of the pieces before it.

    Files are told by size and time, since a whole dataset is not read to look at a plan: a copy of it counts as
    another, and doing a piece again that is done takes seconds.

    Args:
        pieces: each after those that it needs.
        folders: digests of datasets that were looked at already; new ones are added.
    """
    folders = {} if folders is None else folders
    found: dict[str, str] = {}
    for piece in pieces:
        folder = None if piece.made else piece.dataset  # one that is made is no input
        if folder is not None and folder not in folders:
            folders[folder] = _stat_digest(folder) if folder.is_dir() else ""
        data = "" if folder is None else folders[folder]
        content = [piece.arguments, data, {need: found[need] for need in piece.needs}]
        found[piece.name] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return found


def digest_of(path: Path) -> str:
    """Of a file's bytes, or of the names and sizes of a folder's files; empty where there is neither."""
    if path.is_dir():
        return _stat_digest(path, times=False)
    return sha256_file(path) if path.is_file() else ""


def _is_there(outputs: Mapping[str, str]) -> bool:
    return all(digest_of(Path(path)) == digest for path, digest in outputs.items())


def _stat_digest(folder: Path, *, times: bool = True) -> str:
    """Of all files below a folder but models and caches, which commands themselves write there."""
    digest = hashlib.sha256()
    for place, inner, files in os.walk(folder):
        inner[:] = sorted(name for name in inner if name not in ("models", "cache") and not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                stat = os.stat(os.path.join(place, name))
                when = f" {stat.st_mtime_ns}" if times else ""
                digest.update(f"{os.path.relpath(os.path.join(place, name), folder)} {stat.st_size}{when}\n".encode())
    return digest.hexdigest()

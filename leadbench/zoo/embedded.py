"""The embedded default: a generated corpus in the user's cache, and models trained on it that ship with the package."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from leadbench.core.errors import WeightsError, unknown_name
from leadbench.core.files import locked, write_text_atomic
from leadbench.core.provenance import sha256_file
from leadbench.core.reading import read_json_object, reason
from leadbench.core.settings import cache_folder
from leadbench.data.synthetic.options import VERSION, SynthesisOptions
from leadbench.zoo.files import MANIFEST

WEIGHTS = Path(__file__).parent / "weights"
DEFAULT = "micro"
NOTE = "the embedded default: generated motions and small models, whose numbers do not compare with the paper's"


@dataclass(frozen=True)
class Shipped:
    """A set of shipped models: folder, total bytes, and per file SHA-256 and bytes."""

    name: str
    folder: Path
    bytes: int
    files: Mapping[str, Mapping[str, Any]]


def embedded_dataset(
    report: Callable[[int, int], None] | None = None, say: Callable[[str], None] = lambda _: None
) -> Path:
    """Folder of the embedded corpus; the first call generates it, and another process that asks meanwhile waits.

    Where the cache folder cannot be written it is generated in a temporary folder, for this process alone.
    """
    options = SynthesisOptions(workers=min(2, os.cpu_count() or 1))
    key = hashlib.sha256(f"{VERSION}/{options.clips}/{options.seed}".encode()).hexdigest()[:8]
    folder = cache_folder() / f"synthetic-{key}"
    if _is_whole(folder):
        return folder
    from leadbench.data.synthetic.generate import synthesize  # brings scipy's interpolation

    try:
        with locked(folder.with_name(f"{folder.name}.lock")):
            if not _is_whole(folder):
                shutil.rmtree(folder, ignore_errors=True)
                synthesize(folder, options, report)
                _write_seal(folder)
        return folder
    except OSError as exc:
        aside = _temporary_folder() / folder.name
        if not aside.is_dir():
            say(f"{folder.parent} cannot be written ({reason(exc)}): the embedded corpus is made anew in each run")
            synthesize(aside, options, report)
        return aside


def _is_whole(folder: Path) -> bool:
    """Whether a generated corpus is as it was written.

    Contents are hashed where a size or a time is not as it was last seen. One without a seal, as older versions left
    it, is made anew, unless nothing can be written beside it.
    """
    if not folder.is_dir():
        return False
    seal = _seal(folder)
    if not seal.is_file():
        return not os.access(folder.parent, os.W_OK)
    try:
        stored = read_json_object(seal, WeightsError)
    except WeightsError:
        return False
    if stored.get("seen") == _seen(folder):
        return True
    if stored.get("content") != _content(folder):
        return False
    with suppress(OSError):
        _write_seal(folder)
    return True


def _seal(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.seal.json")


def _write_seal(folder: Path) -> None:
    write_text_atomic(_seal(folder), json.dumps({"content": _content(folder), "seen": _seen(folder)}) + "\n")


def _files(folder: Path) -> list[Path]:
    """All files that runs and trainings read."""
    parts = (folder, folder / "new_joint_vecs", folder / "texts")
    return sorted(path for part in parts if part.is_dir() for path in part.iterdir() if path.is_file())


def _seen(folder: Path) -> str:
    """SHA-256 over names, sizes and times."""
    digest = hashlib.sha256()
    for path in _files(folder):
        stat = path.stat()
        digest.update(f"{path.relative_to(folder)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _content(folder: Path) -> str:
    """SHA-256 over names and contents."""
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(f"{path.relative_to(folder)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _temporary_folder() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="leadbench-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def shipped_names() -> list[str]:
    """Names of the shipped model sets."""
    return sorted(path.parent.name for path in WEIGHTS.glob(f"*/{MANIFEST}"))


def shipped(name: str = DEFAULT) -> Shipped:
    """A shipped set by name.

    Raises:
        UnknownNameError: no such set.
        WeightsError: its manifest is not readable.
    """
    if name not in shipped_names():
        raise unknown_name("shipped models", name, shipped_names(), where="zoo")
    folder = WEIGHTS / name
    content = read_json_object(folder / MANIFEST, WeightsError)
    try:
        files = content["files"]
        return Shipped(name, folder, sum(entry["bytes"] for entry in files.values()), files)
    except (KeyError, TypeError, AttributeError) as exc:
        raise WeightsError(f"{folder / MANIFEST}: not a manifest ({exc})") from exc


def changed_files(models: Shipped) -> list[str]:
    """What is wrong with the files of a shipped set, one line each: missing, or another content."""
    wrong = []
    for name, entry in models.files.items():
        path = models.folder / name
        if not path.is_file():
            wrong.append(f"{name}: missing")
        elif sha256_file(path) != entry["sha256"]:
            wrong.append(f"{name}: its content is not what was shipped (SHA-256 differs)")
    return wrong


def write_manifest(folder: Path, files: list[str]) -> None:
    """List files of a folder with their hashes and sizes."""
    entries = {
        name: {"sha256": sha256_file(folder / name), "bytes": (folder / name).stat().st_size} for name in sorted(files)
    }
    write_text_atomic(folder / MANIFEST, json.dumps({"files": entries}, indent=2) + "\n")

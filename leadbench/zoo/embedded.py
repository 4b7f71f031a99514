"""The embedded default: a generated corpus in the user's cache, and models trained on it that ship with the package."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from leadbench.core.errors import DataError, WeightsError, unknown_name
from leadbench.core.files import write_text_atomic
from leadbench.core.provenance import sha256_file
from leadbench.core.reading import read_json_object
from leadbench.core.settings import settings
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


def cache_folder() -> Path:
    """Where generated data is kept: ``cache`` of the settings (``LEADBENCH_CACHE``), or ``leadbench`` in the user's."""
    return settings().cache or user_cache_path("leadbench", appauthor=False)


def embedded_dataset(report: Callable[[int, int], None] | None = None) -> Path:
    """Folder of the embedded corpus; the first call generates it.

    Raises:
        DataError: the cache folder cannot be written.
    """
    options = SynthesisOptions(workers=min(2, os.cpu_count() or 1))
    key = hashlib.sha256(f"{VERSION}/{options.clips}/{options.seed}".encode()).hexdigest()[:8]
    folder = cache_folder() / f"synthetic-{key}"
    if folder.is_dir():
        return folder
    from leadbench.data.synthetic.generate import synthesize  # brings scipy's interpolation

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        synthesize(folder, options, report)
    except OSError as exc:
        raise DataError(f"{folder}: cannot be written ({exc}); set LEADBENCH_CACHE to a folder that can") from exc
    return folder


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

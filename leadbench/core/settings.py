"""``leadbench.toml``, overridden by the environment: one file says where assets lie, and each value knows its source.

The file is the one that ``LEADBENCH_CONFIG`` names, else ``leadbench.toml`` in the working folder; no other is looked
for. A key ``datasets.humanml3d.root`` is ``LEADBENCH_DATASETS__HUMANML3D__ROOT`` in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path
from pydantic import BaseModel, ValidationError

from leadbench.core.config import DatasetSettings, Settings
from leadbench.core.errors import ConfigError, nearest
from leadbench.core.toml import flat, read_toml
from leadbench.core.urls import url_of

FILE = "leadbench.toml"
PREFIX = "LEADBENCH_"
_PATHS = ("cache", "glove", "datasets.", "encoders.")  # keys whose values may be paths
# variables that are no keys: this file's name, what the tests look for, and what a sweep tells its pieces
_ELSEWHERE = frozenset({"BLENDER", "CONFIG", "GOLDEN", "OUTPUTS", "PARENT"})


@dataclass(frozen=True)
class Resolved:
    """Settings, and for every key that somebody set who did."""

    settings: Settings
    sources: Mapping[str, str]

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """(key, value, source) of every key, defaults included."""
        for key, value in flat(self.settings.model_dump(mode="json")):
            yield key, "" if value is None else str(value), self.sources.get(key, "default")


def load_settings(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Resolved:
    """Read file and environment.

    Raises:
        ConfigError: the file that is named is missing, a file is no TOML, or a key or value is not allowed.
    """
    environ = os.environ if environ is None else environ
    named = environ.get(f"{PREFIX}CONFIG")
    path = Path(named) if named else (folder or Path.cwd()) / FILE
    if named and not path.is_file():
        raise ConfigError(f"{PREFIX}CONFIG: {path}: no such file")
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    if path.is_file():
        for key, value in flat(read_toml(path)):
            _put(values, key, _from_file(key, value, path.resolve().parent))
            sources[key] = str(path)
    for name, value in environ.items():
        if (named_key := _key(name)) is not None:
            _put(values, named_key, value)
            sources[named_key] = f"environment {name}"
    return Resolved(_validated(values, sources), sources)


def settings() -> Settings:
    """Settings in force here and now."""
    return load_settings().settings


def cache_folder() -> Path:
    """Where what can be made or fetched again is kept: ``cache`` of the settings (``LEADBENCH_CACHE``), or
    ``leadbench`` in the user's."""
    return settings().cache or user_cache_path("leadbench", appauthor=False)


def dataset_settings(name: str) -> DatasetSettings:
    """Settings of a dataset by name; empty ones if nothing is set."""
    return settings().datasets.get(name, DatasetSettings())


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{key}: {parent} is a value, not a table")
    values[last] = value


def _from_file(key: str, value: Any, folder: Path) -> Any:
    """Paths of a file are relative to it; an encoder may be a hub name, left alone unless such a folder exists."""
    if not isinstance(value, str) or not key.startswith(_PATHS) or Path(value).is_absolute() or url_of(value):
        return value
    if key.startswith("encoders.") and not _exists(folder / value):
        return value
    try:
        path = Path(value).expanduser()
    except RuntimeError:  # of a user that there is not
        return str(folder / value)
    return str(folder / path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a path, or a null byte in it
        return False


def _key(variable: str) -> str | None:
    if not variable.startswith(PREFIX) or variable.removeprefix(PREFIX) in _ELSEWHERE:
        return None
    parts = variable.removeprefix(PREFIX).lower().split("__")
    # names of backbones and other parts have hyphens, variables cannot
    if len(parts) == 4 and parts[2] == "checkpoints":
        parts[3] = parts[3].replace("_", "-")
    if len(parts) == 3 and parts[0] == "options":
        parts[1] = parts[1].replace("_", "-")
    return ".".join(parts)


def _validated(values: dict[str, Any], sources: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        matching = (found for name, found in sources.items() if name == key or name.startswith(f"{key}."))
        source = next(matching, "settings")
        if first["type"] != "extra_forbidden":
            raise ConfigError(f"{source}: {key}: {first['msg']}") from exc
        *parents, last = key.split(".")
        allowed = _fields(parents)
        guess = nearest(last, allowed)
        hint = f"; did you mean {guess!r}?" if guess else ""
        raise ConfigError(f"{source}: unknown key {key!r} (allowed: {', '.join(allowed)}{hint})") from exc


def _fields(parents: list[str]) -> list[str]:
    """Names of the keys that a table may have."""
    model: type[BaseModel] = Settings
    for parent in parents:
        annotation = model.model_fields[parent].annotation if parent in model.model_fields else DatasetSettings
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else DatasetSettings
    return list(model.model_fields)

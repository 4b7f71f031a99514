"""Reading TOML as people write it: with or without a byte order mark, as tables or with dotted keys."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from leadbench.core.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path, where: str = "") -> dict[str, Any]:
    """Content of a file; ``where`` begins the message in place of the path.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"{where or path}: not TOML ({exc})") from exc


def parse_value(text: str) -> Any:
    """A value as TOML reads it, or the text itself.

    >>> parse_value("3"), parse_value("true"), parse_value("last")
    (3, True, 'last')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Values of nested tables by dotted keys.

    >>> dict(flat({"loop": {"steps": 3}, "name": "x"}))
    {'loop.steps': 3, 'name': 'x'}
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value

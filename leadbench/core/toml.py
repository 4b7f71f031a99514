"""Reading TOML as people write it: with or without a byte order mark, as tables or with dotted keys."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from leadbench.core.errors import ConfigError
from leadbench.core.reading import read_text, reason

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path, where: str = "") -> dict[str, Any]:
    """Content of a file; ``where`` begins the message in place of the path.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    text = read_text(path, ConfigError, where or path)
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as exc:  # ValueError: a year of no calendar
        raise ConfigError(f"{where or path}: not TOML ({reason(exc)})") from exc


def parse_value(text: str) -> Any:
    """A value as TOML reads it, or the text itself.

    >>> parse_value("3"), parse_value("true"), parse_value("last")
    (3, True, 'last')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
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

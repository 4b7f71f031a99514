"""Options that name an output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from leadbench.core.files import require_output
from leadbench.core.remote import local_copy


def readable(value: Path | None) -> Path | None:
    """Callback of an argument that names stored results: of a URL a copy here.

    Raises:
        ConfigError, DataError: no such kind of store, or there is nothing.
    """
    return None if value is None else local_copy(value)


def all_readable(values: list[Path]) -> list[Path]:
    """The same of several."""
    return [local_copy(value) for value in values]


def writable(option: str, *, file: bool = False) -> Callable[[Path | None], Path | None]:
    """Callback of an option that names an output: nothing is begun that cannot be written.

    Raises:
        ConfigError: on a value that cannot be written, or where something else is in the way.
    """

    def check(value: Path | None) -> Path | None:
        return value if value is None else require_output(value, option, file=file)

    return check

"""Options that name an output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from leadbench.core.files import require_output


def writable(option: str, *, file: bool = False) -> Callable[[Path | None], Path | None]:
    """Callback of an option that names an output: nothing is begun that cannot be written.

    Raises:
        ConfigError: on a value that cannot be written, or where something else is in the way.
    """

    def check(value: Path | None) -> Path | None:
        return value if value is None else require_output(value, option, file=file)

    return check

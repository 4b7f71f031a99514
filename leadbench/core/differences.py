"""Where two configurations differ."""

from __future__ import annotations

from typing import Any

_MISSING = object()


def differing(stored: Any, wanted: Any, where: str = "") -> list[str]:
    """Dotted names of the entries in which two nested dictionaries differ, sorted.

    >>> differing({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4})
    ['a.c', 'd']
    """
    if isinstance(stored, dict) and isinstance(wanted, dict):
        return [
            name
            for key in sorted({*stored, *wanted})
            for name in differing(
                stored.get(key, _MISSING), wanted.get(key, _MISSING), f"{where}.{key}" if where else str(key)
            )
        ]
    return [] if stored == wanted else [where or "configuration"]

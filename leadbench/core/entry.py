"""A line of a report on what is there and what is missing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One line of ``leadbench doctor``; ``mend`` says what to do where something is wrong, else it is empty."""

    what: str
    found: str
    mend: str = ""

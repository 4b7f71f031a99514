"""A line of a report on what is there and what is missing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """One line of ``leadbench doctor``; ``fix`` says what to do where something is wrong, else it is empty."""

    what: str
    found: str
    fix: str = ""

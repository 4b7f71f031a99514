"""A line of a report on what is there and what is missing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """One line of ``leadbench doctor``; ``fix`` says what to do where something is wrong, else it is empty.

    ``optional``: only some need it, so it is no problem.
    """

    what: str
    found: str
    fix: str = ""
    optional: bool = False

    @property
    def wrong(self) -> bool:
        """Whether something should be done."""
        return bool(self.fix) and not self.optional

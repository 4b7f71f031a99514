"""Projectors that a user names, opened through the plugin manager."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from leadbench.core.contracts import Projector


@dataclass(frozen=True, eq=False)
class AttachedProjector:
    """A projector beside what it is called."""

    name: str
    display: str
    variant: str | None
    projector: Projector
    digest: str
    path: Path

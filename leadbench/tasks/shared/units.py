"""What a benchmark is cut into: settings of a backbone, maps tried in the projector's place, units of work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from leadbench.core.contracts import Backbone
from leadbench.generate.pipeline import LatentMap
from leadbench.results.store import Record

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Setting:
    """A backbone at a number of steps and a guidance scale."""

    backbone: str
    display: str
    steps: int
    guidance: float | None

    @property
    def key(self) -> str:
        """Part of record keys."""
        return f"{self.backbone}/steps={self.steps}/guidance={self.guidance}"


@dataclass(frozen=True, eq=False)
class Entry:
    """A backbone with its settings and the maps that are tried in the projector's place.

    Attributes:
        variants: row name -> (projector name or None, latent map or None).
    """

    backbone: Backbone
    settings: tuple[Setting, ...]
    variants: Mapping[str, tuple[str | None, LatentMap | None]]


@dataclass(frozen=True)
class Unit:
    """What is done, recorded and resumed as a whole."""

    label: str
    replication: int
    keys: tuple[str, ...]
    work: Callable[[], list[Record]]

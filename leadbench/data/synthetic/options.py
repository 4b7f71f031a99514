"""What identifies an embedded corpus. Apart from its making, which imports more than a run needs that finds it made."""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 1


@dataclass(frozen=True)
class SynthesisOptions:
    """What to make: number of clips, seed of everything, processes."""

    clips: int = 4000
    seed: int = 0
    workers: int = 2

"""What a user asks ``leadbench run`` for, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from leadbench.core.config import T2MConfig


@dataclass(frozen=True)
class RunRequest:
    """What a user asks a task for.

    Args:
        backbones: registered names.
        steps: numbers of steps by backbone name; None as a key speaks to few-step backbones.
        guidance: guidance scales to sweep; empty: each backbone's default.
        projector: ``auto``, ``none`` or a file.
        evaluator: registered name; ``guo`` is the one of the model folder.
        controls: also score the controls.
        variants: projectors of the ablation to score beside the full one.
        metrics: registered names of further metrics.
        notes: sentences for the tables' captions.
        self_test: measure real motions first, and refuse to go on where they score as they should not.
        config: protocol.
    """

    backbones: tuple[str, ...]
    steps: Mapping[str | None, Sequence[int]] = field(default_factory=dict)
    guidance: tuple[float, ...] = ()
    projector: str = "auto"
    evaluator: str = "guo"
    controls: bool = False
    variants: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    self_test: bool = True
    config: T2MConfig = field(default_factory=T2MConfig)

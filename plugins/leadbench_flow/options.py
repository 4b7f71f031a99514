"""Options of the flow backbones: ``--option flow.solver=midpoint``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class FlowOptions(BaseModel):
    """What ``--option flow.KEY=VALUE`` sets.

    Attributes:
        width, layers, heads, feedforward, dropout: of the transformer; what it was trained with stands in its card.
        time_location, time_scale: of the normal distribution whose logistic function training times are.
        solver: ``euler``: one call of the network a step; ``midpoint``: two, so that it takes even numbers of them.
        guidance: scale of classifier-free guidance where none is asked for; None: what was best on the validation split
            of the embedded corpus, 1 at one step, 1.5 at two, 2 at more.

    Solver and guidance are of sampling alone, and so in no card (``exclude``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(160, gt=0)
    layers: int = Field(5, gt=0)
    heads: int = Field(4, gt=0)
    feedforward: int = Field(320, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    time_location: float = 0.0
    time_scale: float = Field(1.0, gt=0)
    solver: Literal["euler", "midpoint"] = Field("euler", exclude=True)
    guidance: float | None = Field(None, ge=1, exclude=True)


class ReflowOptions(FlowOptions):
    """What ``--option reflow.KEY=VALUE`` sets.

    Attributes:
        teacher_steps: Euler steps with which ``flow`` makes the latent of each noise.
        teacher_guidance: scale that the student learns with it.
        guidance: 1: nothing is guided twice.
    """

    teacher_steps: int = Field(8, gt=0)
    teacher_guidance: float = Field(2.0, ge=1)
    guidance: float | None = Field(1.0, ge=1, exclude=True)

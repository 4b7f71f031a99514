"""Reflow: the flow is trained once more on the pairs of noise and latent that a trained flow makes (Liu et al. 2023).

Straighter paths need fewer steps; guidance is learnt with them, so that one call of the network makes one step.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from leadbench.core.errors import ConfigError
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Condition
from leadbench.plugins.context import Context
from leadbench_flow.backbone import FlowBackbone, make
from leadbench_flow.options import ReflowOptions


class ReflowBackbone(FlowBackbone):
    """Implements ``leadbench.TrainableBackbone``.

    Args:
        context: of the backbone; ``flow`` is opened where this one is about to be trained.
    """

    default_steps = 1

    def __init__(self, context: Context) -> None:
        vars(self).update(vars(make(context)))
        self._teacher = _trained_flow(context) if context.models.begins_anew(f"backbone-{context.name}") else None

    def training_loss(self, clean: Tensor, condition: Condition, draws: NoiseSource) -> Mapping[str, Tensor]:
        """Squared error of the velocity between noise and what the teacher makes of it; ``clean`` is not needed."""
        options = self.options
        assert isinstance(options, ReflowOptions)
        if self._teacher is None:
            raise ConfigError(f"backbone {self.name!r}: its loss needs the teacher, which only a training opens")
        noise = draws.normal("noise", clean.shape[1:])
        with torch.no_grad():
            made = self._teacher.flow(noise, condition, options.teacher_steps, options.teacher_guidance)
        return {"loss": self._matching(noise, made, condition, draws)}


def _trained_flow(context: Context) -> FlowBackbone:
    """The teacher.

    Raises:
        ConfigError: it is not trained.
    """
    teacher = context.backbone("flow")
    if "backbone-flow" in context.models.initial or not isinstance(teacher, FlowBackbone):
        raise ConfigError(
            f"backbone {context.name!r}: its teacher is not trained (run: leadbench train diffusion --backbone flow)"
        )
    return teacher


def load(context: Context) -> ReflowBackbone:
    """The backbone ``reflow``."""
    return ReflowBackbone(context)

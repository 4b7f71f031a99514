"""Bundled backbones ``flow`` and ``reflow``: rectified flow in latent space."""

from __future__ import annotations

from collections.abc import Sequence

from leadbench.plugins.hookspecs import BackboneRegistration, hookimpl


@hookimpl
def leadbench_backbones() -> Sequence[BackboneRegistration]:
    """Offer ``flow``, and ``reflow``, which is trained on the pairs that ``flow`` makes."""
    return [
        BackboneRegistration(
            name="flow",
            display="Flow",
            summary="rectified flow (Liu et al. 2023) in latent space: straight paths, Euler or midpoint steps",
            factory="leadbench_flow.backbone:load",
            text_encoder="minilm",
            few_step=True,
            options="leadbench_flow.options:FlowOptions",
        ),
        BackboneRegistration(
            name="reflow",
            display="Reflow",
            summary="rectified flow, straightened once more on what flow generates, guidance included",
            factory="leadbench_flow.reflow:load",
            text_encoder="minilm",
            few_step=True,
            options="leadbench_flow.options:ReflowOptions",
        ),
    ]

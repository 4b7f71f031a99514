"""Bundled backbone ``motionlcm``: a latent consistency model, one to four steps."""

from __future__ import annotations

from collections.abc import Sequence

from leadbench.hookspecs import BackboneRegistration, hookimpl


@hookimpl
def leadbench_backbones() -> Sequence[BackboneRegistration]:
    """Offer ``motionlcm``."""
    return [
        BackboneRegistration(
            name="motionlcm",
            display="MotionLCM",
            summary="Motion Latent Consistency Model, version 1 (Dai et al. 2024): 1, 2 or 4 steps",
            factory="leadbench_motionlcm.backbone:load",
            few_step=True,
            text_encoder="wordllama",
        )
    ]

"""Bundled backbone ``motionlcm``: a latent consistency model, one to four steps."""

from __future__ import annotations

from collections.abc import Sequence

from leadbench.plugins.hookspecs import BackboneRegistration, hookimpl


@hookimpl
def leadbench_backbones() -> Sequence[BackboneRegistration]:
    """Offer ``motionlcm`` and ``motionlcm-v2``."""
    return [
        BackboneRegistration(
            name="motionlcm",
            display="MotionLCM",
            summary="Motion Latent Consistency Model, version 1 (Dai et al. 2024): 1, 2 or 4 steps",
            factory="leadbench_motionlcm.backbone:load",
            few_step=True,
            text_encoder="wordllama",
        ),
        BackboneRegistration(
            name="motionlcm-v2",
            display="MotionLCM-v2",
            summary="MotionLCM, version 2: 16 latent tokens; from its official checkpoint only",
            factory="leadbench_motionlcm.backbone:load_v2",
            few_step=True,
            text_encoder="t5",
        ),
    ]

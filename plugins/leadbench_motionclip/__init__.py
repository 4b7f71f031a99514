"""Bundled backbone ``motionclip``: one caption is one motion, without a denoiser."""

from __future__ import annotations

from collections.abc import Sequence

from leadbench.plugins.hookspecs import BackboneRegistration, hookimpl


@hookimpl
def leadbench_backbones() -> Sequence[BackboneRegistration]:
    """Offer ``motionclip``."""
    return [
        BackboneRegistration(
            name="motionclip",
            display="MotionCLIP",
            summary="in the manner of MotionCLIP (Tevet et al. 2022): the text embedding is the latent; deterministic",
            factory="leadbench_motionclip.backbone:load",
            text_encoder="minilm",
        )
    ]

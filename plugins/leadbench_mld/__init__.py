"""Bundled backbone ``mld``: latent diffusion with DDIM sampling and classifier-free guidance."""

from __future__ import annotations

from collections.abc import Sequence

from leadbench.plugins.hookspecs import BackboneRegistration, hookimpl


@hookimpl
def leadbench_backbones() -> Sequence[BackboneRegistration]:
    """Offer ``mld``."""
    return [
        BackboneRegistration(
            name="mld",
            display="MLD",
            summary="Motion Latent Diffusion (Chen et al. 2023): 50 DDIM steps, guidance 7.5",
            factory="leadbench_mld.backbone:load",
            text_encoder="minilm",
        )
    ]

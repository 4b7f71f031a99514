"""``leadbench ablate projector``: train the projectors that are missing, then score all of them on the same latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from leadbench.core.direct import require_latent
from leadbench.core.presets import PROJECTOR_VARIANTS, Preset
from leadbench.tasks.shared.request import RunRequest
from leadbench.training.loop import Progress
from leadbench.training.stages import ProjectorJob, projector_name, train_projector
from leadbench.training.workshop import Workshop
from leadbench.zoo.assets import Opened, require_models
from leadbench.zoo.projectors import LEAD


def train_variants(
    opened: Opened,
    preset: Preset,
    name: str,
    encoder: str | None,
    report: Callable[[Progress], None],
    say: Callable[[str], None],
) -> list[Path]:
    """Train every variant of the projector that the backbone ``name`` has none of yet; returns the files written.

    Raises:
        UnknownNameError, PluginError: no such backbone, or its factory returns something else.
    """
    backbone = opened.plugins.backbone(name, opened.models)
    require_latent(backbone, "a projector")
    space = backbone.autoencoder.fingerprint
    # projectors of the folder's own latent space belong to no single backbone
    owner = None if opened.models.has("autoencoder") else name
    require_models(opened)
    shop = Workshop(opened.dataset, preset, opened.models, report=report, replace=True, say=say)
    written = []
    for variant in PROJECTOR_VARIANTS:
        there = opened.models.catalog.projectors(space, LEAD, None if variant == "full" else variant)
        if there:
            say(f"{there[0].name}: is there")
            continue
        file = projector_name(owner, variant)
        say(f"{file}: training")
        job = ProjectorJob(encoder, variant, (owner, backbone) if owner else None)
        written.append(train_projector(shop, opened.plugins, job))
    return written


def ablation_request(request: RunRequest) -> RunRequest:
    """The same request with all variants and controls."""
    return replace(request, controls=True, variants=tuple(v for v in PROJECTOR_VARIANTS if v != "full"))

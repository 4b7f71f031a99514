"""``leadbench ablate projector``: train the projectors that are missing, then score all of them on the same latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from leadbench.core.contracts import Backbone
from leadbench.core.errors import ConfigError
from leadbench.core.presets import PROJECTOR_VARIANTS, Preset
from leadbench.tasks.shared.request import RunRequest
from leadbench.training.loop import Progress
from leadbench.training.stages import Workshop, projector_name, train_projector
from leadbench.zoo.assets import Opened


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
        ConfigError: no such backbone, or it keeps no contract.
    """
    backbone = opened.plugins.create("backbone", name, opened.models, where="--backbone")
    if not isinstance(backbone, Backbone):
        raise ConfigError(f"backbone {name!r}: its factory returned {type(backbone).__name__}, which is no Backbone")
    # the folder's own autoencoder names no backbone in its projectors' files
    owner = None if opened.models.has("autoencoder") else name
    there = opened.models.projectors(backbone.autoencoder.fingerprint)
    shop = Workshop(opened.dataset, preset, opened.models, report=report)
    written = []
    for variant in PROJECTOR_VARIANTS:
        file = projector_name(owner, variant)
        if file in there:
            say(f"{file}: is there")
            continue
        say(f"{file}: training")
        written.append(train_projector(shop, encoder, variant, (owner, backbone) if owner else None))
    return written


def ablation_request(request: RunRequest) -> RunRequest:
    """The same request with all variants and controls."""
    return replace(request, controls=True, variants=tuple(v for v in PROJECTOR_VARIANTS if v != "full"))

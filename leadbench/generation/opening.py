"""From names to something that generates."""

from __future__ import annotations

from collections.abc import Mapping

from leadbench.generation.concepts import Concept
from leadbench.generation.generator import Generator
from leadbench.generation.pipeline import realign
from leadbench.zoo.assets import Opened
from leadbench.zoo.projectors import open_projector


def open_generator(opened: Opened, name: str, projector: str, concepts: Mapping[str, Concept]) -> Generator:
    """A backbone with one projector: ``auto`` the one of its latent space if there is one, ``none``, a file or a name.

    Raises:
        ConfigError: several projectors are named.
        WeightsError: no such projector.
        LatentMismatchError: it belongs to another latent space.
    """
    backbone = opened.plugins.backbone(name, opened.models)
    attached = open_projector(opened, backbone.autoencoder, projector)
    if attached is not None:
        realign(attached.projector, backbone.autoencoder)
    return Generator(backbone, None if attached is None else attached.projector, concepts, opened.models.compute)

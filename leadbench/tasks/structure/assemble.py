"""From what a user asks for to the task of latent structure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from leadbench.core.config import StructureConfig
from leadbench.core.contracts import Backbone, MotionAutoencoder
from leadbench.core.errors import ConfigError, WeightsError
from leadbench.core.presets import PROJECTOR_VARIANTS
from leadbench.core.provenance import sha256_file
from leadbench.generate.pipeline import realign
from leadbench.tasks.structure.task import StructureTask
from leadbench.zoo.assets import Opened
from leadbench.zoo.projectors import AttachedProjector
from leadbench.zoo.store import load_projector


@dataclass(frozen=True)
class StructureRequest:
    """What a user asks for.

    Attributes:
        backbone: whose latent space; None: the model folder's own.
        projector: ``auto``, a file or a name (:func:`leadbench.zoo.projectors.open_projectors`).
        notes: sentences for the caption.
        config: labels, neighbours, pools, resamples.
    """

    backbone: str | None = None
    projector: str = "auto"
    notes: tuple[str, ...] = ()
    config: StructureConfig = field(default_factory=StructureConfig)


def open_structure(opened: Opened, request: StructureRequest) -> StructureTask:
    """The task; nothing is written.

    Raises:
        WeightsError: there is no such projector.
        LatentMismatchError: it belongs to another latent space.
        DataError: too few motions have a label.
    """
    autoencoder = _latent_space(opened, request.backbone)
    attached = _projector(opened, autoencoder, request.projector)
    encoder = opened.models.text_encoder(attached.projector.text_encoder)
    return StructureTask(
        opened.dataset, opened.root, autoencoder, attached, encoder, request.config, notes=request.notes
    )


def _latent_space(opened: Opened, name: str | None) -> MotionAutoencoder:
    if name is None:
        return opened.models.autoencoder()
    backbone = opened.plugins.create("backbone", name, opened.models, where="--backbone")
    if not isinstance(backbone, Backbone):
        raise ConfigError(f"backbone {name!r}: its factory returned {type(backbone).__name__}, which is no Backbone")
    return backbone.autoencoder


def _projector(opened: Opened, autoencoder: MotionAutoencoder, named: str) -> AttachedProjector:
    path = Path(named)
    models = opened.models
    if named == "auto":
        names = models.projectors(autoencoder.fingerprint)
        whole = [name for name in names if not any(name.endswith(f"-{variant}") for variant in PROJECTOR_VARIANTS)]
        if not whole:
            raise WeightsError(
                f"models {models.folder}: no projector of latent space {autoencoder.fingerprint[:12]} "
                f"(run: leadbench train projector, or name one with --projector FILE)"
            )
        path = models.path(min(whole, key=lambda name: (name != "projector", name)))
    elif not path.is_file():
        raise WeightsError(f"--projector {path}: no such file (allowed: auto, or a .safetensors file)")
    projector = load_projector(path)
    realign(projector, autoencoder)
    return AttachedProjector("lead", "LEAD", None, projector, sha256_file(path), path)

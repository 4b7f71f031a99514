"""From what a user asks for to the task of latent structure."""

from __future__ import annotations

from dataclasses import dataclass, field

from leadbench.core.config import StructureConfig
from leadbench.core.contracts import MotionAutoencoder
from leadbench.core.direct import require_latent
from leadbench.core.errors import WeightsError
from leadbench.generation.pipeline import realign
from leadbench.tasks.shared.identity import inputs_identity
from leadbench.tasks.structure.task import StructureTask
from leadbench.zoo.assets import Opened
from leadbench.zoo.projectors import AttachedProjector, open_projector


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
    inputs = inputs_identity(opened, encoders=[encoder], splits=(request.config.split,))
    return StructureTask(
        opened.dataset, opened.root, autoencoder, attached, encoder, request.config, notes=request.notes, inputs=inputs
    )


def _latent_space(opened: Opened, name: str | None) -> MotionAutoencoder:
    if name is None:
        return opened.models.autoencoder()
    backbone = opened.plugins.backbone(name, opened.models)
    require_latent(backbone, "the structure of latents")
    return backbone.autoencoder


def _projector(opened: Opened, autoencoder: MotionAutoencoder, named: str) -> AttachedProjector:
    found = open_projector(opened, autoencoder, named)
    if found is None:
        raise WeightsError(
            f"models {opened.models.folder}: no projector of latent space {autoencoder.fingerprint[:12]} "
            f"(run: leadbench train projector, or name one with --projector)"
        )
    realign(found.projector, autoencoder)
    return found

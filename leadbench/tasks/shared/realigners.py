"""Which projectors and controls go with which backbone: a projector belongs to a latent space, not to a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from leadbench.core.contracts import Backbone, MotionAutoencoder
from leadbench.core.direct import has_latent
from leadbench.core.errors import WeightsError
from leadbench.core.presets import PROJECTOR_VARIANTS
from leadbench.generation.pipeline import LatentMap, realign
from leadbench.tasks.shared.controls import CONTROLS, control_map, latent_statistics
from leadbench.tasks.shared.request import RunRequest
from leadbench.zoo.assets import Opened
from leadbench.zoo.catalog import Listed
from leadbench.zoo.projectors import AUTO, LEAD, AttachedProjector, attach, open_projectors, open_variant

ABLATED = "no-align"


@dataclass(frozen=True, eq=False)
class Edit:
    """A map that is tried in the projector's place; all fields None: the latents as they were sampled.

    Attributes:
        projector: registered name of its kind.
        variant: of the ablation; None: the whole projector.
        control: of :data:`leadbench.tasks.shared.controls.CONTROLS`, where it is no projector.
        display: name in tables.
        aligned: text encoder that the projector was aligned to.
        map: of latents.
    """

    projector: str | None
    variant: str | None
    control: str | None
    display: str
    aligned: str | None
    map: LatentMap | None


@dataclass(frozen=True, eq=False)
class Realigners:
    """Finds, checks and names what is tried in the projector's place.

    Args:
        request: what the user asked for.
        opened: dataset, whose train split the controls are fitted to, models and plugins.
        autoencoders: of all backbones of the run that have a latent space.

    Raises:
        LatentMismatchError: on use, where a projector that was named, or the only ones there are, fit no latent space.
    """

    request: RunRequest
    opened: Opened
    autoencoders: Sequence[MotionAutoencoder]
    _found: dict[str, list[AttachedProjector]] = field(default_factory=dict)

    def edits(self, backbone: Backbone) -> list[Edit]:
        """The plain latents first, then projectors, controls and variants of the ablation."""
        autoencoder = backbone.autoencoder
        edits = [Edit(None, None, None, "", None, None)]
        if not has_latent(backbone):
            return edits
        edits += [self._edit(attached, autoencoder) for attached in self._projectors(autoencoder)]
        if self.request.controls:
            train = self.opened.dataset.load("train", skip_bad=self.request.config.skip_bad_motions)[0]
            statistics = latent_statistics(autoencoder, train, self.request.config.seed)
            for control in CONTROLS:
                edits.append(Edit(None, None, control, "", None, control_map(control, statistics, autoencoder)))
        named = {(edit.projector, edit.variant) for edit in edits}
        wanted = [variant for variant in PROJECTOR_VARIANTS if variant in self.request.variants]
        for variant in wanted or ([ABLATED] if self.request.controls else []):
            found = open_variant(self.opened, autoencoder, variant)
            if found is not None and (LEAD, variant) not in named:
                edits.append(self._edit(found, autoencoder))
            elif found is None and wanted:
                raise WeightsError(
                    f"models {self.opened.models.folder}: no projector {variant!r} of this latent space "
                    f"(run: leadbench ablate projector)"
                )
        return edits

    @property
    def stamps(self) -> tuple[str, ...]:
        """Warnings for every record of the run."""
        fits = (p.projector.latent_fingerprint == a.fingerprint for a in self.autoencoders for p in self._projectors(a))
        if all(fits):
            return ()
        return ("the projector was trained on another latent space (--allow-latent-mismatch)",)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know of rows that are not there."""
        there = [bool(self._projectors(a)) for a in self.autoencoders]
        if self.request.projector != AUTO or all(there):
            return ()
        if any(there):
            return ("no projector for the latent space of some backbones",)
        foreign = self._foreign()
        return ("no projector of this latent space; those of the model folder belong to others",) if foreign else ()

    def _projectors(self, autoencoder: MotionAutoencoder) -> list[AttachedProjector]:
        key = autoencoder.fingerprint
        if key not in self._found:
            found = open_projectors(self.opened, autoencoder, self.request.projector)
            allowed = self.request.config.allow_latent_mismatch
            self._found[key] = found or (self._misfits() if allowed else [])
        return self._found[key]

    def _misfits(self) -> list[AttachedProjector]:
        """Under ``auto``, a projector of another latent space, where all are and that was asked for."""
        foreign = self._foreign() if self.request.projector == AUTO else []
        if not foreign:
            return []
        listed = min(foreign, key=lambda listed: (listed.name != "projector", listed.name))
        return [attach(self.opened, listed.card.kind or LEAD, listed.path)]

    def _foreign(self) -> list[Listed]:
        """The folder's whole projectors, where none of them is of the run's latent spaces."""
        catalog = self.opened.models.catalog
        whole = [listed for listed in catalog.all("projector") if listed.card.variant is None]
        spaces = {autoencoder.fingerprint for autoencoder in self.autoencoders}
        return [] if any(listed.card.latent in spaces for listed in whole) else whole

    def _edit(self, attached: AttachedProjector, autoencoder: MotionAutoencoder) -> Edit:
        projector = attached.projector
        realigned = realign(projector, autoencoder, allow_mismatch=self.request.config.allow_latent_mismatch)
        return Edit(attached.name, attached.variant, None, attached.display, projector.text_encoder, realigned)

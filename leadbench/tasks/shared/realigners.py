"""Which projectors and controls go with which backbone: a projector belongs to a latent space, not to a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from leadbench.core.contracts import Backbone, MotionAutoencoder, MotionDataset, Projector
from leadbench.core.errors import WeightsError
from leadbench.core.presets import PROJECTOR_VARIANTS, VARIANT_NAMES
from leadbench.generate.pipeline import LatentMap, realign
from leadbench.tasks.shared.controls import clamp_to_train, latent_statistics, rescale_to_train
from leadbench.tasks.shared.request import RunRequest
from leadbench.zoo.store import ModelStore, load_projector

PROJECTOR = "projector"
ABLATED = "no-align"
VARIANT_ROWS = {variant: f"lead {name}" for variant, name in VARIANT_NAMES.items()}
Variants = dict[str, tuple[str | None, LatentMap | None]]


@dataclass(frozen=True, eq=False)
class Edit:
    """A map that is tried in the projector's place."""

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
        dataset: whose train split the controls are fitted to.
        models: holds ``projector.safetensors`` and others.
        autoencoders: of all backbones of the run.

    Raises:
        LatentMismatchError: on use, where a projector that was named, or the only ones there are, fit no latent space.
    """

    request: RunRequest
    dataset: MotionDataset
    models: ModelStore
    autoencoders: Sequence[MotionAutoencoder]

    def maps(self, backbone: Backbone) -> Variants:
        """Label -> (projector's name, map) of a backbone."""
        autoencoder = backbone.autoencoder
        maps: Variants = {"plain": (None, None)}
        projector = self._projector(autoencoder)
        if projector is not None:
            maps["lead"] = (_name(projector, backbone), self._realign(projector, autoencoder))
        if self.request.controls:
            train = self.dataset.load("train", skip_bad=self.request.config.skip_bad_motions)[0]
            statistics = latent_statistics(autoencoder, train, self.request.config.seed)
            maps["clamp"] = (None, clamp_to_train(statistics))
            maps["rescale"] = (None, rescale_to_train(statistics))
        wanted = [v for v in PROJECTOR_VARIANTS if v in self.request.variants]
        for variant in wanted or ([ABLATED] if self.request.controls else []):
            found = [n for n in self.models.projectors(autoencoder.fingerprint) if n.endswith(f"-{variant}")]
            if found:
                ablated = self.models.projector(found[0])
                name = f"aligned {ablated.text_encoder}, {variant}"
                maps[VARIANT_ROWS[variant]] = (name, self._realign(ablated, autoencoder))
            elif wanted:
                raise WeightsError(f"models {self.models.folder}: no projector {variant!r} of this latent space")
        return maps

    def edits(self, backbone: Backbone) -> list[Edit]:
        found = []
        names = {row: variant for variant, row in VARIANT_ROWS.items()}
        for label, (aligned, edit) in self.maps(backbone).items():
            control = label if label in ("clamp", "rescale") else None
            projector = "lead" if label.startswith("lead") else None
            text = aligned.split(",")[0].removeprefix("aligned ") if aligned else None
            found.append(Edit(projector, names.get(label), control, "LEAD", text, edit))
        return found

    @property
    def stamps(self) -> tuple[str, ...]:
        """Warnings for every record of the run."""
        found = [(self._projector(a), a) for a in self.autoencoders]
        if all(projector is None or projector.latent_fingerprint == a.fingerprint for projector, a in found):
            return ()
        return ("the projector was trained on another latent space (--allow-latent-mismatch)",)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know of rows that are not there."""
        if self.request.projector != "auto" or all(self._projector(a) is not None for a in self.autoencoders):
            return ()
        if all(self._projector(a) is None for a in self.autoencoders):
            return ()
        return ("no projector for the latent space of some backbones",)

    def _projector(self, autoencoder: MotionAutoencoder) -> Projector | None:
        if self.request.projector == "none":
            return None
        if self.request.projector != "auto":
            return self._named
        fitting = self._fitting(autoencoder)
        if fitting:
            return self.models.projector(fitting[0])
        lonely = not any(self._fitting(other) for other in self.autoencoders)
        # a projector that fits nobody is an error, which realign explains, or a mismatch that was asked for
        return self.models.projector() if lonely and self.models.has(PROJECTOR) else None

    def _fitting(self, autoencoder: MotionAutoencoder) -> list[str]:
        """Projectors of a latent space, ``projector`` first; ablations are not chosen by themselves."""
        names = self.models.projectors(autoencoder.fingerprint)
        whole = [name for name in names if not any(name.endswith(f"-{variant}") for variant in VARIANT_ROWS)]
        return sorted(whole, key=lambda name: (name != PROJECTOR, name))

    @cached_property
    def _named(self) -> Projector:
        path = Path(self.request.projector)
        if not path.is_file():
            raise WeightsError(f"--projector {path}: no such file (allowed: auto, none, or a .safetensors file)")
        return load_projector(path)

    def _realign(self, projector: Projector, autoencoder: MotionAutoencoder) -> LatentMap:
        return realign(projector, autoencoder, allow_mismatch=self.request.config.allow_latent_mismatch)


def _name(projector: Projector, backbone: Backbone) -> str:
    """What it was aligned to; and what drives the backbone, where that is another text space."""
    driven = backbone.text_encoder.name
    return f"aligned {projector.text_encoder}" + ("" if driven == projector.text_encoder else f", driven {driven}")

"""What a model folder holds, by what the cards say. File names mean nothing here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leadbench.core.errors import WeightsError
from leadbench.zoo.files import ModelCard, card_path, load_card


@dataclass(frozen=True)
class Listed:
    """A model file and its card."""

    path: Path
    card: ModelCard

    @property
    def name(self) -> str:
        """What the folder's store calls it."""
        return self.path.stem


class Catalog:
    """Looks models of one folder up by their cards.

    Args:
        folder: model folder; files without a card are no models, and are passed over.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self, stage: str) -> Iterator[Listed]:
        """Models of a stage, by file name.

        Raises:
            WeightsError: a card cannot be read.
        """
        for path in sorted(self.folder.glob("*.safetensors")):
            if card_path(path).is_file():
                card = load_card(path)
                if card.stage == stage:
                    yield Listed(path, card)

    def of_encoder(self, stage: str, encoder: str) -> Listed:
        """The denoiser of a stage that is conditioned on a text encoder.

        Raises:
            WeightsError: there is none; the message names those that are there.
        """
        found = self._by_encoder(stage)
        if encoder not in found:
            there = ", ".join(sorted(found)) or "none"
            raise WeightsError(
                f"models {self.folder}: no {stage} model of text encoder {encoder!r} (there: {there}; "
                f"run: leadbench train {stage} --text-encoder {encoder})"
            )
        return found[encoder]

    def preferred(self, stage: str, encoder: str) -> Listed | None:
        """The denoiser of a stage of the preferred text encoder, else the only one; None: there is none.

        Raises:
            WeightsError: there are several and nothing chooses.
        """
        found = self._by_encoder(stage)
        if encoder in found or len(found) < 2:
            return found.get(encoder) or next(iter(found.values()), None)
        raise WeightsError(
            f"models {self.folder}: {stage} models of text encoders {', '.join(sorted(found))}; choose one with "
            f"--text-encoder"
        )

    def _by_encoder(self, stage: str) -> dict[str, Listed]:
        return {listed.card.text_encoder: listed for listed in self.all(stage) if listed.card.text_encoder}

    def projectors(self, latent: str, kind: str | None = None, variant: str | None = None) -> list[Listed]:
        """Projectors of a latent space: whole ones, or those of a variant. The folder's default file comes first.

        Args:
            latent: fingerprint of the space.
            kind: registered name; None: any.
            variant: of the ablation.
        """
        fitting = (
            listed
            for listed in self.all("projector")
            if listed.card.latent == latent and listed.card.variant == variant and kind in (None, listed.card.kind)
        )
        return sorted(fitting, key=lambda listed: (listed.name != "projector", listed.name))

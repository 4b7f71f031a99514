"""What the factory of a part may build from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadbench.core.errors import ConfigError

if TYPE_CHECKING:  # factories are called where torch is imported; hooks are not
    import torch

    from leadbench.core.contracts import Backbone, MotionAutoencoder, MotionDataset, TextEncoder
    from leadbench.core.tensors import MotionSample, MotionSpec
    from leadbench.zoo.store import ModelStore


@dataclass(frozen=True, eq=False)
class Context:
    """What a factory gets: the dataset, the model folder, the device, and the part's own options.

    Attributes:
        kind: ``backbone``, ``text_encoder``, ``autoencoder``, ``projector``, ``dataset``, ``evaluator`` or ``metric``.
        name: registered name of the part.
        options: an instance of the registration's ``options`` model; None where it names none.
        location: folder of a dataset, or file of a projector.
        opened: the model folder; factories of datasets have none.
    """

    kind: str
    name: str
    options: Any = None
    location: Path | None = None
    opened: ModelStore | None = None
    make_backbone: Callable[[str], Backbone] | None = field(default=None, repr=False)

    @property
    def models(self) -> ModelStore:
        """The model folder, with everything that was trained or imported there.

        Raises:
            ConfigError: a dataset asks for it, which is opened before.
        """
        if self.opened is None:
            raise ConfigError(f"{self._what}: there is no model folder here")
        return self.opened

    @property
    def path(self) -> Path:
        """Folder of a dataset, or file of a projector.

        Raises:
            ConfigError: the part is opened without one.
        """
        if self.location is None:
            raise ConfigError(f"{self._what}: no folder or file was given")
        return self.location

    @property
    def dataset(self) -> MotionDataset:
        """The dataset that is evaluated or trained on.

        Raises:
            ConfigError: there is none (``leadbench plugins check`` without ``--dataset``).
        """
        found = self.models.dataset
        if found is None:
            raise ConfigError(f"{self._what}: needs a dataset (--dataset)")
        return found

    def samples(self, split: str = "train") -> Sequence[MotionSample]:
        """Motions of a split with their captions; test motions are for the benchmark alone.

        Raises:
            ConfigError: there is no dataset.
        """
        return self.dataset.load(split, skip_bad=True)[0]

    @property
    def file(self) -> Path:
        """Where ``leadbench train`` keeps the part's weights."""
        return self.models.path(f"{self.kind}-{self.name}")

    @property
    def motion(self) -> MotionSpec:
        """What features mean, with the statistics that the part was trained with; while it is not, the dataset's, or
        without one those of the folder's autoencoder."""
        known = self.models.trained_motion(f"{self.kind}-{self.name}")
        if known is not None:
            return known
        dataset = self.models.dataset
        return self.models.autoencoder().motion if dataset is None else dataset.motion.to(self.device)

    def load(self, network: torch.nn.Module) -> bool:
        """Load what ``leadbench train`` wrote for this part into its network, in eval mode and on the device.

        Returns:
            False where there is nothing yet, or where it is about to be trained anew: the weights stay as they are.

        Raises:
            WeightsError: they do not fit the network.
        """
        return self.models.load_into(f"{self.kind}-{self.name}", network)

    def reads(self, path: Path) -> Path:
        """Say that the part reads a file of its own: its content becomes part of the identity of runs."""
        self.models.note_use(f"{self.kind}-{self.name}: {path.name}", path)
        return path

    @property
    def device(self) -> torch.device:
        """Where the part computes."""
        return self.models.device

    @property
    def dtype(self) -> torch.dtype:
        """What its networks compute in (``--precision``)."""
        return self.models.dtype

    def text_encoder(self, preferred: str) -> TextEncoder:
        """The text encoder that the part was trained with; before that the one of ``--text-encoder``, else
        ``preferred``.

        Raises:
            ConfigError: ``--text-encoder`` asks for another one than it was trained with.
            UnknownNameError: nobody registered it.
        """
        asked = self.models.encoders.get(self.name) or self.models.encoders.get("")
        trained = self.models.trained_with(f"{self.kind}-{self.name}")
        if asked and trained and asked != trained:
            raise ConfigError(f"--text-encoder {asked}: {self._what} was trained with {trained!r} ({self.file})")
        return self.models.text_encoder(trained or asked or preferred)

    def autoencoder(self, name: str | None = None) -> MotionAutoencoder:
        """The motion autoencoder of a registered kind; None: the folder's own.

        Raises:
            WeightsError: it is not trained yet.
        """
        return self.models.latent_space(name)

    def backbone(self, name: str) -> Backbone:
        """Another backbone, for instance as the teacher of a distillation.

        Raises:
            UnknownNameError, WeightsError: nobody registered it, or it is not trained.
        """
        if self.make_backbone is None:
            raise ConfigError(f"{self._what}: there are no other backbones here")
        return self.make_backbone(name)

    @property
    def _what(self) -> str:
        return f"{self.kind.replace('_', ' ')} {self.name!r}"

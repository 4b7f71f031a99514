"""Models of one dataset: those of a folder, trained or imported, and official files where they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leadbench.core.config import (
    AutoencoderConfig,
    DenoiserConfig,
    LengthConfig,
    ProjectorConfig,
)
from leadbench.core.contracts import MotionAutoencoder, MotionDataset, TextEncoder, TrainableAutoencoder
from leadbench.core.device import CPU, Compute
from leadbench.core.errors import ConfigError, LatentMismatchError, WeightsError
from leadbench.core.tensors import MotionSpec
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.length import LengthNetwork
from leadbench.nn.projector import LeadProjector
from leadbench.text.cache import CachedTextEncoder, LazyEncoder
from leadbench.text.encoder_sources import EncoderSources
from leadbench.text.glove import GloveVectors
from leadbench.zoo.build import STATISTICS, build, card_config, card_entry, fill, motion_spec
from leadbench.zoo.catalog import Catalog
from leadbench.zoo.evaluators import GLOVE, trained_evaluator, trained_tmr, word_vectors
from leadbench.zoo.files import ModelCard, card_path, load_card, load_model
from leadbench.zoo.loaded import (
    LoadedAutoencoder,
    LoadedEvaluator,
    LoadedLength,
    LoadedProjector,
    LoadedTmr,
)
from leadbench.zoo.official_evaluator import is_essential
from leadbench.zoo.official_files import OfficialFiles, OfficialModel, open_checkpoint, open_evaluator, open_glove

EVALUATOR, ESSENTIAL, TMR = "evaluator", "evaluator-essential", "evaluator-tmr"
"""Evaluators on all features of a frame, on the essential ones, and in the manner of TMR."""
_CHECKPOINT = "; or use a published one: --checkpoint mld=FILE, or once: leadbench zoo import FILE"
_OFFICIAL = {
    "autoencoder": _CHECKPOINT,
    "diffusion": _CHECKPOINT,
    "consistency": _CHECKPOINT.replace("mld=", "motionlcm="),
    "evaluator": "; or use the published one: --evaluator FOLDER, or once: leadbench zoo import FOLDER",
}


class ModelStore:
    """Trained models of a folder; each is loaded once.

    Args:
        folder: where ``leadbench train`` wrote.
        text_encoder: makes a text encoder by name, for this store (the plugin manager's).
        official: official files to use where the folder has no model of that kind.
        sources: what is known of text encoders before they are loaded.
        compute: device and precision.

    Attributes:
        compute: device and precision; models are moved there as they are loaded.
        catalog: the folder's models by what their cards say.
        encoders: backbone -> text encoder that was asked for; an empty name speaks to every backbone.
        dataset: that is evaluated or trained on, for what is fitted to it; None: there is none.
        initial: plugins' parts that have initial weights, since nothing of that name was trained.
        spaces: makes a motion autoencoder by name, for this store (the plugin manager's).

    Raises:
        WeightsError: on access, where a file is missing; the message names the command that trains it.
    """

    def __init__(
        self,
        folder: Path,
        text_encoder: Callable[[str, ModelStore], TextEncoder],
        official: OfficialFiles | None = None,
        sources: EncoderSources | None = None,
        compute: Compute = CPU,
    ) -> None:
        self.folder = Path(folder)
        self.files = official or OfficialFiles()
        self.compute = compute
        self.catalog = Catalog(self.folder)
        self.encoders: Mapping[str, str] = {}
        self.dataset: MotionDataset | None = None
        self.initial: set[str] = set()
        self.spaces: Callable[[str, ModelStore], MotionAutoencoder] | None = None
        self._make_encoder, self._sources = text_encoder, sources or EncoderSources()
        self._encoders: dict[str, CachedTextEncoder] = {}
        self._autoencoders: dict[str, LoadedAutoencoder] = {}
        self._official_spaces: dict[str, LoadedAutoencoder] = {}
        self._spaces: dict[str, MotionAutoencoder] = {}
        self._used: dict[str, Path] = {}
        self._notes: dict[str, str] = {}
        self._untrained: set[str] = set()

    def at(self, compute: Compute) -> ModelStore:
        """Another store of the same folder, whose models are elsewhere."""
        made = ModelStore(self.folder, self._make_encoder, self.files, self._sources, compute)
        made.encoders, made.dataset, made.spaces = self.encoders, self.dataset, self.spaces
        return made

    @property
    def dtype(self) -> torch.dtype:
        """What backbones are asked to denoise in."""
        return self.compute.dtype

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return self.compute.device

    @property
    def used(self) -> dict[str, Path]:
        """Name -> file of the models read so far, sorted."""
        return dict(sorted(self._used.items()))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was inferred of the official checkpoints read so far."""
        return tuple(self._notes.values())

    def path(self, name: str) -> Path:
        """File of a model, e.g. ``diffusion-minilm``."""
        return self.folder / f"{name}.safetensors"

    def has(self, name: str) -> bool:
        """Whether the model was trained."""
        return self.path(name).is_file()

    def text_encoder(self, name: str) -> CachedTextEncoder:
        """The encoder with its cache, shared by everybody who asks for that name; where embeddings of it are kept, it
        is loaded only for new captions."""
        if name not in self._encoders:
            file = self.folder / "cache" / f"text-{name}.safetensors"
            kept, make = self._sources.kept(name), partial(self._make_encoder, name, self)
            width = None if kept is None else kept.dim
            encoder = make() if width is None else LazyEncoder(name, width, make)
            # the hub may have been asked only now, so that the identity is known from here on
            kept = kept or self._sources.kept(name)
            self._encoders[name] = CachedTextEncoder(encoder, file, kept, self._sources.identity(name), self.compute)
        return self._encoders[name]

    @property
    def text_encoders(self) -> dict[str, CachedTextEncoder]:
        """Encoders in use so far."""
        return dict(self._encoders)

    def card(self, name: str) -> ModelCard:
        """Card of a model."""
        self._need(name)
        return load_card(self.path(name))

    def autoencoder(self, name: str = "autoencoder") -> LoadedAutoencoder:
        """The folder's motion autoencoder, or another one by name (``motionclip``)."""
        if name not in self._autoencoders:
            tensors, card = self._load(name)
            path = self.path(name)
            motion = motion_spec(tensors, card, path)
            network = build(MotionVAE, card_config(AutoencoderConfig, card, path), tensors, path)
            self._autoencoders[name] = LoadedAutoencoder(network, motion).at(self.compute)
        return self._autoencoders[name]

    def latent_space(self, name: str | None = None) -> MotionAutoencoder:
        """A motion autoencoder by its registered name; None: the folder's own.

        Raises:
            WeightsError: it is not trained yet.
            UnknownNameError: nobody registered it.
        """
        if name is None or self.spaces is None:
            return self.autoencoder()
        if name not in self._spaces:
            made = self.spaces(name, self)
            file = f"autoencoder-{name}"
            if isinstance(made, TrainableAutoencoder) and not self.has(file) and file not in self._untrained:
                raise WeightsError(
                    f"models {self.folder}: autoencoder {name!r} is not trained yet "
                    f"(run: leadbench train autoencoder --autoencoder {name})"
                )
            self._spaces[name] = made
        return self._spaces[name]

    def trained_options(self, name: str, path: Path | None = None) -> Mapping[str, Any]:
        """Options that a plugin's part was trained with; none where it was not, or is about to be trained anew.

        Args:
            path: the part's file, where it is not the folder's of that name.
        """
        if path is not None:
            found = load_card(path).config.get("options") if path.is_file() and card_path(path).is_file() else None
        else:
            found = None if self._begins(name) else self.card(name).config.get("options")
        return found if isinstance(found, Mapping) else {}

    def trained_with(self, name: str) -> str | None:
        """Text encoder that a plugin's part was trained with; None where it was not, or is about to be."""
        return None if self._begins(name) else self.card(name).text_encoder

    def trained_motion(self, name: str) -> MotionSpec | None:
        """Statistics that a plugin's part was trained with, on the device; None where it was not, or is about to be."""
        if self._begins(name):
            return None
        tensors, card = self._load(name)
        return motion_spec(tensors, card, self.path(name)).to(self.device) if STATISTICS[0] in tensors else None

    def begins_anew(self, name: str) -> bool:
        """Whether a training of that name is about to begin."""
        return name in self._untrained

    def _begins(self, name: str) -> bool:
        return name in self._untrained or not self.has(name)

    def official(self, name: str) -> OfficialModel | None:
        """An official backbone: imported into the folder, or read from its checkpoint; None where there is neither.

        Raises:
            WeightsError: a file does not fit.
            ConfigError: a checkpoint is another backbone's.
        """
        if self.has(name):
            model = self._imported(name)
        elif name in self.files.checkpoints:
            model = open_checkpoint(name, self.files)
            self._used[name] = self.files.checkpoints[name]
            self._notes[name] = f"{name}: driven by text encoder {model.text_encoder} ({model.note})"
        else:
            return None
        # one autoencoder inside two checkpoints is one latent space, and is kept once
        shared = self._official_spaces.setdefault(model.autoencoder.fingerprint, model.autoencoder.at(self.compute))
        return replace(model, autoencoder=shared, denoiser=model.denoiser.to(self.device))

    def _imported(self, name: str) -> OfficialModel:
        tensors, card = self._load(name)
        path = self.path(name)
        motion = motion_spec(tensors, card, path)

        def part(prefix: str) -> dict[str, Tensor]:
            return {key.removeprefix(prefix): tensors[key] for key in tensors if key.startswith(prefix)}

        space = card_config(AutoencoderConfig, card, path, "autoencoder")
        autoencoder = build(MotionVAE, space, part("autoencoder."), path)
        denoiser = build(Denoiser, card_config(DenoiserConfig, card, path, "denoiser"), part("denoiser."), path)
        encoder = card_entry(card, path, "links", "text_encoder")
        return OfficialModel(LoadedAutoencoder(autoencoder, motion), denoiser, encoder)

    def denoiser(self, name: str) -> tuple[Denoiser, ModelCard]:
        """A denoiser of this folder's latent space, e.g. ``diffusion-minilm``.

        Raises:
            LatentMismatchError: it was trained on another autoencoder.
        """
        tensors, card = self._load(name)
        self._check_latent(name, card)
        path = self.path(name)
        network = build(Denoiser, card_config(DenoiserConfig, card, path), tensors, path)
        return network.eval().requires_grad_(False).to(self.device), card

    def chosen_denoiser(self, stage: str, backbone: str, preferred: str) -> tuple[Denoiser, ModelCard]:
        """The denoiser that a backbone samples from: ``--text-encoder`` first, then the preferred encoder, then the
        only one there is.

        Args:
            stage: ``diffusion`` or ``consistency``.
            backbone: registered name, to which ``--text-encoder`` may speak.
            preferred: text encoder that the presets train this stage with.

        Raises:
            WeightsError: there is none, or several and nothing chooses.
            LatentMismatchError: it was trained on another autoencoder.
        """
        asked = self.encoders.get(backbone) or self.encoders.get("")
        if asked is not None:
            return self.denoiser(self.catalog.of_encoder(stage, asked).name)
        found = self.catalog.preferred(stage, preferred)
        return self.denoiser(f"{stage}-{preferred}" if found is None else found.name)

    @contextmanager
    def untrained(self, name: str) -> Iterator[None]:
        """While inside, :meth:`load_into` leaves this name's network as it is: a training begins at the start."""
        self._untrained.add(name)
        try:
            yield
        finally:
            self._untrained.discard(name)

    def load_into(self, name: str, network: nn.Module) -> bool:
        """Load the weights of ``name`` into a network of a plugin's own, in eval mode; False if there are none yet.

        Raises:
            WeightsError: they do not fit the network.
        """
        network.eval().requires_grad_(False).to(self.device)
        if self._begins(name):
            self.initial |= {name} - self._untrained
            return False
        tensors, _ = self._load(name)
        fill(network, {key: held for key, held in tensors.items() if key not in STATISTICS}, self.path(name))
        return True

    def evaluator(self, name: str = EVALUATOR) -> LoadedEvaluator:
        """The folder's evaluator, trained or imported; else the official one from its own files."""
        files = self.files.evaluator
        if files is not None and not self.has(name):
            essential = is_essential(files)
            if name == EVALUATOR and essential:
                raise ConfigError(f"evaluator {files}: reads essential features; give --evaluator guo-essential")
            if name == (ESSENTIAL if essential else EVALUATOR):
                evaluator, self._used[name] = open_evaluator(self.files, self._glove)
                return evaluator.at(self.compute)
        evaluator = trained_evaluator(*self._load(name), self.path(name), self._glove)
        evaluator.official &= name == EVALUATOR
        return evaluator.at(self.compute)

    def length(self, name: str) -> LoadedLength:
        """A predictor of lengths, with the text encoder that it reads captions by."""
        network, card = self.check_length(name)
        encoder = self.text_encoder(card_entry(card, self.path(name), "links", "text_encoder"))
        return LoadedLength(name, network, encoder).at(self.compute)

    def check_length(self, name: str) -> tuple[LengthNetwork, ModelCard]:
        """Its network and card."""
        tensors, card = self._load(name)
        path = self.path(name)
        return build(LengthNetwork, card_config(LengthConfig, card, path), tensors, path), card

    def tmr(self) -> LoadedTmr:
        """The folder's evaluator in the manner of TMR."""
        return trained_tmr(*self._load(TMR), self.path(TMR), self.text_encoder).at(self.compute)

    def _glove(self) -> GloveVectors:
        """Vectors imported into the folder, else those of the official files."""
        if not self.has(GLOVE):
            return open_glove(self.files)
        return word_vectors(*self._load(GLOVE), self.path(GLOVE))

    def projector(self, name: str = "projector") -> LoadedProjector:
        """A LEAD projector of the folder; whether it fits the latent space is checked where it is attached."""
        self._need(name)
        self.note_use(name, self.path(name))
        return load_projector(self.path(name)).at(self.compute)

    def note_use(self, name: str, path: Path) -> None:
        """Say that a file was read, for the provenance of a run."""
        self._used[name] = path

    def check_space(self, name: str, space: MotionAutoencoder) -> None:
        """That a plugin's part, if it is trained, was trained in a latent space.

        Raises:
            LatentMismatchError: it was trained in another one.
        """
        if not self._begins(name):
            self._check_latent(name, self.card(name), space)

    def _check_latent(self, name: str, card: ModelCard, space: MotionAutoencoder | None = None) -> None:
        mine = (space or self.autoencoder()).fingerprint
        if card.links.get("latent") != mine:
            raise LatentMismatchError(
                f"{self.path(name)}: trained on latent space {card.links.get('latent', 'unknown')[:12]}, the "
                f"autoencoder here has {mine[:12]}; train it again on this autoencoder"
            )

    def _load(self, name: str) -> tuple[dict[str, Tensor], ModelCard]:
        self._need(name)
        self._used[name] = self.path(name)
        return load_model(self.path(name))

    def _need(self, name: str) -> None:
        if not self.has(name):
            stage = name.partition("-")[0]
            official = _OFFICIAL.get(stage, "") if self.files.dataset in ("humanml3d", "kit") else ""
            raise WeightsError(
                f"models {self.folder}: {name!r} is not trained yet (run: leadbench train {_arguments(name)}{official})"
            )


def _arguments(name: str) -> str:
    """What trains a model of that name.

    >>> _arguments("consistency-wordllama"), _arguments("backbone-mine"), _arguments("autoencoder")
    ('consistency --text-encoder wordllama', 'diffusion --backbone mine', 'autoencoder')
    """
    stage, _, which = name.partition("-")
    options = {"diffusion": "--text-encoder", "consistency": "--text-encoder", "autoencoder": "--autoencoder"}
    if stage == "backbone":
        return f"diffusion --backbone {which}"
    return f"{stage} {options[stage]} {which}" if which and stage in options else stage


def load_projector(path: Path) -> LoadedProjector:
    """A projector from its file.

    Raises:
        WeightsError: the file is missing or does not fit its card.
    """
    tensors, card = load_model(path)
    network = build(LeadProjector, card_config(ProjectorConfig, card, path), tensors, path)
    latent, encoder = (card_entry(card, path, "links", key) for key in ("latent", "text_encoder"))
    return LoadedProjector(network, latent, encoder)


def with_statistics(tensors: dict[str, Tensor], motion: MotionSpec) -> dict[str, Tensor]:
    """Tensors of a network together with the statistics that it was trained with."""
    return {**tensors, STATISTICS[0]: motion.mean, STATISTICS[1]: motion.std}

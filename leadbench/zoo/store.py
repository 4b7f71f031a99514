"""A folder of trained models, and the objects that keep the contracts with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from leadbench.config import AutoencoderConfig, DenoiserConfig, EvaluatorStage, ProjectorConfig
from leadbench.contracts import TextEncoder
from leadbench.errors import LatentMismatchError, WeightsError
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.evaluator import EvaluatorNetworks
from leadbench.nn.projector import LeadProjector
from leadbench.provenance import fingerprint
from leadbench.tensors import Latent, LatentSpec, MotionBatch, MotionSpec, Projection, TextSample
from leadbench.text.cache import CachedTextEncoder
from leadbench.text.word_vectors import WORD_VECTORS, vectorize
from leadbench.zoo.files import ModelCard, load_card, load_model

_STATISTICS = ("statistics.mean", "statistics.std")


class LoadedAutoencoder:
    """A :class:`MotionVAE` with the statistics that it was trained with; keeps ``MotionAutoencoder``."""

    def __init__(self, network: MotionVAE, motion: MotionSpec) -> None:
        self.network = network.eval().requires_grad_(False)
        config = network.config
        standardized = bool((network.latent_scale != 1).any() or (network.latent_shift != 0).any())
        self.latent = LatentSpec(config.latent_tokens, config.latent_width, standardized)
        self.motion = motion
        self.fingerprint = latent_fingerprint(network, motion)

    def encode(self, motion: MotionBatch) -> Normal:
        """Posterior of motions normalised by ``self.motion``."""
        return self.network.encode(motion.features, motion.mask)

    def decode(self, latent: Latent, mask: Tensor) -> MotionBatch:
        """Normalised motions of the lengths in ``mask`` [B, F]."""
        return MotionBatch(self.network.decode(latent.values, mask), mask, self.motion)


class LoadedProjector:
    """A :class:`LeadProjector` with the space that it was aligned to; keeps ``Projector``."""

    def __init__(self, network: LeadProjector, latent_fingerprint: str, text_encoder: str) -> None:
        self.network = network.eval().requires_grad_(False)
        self.latent_fingerprint = latent_fingerprint
        self.text_encoder = text_encoder

    def project(self, latent: Latent) -> Projection:
        """Code tokens [B, K, C] and their mean [B, C]."""
        tokens = self.network.project(latent.values)
        return Projection(tokens.mean(dim=1), tokens)

    def reproject(self, projection: Projection) -> Latent:
        """Latents [B, N, M] of codes."""
        return Latent.full(self.network.reproject(projection.tokens))


class LoadedEvaluator:
    """:class:`EvaluatorNetworks` with statistics and word vectors; keeps ``Evaluator``."""

    def __init__(self, name: str, network: EvaluatorNetworks, motion: MotionSpec, stage: EvaluatorStage) -> None:
        self.name = name
        self.network = network.eval().requires_grad_(False)
        self.motion = motion
        self.dim = stage.architecture.embedding
        self._words = WORD_VECTORS[stage.word_vectors]()
        self._max_tokens = stage.max_tokens
        self.identity = fingerprint(
            dict(network.state_dict()),
            {"motion": motion.digest, "words": self._words.identity, "tokens": stage.max_tokens},
        )

    @torch.no_grad()
    def embed_text(self, samples: Sequence[TextSample]) -> Tensor:
        """Text embeddings [B, E]."""
        words = vectorize(samples, self._words, max_tokens=self._max_tokens)
        embeddings: Tensor = self.network.text(words.vectors, words.pos, words.lengths)
        return embeddings

    @torch.no_grad()
    def embed_motion(self, motion: MotionBatch) -> Tensor:
        """Motion embeddings [B, E] of a batch normalised by ``self.motion``."""
        embeddings: Tensor = self.network.motion(motion.features, motion.lengths)
        return embeddings


def latent_fingerprint(network: MotionVAE, motion: MotionSpec) -> str:
    """Identity of a latent space: the autoencoder's tensors, its statistics and latent shape (DESIGN, section 3)."""
    config = network.config
    return fingerprint(
        dict(network.state_dict()),
        {"motion": motion.digest, "tokens": config.latent_tokens, "width": config.latent_width},
    )


class ModelStore:
    """Trained models of a folder; each is loaded once.

    Args:
        folder: where ``leadbench train`` wrote.
        text_encoder: gives a text encoder by name (the plugin manager's).

    Raises:
        WeightsError: on access, where a file is missing; the message names the command that trains it.
    """

    def __init__(self, folder: Path, text_encoder: Callable[[str], TextEncoder]) -> None:
        self.folder = Path(folder)
        self._make_encoder = text_encoder
        self._encoders: dict[str, CachedTextEncoder] = {}
        self._autoencoder: LoadedAutoencoder | None = None
        self._loaded: set[str] = set()

    @property
    def loaded(self) -> tuple[str, ...]:
        """Names of the models read so far, sorted."""
        return tuple(sorted(self._loaded))

    def path(self, name: str) -> Path:
        """File of a model, e.g. ``diffusion-minilm``."""
        return self.folder / f"{name}.safetensors"

    def has(self, name: str) -> bool:
        """Whether the model was trained."""
        return self.path(name).is_file()

    def text_encoder(self, name: str) -> CachedTextEncoder:
        """The encoder with its cache, shared by everybody who asks for that name."""
        if name not in self._encoders:
            self._encoders[name] = CachedTextEncoder(
                self._make_encoder(name), self.folder / "cache" / f"text-{name}.safetensors"
            )
        return self._encoders[name]

    @property
    def text_encoders(self) -> dict[str, CachedTextEncoder]:
        """Encoders in use so far."""
        return dict(self._encoders)

    def card(self, name: str) -> ModelCard:
        """Card of a model."""
        self._need(name)
        return load_card(self.path(name))

    def autoencoder(self) -> LoadedAutoencoder:
        """The folder's motion autoencoder."""
        if self._autoencoder is None:
            tensors, card = self._load("autoencoder")
            motion = _motion_spec(tensors, card)
            network = MotionVAE(AutoencoderConfig.model_validate(card.config["architecture"]))
            _fill(network, tensors, self.path("autoencoder"))
            self._autoencoder = LoadedAutoencoder(network, motion)
        return self._autoencoder

    def denoiser(self, name: str) -> tuple[Denoiser, ModelCard]:
        """A denoiser of this folder's latent space, e.g. ``diffusion-minilm``.

        Raises:
            LatentMismatchError: it was trained on another autoencoder.
        """
        tensors, card = self._load(name)
        self._check_latent(name, card)
        network = Denoiser(DenoiserConfig.model_validate(card.config["architecture"]))
        _fill(network, tensors, self.path(name))
        return network.eval().requires_grad_(False), card

    def load_into(self, name: str, network: nn.Module) -> bool:
        """Load the weights of ``name`` into a network of a plugin's own, in eval mode; False if there are none yet.

        Raises:
            LatentMismatchError: they were trained on another autoencoder.
            WeightsError: they do not fit the network.
        """
        network.eval().requires_grad_(False)
        if not self.has(name):
            return False
        tensors, card = self._load(name)
        self._check_latent(name, card)
        _fill(network, tensors, self.path(name))
        return True

    def evaluator(self, name: str = "evaluator") -> LoadedEvaluator:
        """The folder's evaluator."""
        tensors, card = self._load(name)
        stage = EvaluatorStage.model_validate(card.config)
        motion = _motion_spec(tensors, card)
        network = EvaluatorNetworks(stage.architecture)
        _fill(network, tensors, self.path(name))
        return LoadedEvaluator(card.links["name"], network, motion, stage)

    def projector(self, name: str = "projector") -> LoadedProjector:
        """A projector of the folder; whether it fits the latent space is checked where it is attached."""
        self._need(name)
        self._loaded.add(name)
        return load_projector(self.path(name))

    def _check_latent(self, name: str, card: ModelCard) -> None:
        mine = self.autoencoder().fingerprint
        if card.links.get("latent") != mine:
            raise LatentMismatchError(
                f"{self.path(name)}: trained on latent space {card.links.get('latent', 'unknown')[:12]}, the "
                f"autoencoder here has {mine[:12]}; train it again on this autoencoder"
            )

    def _load(self, name: str) -> tuple[dict[str, Tensor], ModelCard]:
        self._need(name)
        self._loaded.add(name)
        return load_model(self.path(name))

    def _need(self, name: str) -> None:
        if not self.has(name):
            stage = name.partition("-")[0]
            raise WeightsError(f"models {self.folder}: {name!r} is not trained yet (run: leadbench train {stage})")


def load_projector(path: Path) -> LoadedProjector:
    """A projector from its file.

    Raises:
        WeightsError: the file is missing or does not fit its card.
    """
    tensors, card = load_model(path)
    network = LeadProjector(ProjectorConfig.model_validate(card.config["architecture"]))
    _fill(network, tensors, path)
    return LoadedProjector(network, card.links["latent"], card.links["text_encoder"])


def with_statistics(tensors: dict[str, Tensor], motion: MotionSpec) -> dict[str, Tensor]:
    """Tensors of a network together with the statistics that it was trained with."""
    return {**tensors, _STATISTICS[0]: motion.mean, _STATISTICS[1]: motion.std}


def _motion_spec(tensors: dict[str, Tensor], card: ModelCard) -> MotionSpec:
    mean, std = (tensors.pop(key) for key in _STATISTICS)
    return MotionSpec(card.links["skeleton"], float(card.links["fps"]), mean, std)


def _fill(network: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    try:
        network.load_state_dict(tensors)
    except RuntimeError as exc:
        raise WeightsError(f"{path}: weights do not fit their card: {' '.join(str(exc).split())[:300]}") from exc

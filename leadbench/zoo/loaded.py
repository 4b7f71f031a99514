"""Networks with what makes them usable: statistics, names of spaces, word vectors; each implements a contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor
from torch.distributions import Normal

from leadbench.core.config import AutoencoderConfig
from leadbench.core.contracts import TextEncoder
from leadbench.core.device import CPU, Compute
from leadbench.core.provenance import fingerprint
from leadbench.core.tensors import Latent, LatentSpec, MotionBatch, MotionSpec, Projection, TextSample, host_lengths
from leadbench.data.humanml3d import FRAME_STEP
from leadbench.engine.decode import decoder_for
from leadbench.engine.embed import embed_in_buckets
from leadbench.engine.project import projector_for
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.evaluator import EvaluatorNetworks
from leadbench.nn.length import LengthNetwork, median_units
from leadbench.nn.projector import LeadProjector
from leadbench.nn.tmr import TmrNetworks
from leadbench.text.word_vectors import MAX_TOKENS, WordTable, WordVectors


class LoadedAutoencoder:
    """A :class:`MotionVAE` with the statistics that it was trained with; implements ``MotionAutoencoder``."""

    concurrent = True

    def __init__(self, network: MotionVAE, motion: MotionSpec) -> None:
        self.network = network.eval().requires_grad_(False)
        config = network.config
        standardized = bool((network.latent_scale != 1).any() or (network.latent_shift != 0).any())
        self.latent = LatentSpec(config.latent_tokens, config.latent_width, standardized)
        self.motion = motion
        self.fingerprint = latent_fingerprint(network, motion)
        self._compute = CPU

    def at(self, compute: Compute) -> Self:
        """The same, moved to a device and computing in its precision."""
        self.network.to(compute.device)
        self.motion, self._compute = self.motion.to(compute.device), compute
        return self

    def encode(self, motion: MotionBatch) -> Normal:
        """Posterior of motions normalised by ``self.motion``, in float32."""
        return self.network.encode(motion.features, motion.mask)

    def decode(self, latent: Latent, mask: Tensor) -> MotionBatch:
        """Normalised motions of the lengths in ``mask`` [B, F]."""
        engine = decoder_for(self.network, latent.values, mask, self._compute.dtype)
        if engine is not None:
            with self._compute.networks():
                return MotionBatch(engine.decode(latent.values, mask), mask, self.motion)
        with self._compute.autocast():
            return MotionBatch(self.network.decode(latent.values, mask), mask, self.motion)


class LoadedProjector:
    """A :class:`LeadProjector` with the space that it was aligned to; implements ``Projector``."""

    def __init__(self, network: LeadProjector, latent_fingerprint: str, text_encoder: str) -> None:
        self.network = network.eval().requires_grad_(False)
        self.latent_fingerprint = latent_fingerprint
        self.text_encoder = text_encoder
        self._compute = CPU

    def at(self, compute: Compute) -> Self:
        """The same, moved to a device and computing in its precision."""
        self.network.to(compute.device)
        self._compute = compute
        return self

    def project(self, latent: Latent) -> Projection:
        """Code tokens [B, K, C] and their mean [B, C]."""
        engine = projector_for(self.network, latent.values, self.network.config.latent_width, self._compute.dtype)
        with self._compute.networks() if engine else self._compute.autocast():
            tokens = (engine or self.network).project(latent.values).to(latent.values.dtype)
        return Projection(tokens.mean(dim=1), tokens)

    def reproject(self, projection: Projection) -> Latent:
        """Latents [B, N, M] of codes."""
        given = projection.tokens
        engine = projector_for(self.network, given, self.network.config.text_width, self._compute.dtype)
        with self._compute.networks() if engine else self._compute.autocast():
            return Latent.full((engine or self.network).reproject(given).to(given.dtype))


@dataclass(frozen=True)
class TextPipeline:
    """How captions reach an evaluator: word vectors, words whose tag is overridden, tokens kept of a caption."""

    words: WordVectors
    max_tokens: int = MAX_TOKENS
    special_words: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> dict[str, object]:
        """What an evaluator's identity depends on."""
        special = {"special": sorted(self.special_words.items())} if self.special_words else {}
        return {"words": self.words.identity, "tokens": self.max_tokens, **special}


class LoadedEvaluator:
    """:class:`EvaluatorNetworks` with statistics and word vectors; implements ``Evaluator``.

    The networks see the first ``network.config.features`` features of a frame: all, or the essential ones.

    ``official`` tells that it is the published one. ``real_row`` holds metrics that real motions reached when the
    evaluator was trained, and ``dataset`` the identity of their dataset; both are empty where nothing is known.
    """

    concurrent = True

    def __init__(self, name: str, network: EvaluatorNetworks, motion: MotionSpec, text: TextPipeline) -> None:
        self.name = name
        self.network = network.eval().requires_grad_(False)
        self.motion = motion
        self.dim = network.config.embedding
        self.text = text
        self.official = False
        self.real_row: Mapping[str, float] = {}
        self.dataset = ""
        self._words: WordTable | None = None
        self.identity = fingerprint(dict(network.state_dict()), {"motion": motion.digest, **text.identity})

    def at(self, compute: Compute) -> Self:
        """The same, moved to a device; evaluators compute in float32 whatever the precision."""
        self.network.to(compute.device)
        self.motion, self._words = self.motion.to(compute.device), None
        return self

    @torch.no_grad()
    def embed_text(self, samples: Sequence[TextSample]) -> Tensor:
        """Text embeddings [B, E]."""
        if self._words is None:
            self._words = WordTable(self.text.words, self.motion.mean.device)
        words = self._words.batch(samples, self.text.special_words, self.text.max_tokens)
        embeddings: Tensor = self.network.text(words.vectors, words.pos, words.lengths)
        return embeddings

    @torch.no_grad()
    def embed_motion(self, motion: MotionBatch) -> Tensor:
        """Motion embeddings [B, E] of a batch normalised by ``self.motion``."""
        seen = motion.features[..., : self.network.config.features]
        return embed_in_buckets(self.network.motion, seen, torch.tensor(host_lengths(motion.mask)))


class LoadedTmr:
    """:class:`TmrNetworks` with statistics and the frozen encoder that reads its captions; implements ``Evaluator``."""

    concurrent = True

    def __init__(self, name: str, network: TmrNetworks, motion: MotionSpec, encoder: TextEncoder) -> None:
        self.name = name
        self.network = network.eval().requires_grad_(False)
        self.motion = motion
        self.dim = network.config.embedding
        self.real_row: Mapping[str, float] = {}
        self.dataset = ""
        self._encoder = encoder
        # a few digits of an embedding tell one set of the encoder's weights from another, on every machine
        probe = [round(value, 3) for value in encoder.encode(["a person walks"]).tokens.flatten()[:16].cpu().tolist()]
        extra = {"motion": motion.digest, "encoder": encoder.name, "probe": probe}
        self.identity = fingerprint(dict(network.state_dict()), extra)

    def at(self, compute: Compute) -> Self:
        """The same, moved to a device; evaluators compute in float32 whatever the precision."""
        self.network.to(compute.device)
        self.motion = self.motion.to(compute.device)
        return self

    @torch.no_grad()
    def embed_text(self, samples: Sequence[TextSample]) -> Tensor:
        """Text embeddings [B, E] of the captions as they are."""
        condition = self._encoder.encode([sample.caption for sample in samples]).to(self.motion.mean.device)
        return self.network.text(condition.tokens, condition.mask)

    @torch.no_grad()
    def embed_motion(self, motion: MotionBatch) -> Tensor:
        """Motion embeddings [B, E] of a batch normalised by ``self.motion``."""
        return self.network.motion(motion.features, motion.mask)


class LoadedLength:
    """:class:`LengthNetwork` with the frozen encoder that reads its captions.

    Attributes:
        name: of its file.
    """

    def __init__(self, name: str, network: LengthNetwork, encoder: TextEncoder) -> None:
        self.name = name
        self._network = network.eval().requires_grad_(False)
        self._encoder = encoder
        self._place = torch.device("cpu")

    def at(self, compute: Compute) -> Self:
        """The same, moved to a device."""
        self._network.to(compute.device)
        self._place = compute.device
        return self

    @torch.no_grad()
    def frames(self, captions: Sequence[str]) -> list[int]:
        """Median lengths of motions of captions, in frames: multiples of 4."""
        pooled = self._encoder.encode(captions).to(self._place).pooled()
        return [FRAME_STEP * units for units in median_units(self._network(pooled)).cpu().tolist()]


def latent_fingerprint(network: MotionVAE, motion: MotionSpec) -> str:
    """Identity of a latent space: the autoencoder's tensors, its statistics and latent shape."""
    return space_fingerprint(network.state_dict(), network.config, motion)


def space_fingerprint(state: Mapping[str, Tensor], config: AutoencoderConfig, motion: MotionSpec) -> str:
    """The same from the state of an autoencoder that was not built."""
    extra = {"motion": motion.digest, "tokens": config.latent_tokens, "width": config.latent_width}
    return fingerprint(state, extra)

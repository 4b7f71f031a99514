"""Motion textual inversion (paper, section 4.2): the word vector that best explains a motion, everything else frozen.

One pseudo-word is learnt for each motion. Many are learnt at once in one batch: each has a gradient and optimiser state
of its own, so the result is that of learning them one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from leadbench.config import InversionConfig
from leadbench.contracts import DenoisingBackbone, InvertibleTextEncoder, Projector, TextEncoder
from leadbench.data.humanml3d import UNIT, collate
from leadbench.errors import ConfigError
from leadbench.random import stream
from leadbench.tensors import Condition, Latent, MotionSample
from leadbench.text.cache import CachedTextEncoder

PLACEHOLDER = "*"
TEMPLATES = (
    "a person <*>.",
    "someone <*>.",
    "the man <*>.",
    "a woman <*>.",
    "a figure <*>.",
    "he <*>.",
    "she <*>.",
    "a robot <*>.",
)
"""Sentences around a pseudo-word, after the paper's examples."""


@dataclass(frozen=True)
class Exemplar:
    """A motion to invert, with the coarse word that its pseudo-word starts from."""

    sample: MotionSample
    word: str


def coarse_word(sample: MotionSample, default: str = "moves") -> str:
    """The first verb of a motion's captions, by their tags.

    >>> from leadbench.tensors import TextSample
    >>> text = TextSample("a man walks", ("a/DET", "man/NOUN", "walk/VERB"))
    >>> coarse_word(MotionSample("x", torch.zeros(4, 3), (text,)))
    'walk'
    """
    tags = (token.rpartition("/") for caption in sample.captions for token in caption.tokens)
    return next((word for word, _, tag in tags if tag == "VERB"), default)


def invertible(encoder: TextEncoder) -> InvertibleTextEncoder:
    """The encoder itself, if it can embed pseudo-words.

    Raises:
        ConfigError: it cannot.
    """
    bare = encoder.wrapped if isinstance(encoder, CachedTextEncoder) else encoder
    if not isinstance(bare, InvertibleTextEncoder):
        raise ConfigError(f"text encoder {encoder.name!r}: cannot be inverted (word_embedding, encode_with are needed)")
    return bare


def initial_vectors(encoder: TextEncoder, exemplars: Sequence[Exemplar]) -> Tensor:
    """Word vectors [n, T] of the exemplars' coarse words."""
    bare = invertible(encoder)
    return torch.stack([bare.word_embedding(exemplar.word) for exemplar in exemplars])


def embed_words(encoder: TextEncoder, templates: Sequence[str], vectors: Tensor) -> Condition:
    """Condition [n, L, C] of one template for each pseudo-word [n, T]; differentiable in the vectors."""
    return invertible(encoder).encode_with(templates, {PLACEHOLDER: vectors})


class Inverter:
    """Learns pseudo-words for a backbone.

    Args:
        backbone: frozen; its text encoder must be invertible.
        config: loss, steps, segments, learning rate, seed.
        projector: of the loss ``lead``; frozen.

    Raises:
        ConfigError: the loss needs a projector and there is none, or the encoder cannot be inverted.
    """

    def __init__(
        self, backbone: DenoisingBackbone, config: InversionConfig, projector: Projector | None = None
    ) -> None:
        if config.loss == "lead" and projector is None:
            raise ConfigError("loss 'lead': needs a projector of this latent space")
        self._backbone, self._config, self._projector = backbone, config, projector
        self._encoder = backbone.text_encoder
        invertible(self._encoder)

    def learn(
        self,
        exemplars: Sequence[Exemplar],
        start: Tensor | None = None,
        report: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """Pseudo-words [n, T] of the exemplars, from ``start`` or from their coarse words."""
        config = self._config
        first = initial_vectors(self._encoder, exemplars) if start is None else start
        vectors = first.detach().clone().requires_grad_(True)
        # word vectors differ in scale between encoders: a step is a share of their entries' root mean square
        rate = config.learning_rate * float(first.square().mean().sqrt())
        optimizer = torch.optim.Adam([vectors], lr=rate)
        for step in range(config.steps):
            optimizer.zero_grad()
            self.loss(vectors, exemplars, step).backward()
            optimizer.step()
            if report is not None:
                report(step + 1, config.steps)
        return vectors.detach()

    def loss(self, vectors: Tensor, exemplars: Sequence[Exemplar], step: int) -> Tensor:
        """Sum over pseudo-words [n, T] of each one's loss at a step; terms of two pseudo-words never mix."""
        config, backbone = self._config, self._backbone
        spec = backbone.autoencoder.latent
        rng = [stream(config.seed, f"mti-{config.loss}", step, item.sample.id) for item in exemplars]
        templates = [TEMPLATES[int(r.integers(len(TEMPLATES)))] for r in rng]
        pairs = [(item, r) for item, r in zip(exemplars, rng, strict=True) for _ in range(config.segments)]
        clips = [_segment(item.sample, r, config) for item, r in pairs]
        timestep = torch.tensor([int(r.integers(backbone.timesteps)) for _, r in pairs])
        shape = (config.segments, spec.tokens, spec.width)
        drawn = np.stack([r.standard_normal((2, *shape), dtype=np.float32) for r in rng])
        noises = torch.from_numpy(drawn).to(vectors.dtype)
        posterior_noise, noise = noises[:, 0].flatten(0, 1), noises[:, 1].flatten(0, 1)
        motion = collate(clips).normalize(backbone.autoencoder.motion)
        with torch.no_grad():
            posterior = backbone.autoencoder.encode(motion)
            clean = (posterior.loc + posterior.scale * posterior_noise).to(vectors.dtype)
        noisy = backbone.add_noise(clean, noise, timestep)
        condition = _repeat(embed_words(self._encoder, templates, vectors), config.segments)
        predicted = backbone.predict(noisy, timestep, condition)
        if config.loss == "mld":
            error = (noise - predicted.noise).square()
        elif config.loss == "lead":
            assert self._projector is not None
            with torch.no_grad():
                target = self._projector.project(Latent.full(clean)).tokens
            error = (target - self._projector.project(Latent.full(predicted.clean)).tokens).square()
        else:
            with torch.no_grad():
                real = backbone.autoencoder.decode(Latent.full(clean), motion.mask).features
            error = (real - backbone.autoencoder.decode(Latent.full(predicted.clean), motion.mask).features).square()
            error = error * motion.mask[..., None] / motion.lengths[:, None, None]
        return error.sum() / config.segments


def _segment(sample: MotionSample, rng: np.random.Generator, config: InversionConfig) -> Tensor:
    """A random crop of 40 to 64 frames (a multiple of 4), or as much as there is."""
    most = min(config.longest, sample.frames // UNIT * UNIT)
    least = min(config.shortest, most)
    length = int(rng.integers(least // UNIT, most // UNIT + 1)) * UNIT
    start = int(rng.integers(sample.frames - length + 1))
    return sample.features[start : start + length]


def _repeat(condition: Condition, times: int) -> Condition:
    """Each row ``times`` times, one after the other."""
    tokens, mask = (part.repeat_interleave(times, dim=0) for part in (condition.tokens, condition.mask))
    return Condition(tokens, mask, condition.encoder)

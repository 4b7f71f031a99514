"""Motion textual inversion (paper, section 4.2): the word vector that best explains a motion, everything else frozen.

One pseudo-word is learnt for each motion. Many are learnt at once in one batch: each has a gradient and optimiser state
of its own, so the result is that of learning them one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from leadbench.core.config import InversionConfig
from leadbench.core.contracts import DenoisingBackbone, InvertibleTextEncoder, Projector, TextEncoder
from leadbench.core.device import indices, place_of, sent
from leadbench.core.errors import ConfigError
from leadbench.core.random import stream
from leadbench.core.tensors import Condition, Latent, MotionBatch, MotionSample, TextSample
from leadbench.data.frames import SamplePool, drawn_batch
from leadbench.data.humanml3d import FRAME_STEP, DrawnSample
from leadbench.generation.pipeline import realign
from leadbench.text.cache import CachedTextEncoder

PLACEHOLDER = "*"
NO_CAPTION = TextSample("", ())
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
    """What one pseudo-word is learnt from: motions (usually one), and the coarse word that it starts from."""

    samples: tuple[MotionSample, ...]
    word: str

    @property
    def id(self) -> str:
        """Ids of its motions: what its random numbers are keyed by."""
        return "+".join(sample.id for sample in self.samples)


def coarse_word(sample: MotionSample, default: str = "moves") -> str:
    """The first verb of a motion's captions, by their tags.

    >>> from leadbench.core.tensors import TextSample
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
    """Word vectors [n, T] of the exemplars' coarse words.

    Raises:
        ConfigError: a word is empty, or the encoder has no vector for it.
    """
    bare = invertible(encoder)
    vectors: list[Tensor] = []
    for exemplar in exemplars:
        if not exemplar.word.strip():
            raise ConfigError(f"initial word {exemplar.word!r}: text encoder {bare.name!r} has no vector for it")
        vectors.append(bare.word_embedding(exemplar.word))
    stacked = torch.stack(vectors)
    for exemplar, known in zip(exemplars, stacked.any(dim=1).cpu().tolist(), strict=True):
        if not known:
            raise ConfigError(f"initial word {exemplar.word!r}: text encoder {bare.name!r} has no vector for it")
    return stacked


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
        LatentMismatchError: the projector belongs to another latent space.
    """

    def __init__(
        self, backbone: DenoisingBackbone, config: InversionConfig, projector: Projector | None = None
    ) -> None:
        if config.loss == "lead" and projector is None:
            raise ConfigError("loss 'lead': needs a projector of this latent space (leadbench train projector)")
        if projector is not None:
            realign(projector, backbone.autoencoder)  # raises where they do not belong together
        self._backbone, self._config, self._projector = backbone, config, projector
        self._encoder = backbone.text_encoder
        self._pool: SamplePool | None = None
        invertible(self._encoder)

    def learn(
        self,
        exemplars: Sequence[Exemplar],
        start: Tensor | None = None,
        report: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """Pseudo-words [n, T] of the exemplars, from ``start`` [n, T] or from their coarse words.

        Words are learnt ``config.batch`` at a time; which ones meet in a batch changes none of them.
        """
        config = self._config
        first = initial_vectors(self._encoder, exemplars) if start is None else start
        clips = {sample.id: sample for exemplar in exemplars for sample in exemplar.samples}
        self._pool = SamplePool(list(clips.values()), place_of(self._backbone.autoencoder))
        cuts = range(0, len(exemplars), config.batch)
        learnt = []
        for number, cut in enumerate(cuts):
            rows = slice(cut, cut + config.batch)

            def tell(step: int, done: int = number * config.steps) -> None:
                if report is not None:
                    report(done + step, len(cuts) * config.steps)

            learnt.append(self._learn_batch(exemplars[rows], first[rows], tell))
        return torch.cat(learnt)

    def _learn_batch(self, exemplars: Sequence[Exemplar], first: Tensor, tell: Callable[[int], None]) -> Tensor:
        first = first.detach()
        # word vectors differ in scale between encoders and words: a step is a share of the root mean square of the
        # entries of each word, by itself, so that no word knows its neighbours
        scale = first.square().mean(dim=1, keepdim=True).sqrt()
        moved = torch.zeros_like(first, requires_grad=True)
        optimizer = torch.optim.Adam([moved], lr=self._config.learning_rate)
        for step in range(self._config.steps):
            loss = self.loss(first + scale * moved, exemplars, step)
            (moved.grad,) = torch.autograd.grad(loss, [moved])
            optimizer.step()
            tell(step + 1)
        return (first + scale * moved).detach()

    def loss(self, vectors: Tensor, exemplars: Sequence[Exemplar], step: int) -> Tensor:
        """Sum over pseudo-words [n, T] of each one's loss at a step; terms of two pseudo-words never mix."""
        drawn = self._draw(exemplars, step, vectors.dtype)
        backbone, projector = self._backbone, self._projector
        noisy = backbone.add_noise(drawn.clean, drawn.noise, drawn.timestep)
        condition = _repeat(embed_words(self._encoder, drawn.templates, vectors), self._config.segments)
        predicted = backbone.predict(noisy, drawn.timestep, condition)
        if self._config.loss == "mld":
            error = (drawn.noise - predicted.noise).square()
        elif self._config.loss == "lead":
            assert projector is not None
            with torch.no_grad():
                target = projector.project(Latent.full(drawn.clean)).tokens
            error = (target - projector.project(Latent.full(predicted.clean)).tokens).square()
        else:
            mask = drawn.motion.mask
            with torch.no_grad():
                real = backbone.autoencoder.decode(Latent.full(drawn.clean), mask).features
            error = (real - backbone.autoencoder.decode(Latent.full(predicted.clean), mask).features).square()
            error = error * mask[..., None] / drawn.motion.lengths[:, None, None]
        return error.sum() / self._config.segments

    def _draw(self, exemplars: Sequence[Exemplar], step: int, dtype: torch.dtype) -> _Drawn:
        """A step's templates, segments, timesteps and noise, each from the exemplar's own stream."""
        config, backbone = self._config, self._backbone
        spec = backbone.autoencoder.latent
        rng = [stream(config.seed, f"mti-{config.loss}", step, item.id) for item in exemplars]
        templates = tuple(TEMPLATES[int(r.integers(len(TEMPLATES)))] for r in rng)
        pairs = [(item, r) for item, r in zip(exemplars, rng, strict=True) for _ in range(config.segments)]
        clips = [_segment(item.samples[int(r.integers(len(item.samples)))], r, config) for item, r in pairs]
        place = place_of(backbone.autoencoder)
        timestep = indices([int(r.integers(backbone.timesteps)) for _, r in pairs], place)
        shape = (2, config.segments, spec.tokens, spec.width)
        drawn = np.stack([r.standard_normal(shape, dtype=np.float32) for r in rng])
        posterior_noise, noise = sent(torch.from_numpy(drawn).to(dtype), place).unbind(dim=1)
        motion = drawn_batch(clips, place, self._pool).normalize(backbone.autoencoder.motion)
        motion = replace(motion, features=motion.features.to(dtype))
        with torch.no_grad():
            posterior = backbone.autoencoder.encode(motion)
            clean = posterior.loc + posterior.scale * posterior_noise.flatten(0, 1)
        return _Drawn(templates, motion, clean, noise.flatten(0, 1), timestep)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What a step of n pseudo-words looks at: n templates, and for each of their B = n * segments segments the motion,
    its clean latent [B, N, M], noise [B, N, M] and timestep [B]."""

    templates: tuple[str, ...]
    motion: MotionBatch
    clean: Tensor
    noise: Tensor
    timestep: Tensor


def _segment(sample: MotionSample, rng: np.random.Generator, config: InversionConfig) -> DrawnSample:
    """A random crop of 40 to 64 frames (a multiple of 4), or as much as there is."""
    most = min(config.longest, sample.frames // FRAME_STEP * FRAME_STEP)
    least = min(config.shortest, most)
    length = int(rng.integers(least // FRAME_STEP, most // FRAME_STEP + 1)) * FRAME_STEP
    start = int(rng.integers(sample.frames - length + 1))
    return DrawnSample(sample, NO_CAPTION, start, length)


def _repeat(condition: Condition, times: int) -> Condition:
    """Each row ``times`` times, one after the other."""
    tokens, mask = (part.repeat_interleave(times, dim=0) for part in (condition.tokens, condition.mask))
    return Condition(tokens, mask, condition.encoder)

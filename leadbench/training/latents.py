"""What diffusion, consistency and projector trainings read: pre-encoded latents with embedded captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from leadbench.core.config import LoopConfig
from leadbench.core.contracts import MotionAutoencoder
from leadbench.core.device import indices, sent
from leadbench.core.random import NoiseSource, stream
from leadbench.core.tensors import Condition, MotionBatch, MotionSample
from leadbench.text.cache import CachedTextEncoder
from leadbench.training.autoencoder import encode_samples
from leadbench.training.loop import epoch_batch


@dataclass(frozen=True, eq=False)
class LatentSet:
    """Posteriors [S, N, M] of a split, and for each sample the rows of its captions in ``text``.

    Attributes:
        loc, scale: posterior parameters in the latent space that denoisers see.
        text: embedded captions, tokens [T, L, C].
        null: embedding of the empty caption, one row.
        captions: for each sample the row numbers of its captions.
        texts: the caption of each row of ``text``.
    """

    loc: Tensor
    scale: Tensor
    text: Condition
    null: Condition
    captions: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.loc.shape[0])

    def sample(self, rows: Sequence[int], generator: torch.Generator | None = None) -> Tensor:
        """Posterior samples [B, N, M] of the given samples."""
        index = indices(rows, self.loc.device)
        loc = self.loc[index]
        return loc + self.scale[index] * sent(torch.randn(loc.shape, generator=generator), loc.device)

    def posterior(self, rows: Sequence[int], draws: NoiseSource) -> Tensor:
        """Posterior samples [B, N, M] of the given samples, by the draws' stream ``posterior``."""
        index = indices(rows, self.loc.device)
        return self.loc[index] + self.scale[index] * draws.normal("posterior", self.loc.shape[1:])

    def caption_rows(self, rows: Sequence[int], seed: int, name: str, step: int) -> list[int]:
        """One random caption row for each of the given samples."""
        picks = stream(seed, f"caption:{name}", step).random(len(rows))
        return [self.captions[i][int(p * len(self.captions[i]))] for i, p in zip(rows, picks, strict=True)]


def build_latent_set(
    autoencoder: MotionAutoencoder, encoder: CachedTextEncoder, samples: Sequence[MotionSample]
) -> LatentSet:
    """Encode a split once: posteriors of whole clips and embeddings of all captions."""

    def encode(features: Tensor, mask: Tensor) -> torch.distributions.Normal:
        return autoencoder.encode(MotionBatch(features, mask, autoencoder.motion))

    posterior = encode_samples(encode, autoencoder.motion, samples)
    texts = sorted({caption.caption for sample in samples for caption in sample.captions})
    encoder.warm(texts)
    row = {text: i for i, text in enumerate(texts)}
    captions = tuple(tuple(row[caption.caption] for caption in sample.captions) for sample in samples)
    return LatentSet(posterior.loc, posterior.scale, encoder.encode(texts), encoder.null(1), captions, tuple(texts))


def training_batch(
    latents: LatentSet, loop: LoopConfig, name: str, step: int, dropout: float
) -> tuple[Tensor, Condition]:
    """Clean latents [B, N, M] of a step with one random caption each, some replaced by the empty one (``dropout``)."""
    rows = epoch_batch(loop.seed, name, step, loop.batch, len(latents))
    clean = latents.sample(rows)
    condition = latents.text[latents.caption_rows(rows, loop.seed, name, step)]
    return clean, drop_captions(condition, latents.null, dropout)


def drop_captions(condition: Condition, null: Condition, probability: float) -> Condition:
    """Replace each row by the empty caption's embedding with the given probability (torch's RNG)."""
    dropped = sent(torch.rand(condition.tokens.shape[0]) < probability, condition.tokens.device)
    return blanked(condition, null, dropped)


def blanked(condition: Condition, null: Condition, dropped: Tensor) -> Condition:
    """Replace the rows where ``dropped`` [B] is True by the empty caption's embedding."""
    length = condition.tokens.shape[1]
    blank = torch.zeros_like(condition.tokens[:1])
    blank_mask = torch.zeros_like(condition.mask[:1])
    used = min(length, null.tokens.shape[1])
    blank[:, :used], blank_mask[:, :used] = null.tokens[:, :used], null.mask[:, :used]
    tokens = torch.where(dropped[:, None, None], blank, condition.tokens)
    return Condition(tokens, torch.where(dropped[:, None], blank_mask, condition.mask), condition.encoder)

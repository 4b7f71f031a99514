"""A motion autoencoder whose latent points where the caption does (Tevet et al., ECCV 2022, "MotionCLIP").

L = L_recon + lambda_text (1 - cos(latent, text)). The text encoder is frozen. MotionCLIP also aligns with renderings of
the motion in CLIP's image space; there are no images here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from leadbench.core.config import MotionClipStage
from leadbench.core.random import stream
from leadbench.core.tensors import MotionSample, MotionSpec, full_mask
from leadbench.nn.autoencoder import MotionVAE
from leadbench.text.cache import CachedTextEncoder
from leadbench.training.autoencoder import (
    ReconstructionLoss,
    detached,
    encode_samples,
    normalized_batches,
    reconstruction_error,
)
from leadbench.training.projector import alignment_loss


class MotionClipTask:
    """Trains a deterministic :class:`MotionVAE` on batches without padding, each clip with one of its captions.

    A batch holds crops of at least half a clip; its caption is taken to speak of the crop too.

    Args:
        stage: architecture (latent as wide as the encoder), loss weights.
        spec: statistics that normalise motions.
        encoder: frozen; every caption is embedded once, before the first step.
        train, val: samples with captions.
    """

    name = "motionclip"

    def __init__(
        self,
        stage: MotionClipStage,
        spec: MotionSpec,
        encoder: CachedTextEncoder,
        train: Sequence[MotionSample],
        val: Sequence[MotionSample],
    ) -> None:
        self._stage, self._spec, self._encoder = stage, spec, encoder
        self._train, self._val = list(train), list(val)
        encoder.warm([caption.caption for sample in [*train, *val] for caption in sample.captions])
        self._reconstruction = ReconstructionLoss(stage, spec)
        self.model: nn.Module = MotionVAE(stage.architecture)
        self._batches = normalized_batches(train, spec, stage.loop)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Reconstruction, and the alignment of each latent with one random caption."""
        assert isinstance(self.model, MotionVAE)
        batch = self._batches.draw(step)
        features = batch.features
        mask = full_mask(features.shape[0], features.shape[1], features.device)
        latent = self.model.encode(features, mask).loc
        total, figures = self._reconstruction(self.model.decode(latent, mask), features)
        align = alignment_loss(latent[:, 0], self._text([self._train[i] for i in batch.rows], step, batch.own))
        return total + self._stage.text_weight * align, detached({**figures, "align": align})

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """The same loss on whole clips of the validation split, and its terms."""
        assert isinstance(model, MotionVAE)
        error = reconstruction_error(model, self._spec, self._val)
        latent = encode_samples(model.encode, self._spec, self._val).loc
        align = float(alignment_loss(latent[:, 0], self._text(self._val, 0)))
        score = self._reconstruction.of_error(error) + self._stage.text_weight * align
        return {"score": score, "align": align, **vars(error)}

    def _text(self, samples: Sequence[MotionSample], step: int, own: slice = slice(None)) -> Tensor:
        """Embeddings [b, C], one random caption of each sample, of the rows ``own``."""
        picks = stream(self._stage.loop.seed, f"caption:{self.name}", step).random(len(samples))
        chosen = [s.captions[int(p * len(s.captions))].caption for s, p in zip(samples, picks, strict=True)]
        return self._encoder.encode(chosen[own]).pooled()


def match_text_length(model: MotionVAE, spec: MotionSpec, train: Sequence[MotionSample]) -> None:
    """Set the latent scale to the mean norm of train latents, so that latents are as long as unit text embeddings.

    The cosine says nothing of lengths: latents grow to whatever suits the decoder (17 on the generated corpus), and an
    embedding that goes into it as it is would be far from any latent that it was trained on. Length alone is matched:
    moving embeddings to the mean of latents as well (their means differ) gave worse motions.
    """
    latent = encode_samples(model.encode, spec, train).loc
    model.set_latent_statistics(torch.zeros_like(latent[0]), latent.norm(dim=-1).mean().expand(latent[0].shape))

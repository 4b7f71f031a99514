"""Stage 3: the LEAD projector (paper, section 4.1.2, Eq. 3 to 7); backbone, text encoder and autoencoder are frozen."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, mse_loss

from leadbench.core.config import ProjectorStage
from leadbench.nn.projector import LeadProjector
from leadbench.training.latents import LatentSet
from leadbench.training.loop import epoch_batch


def alignment_loss(aligned: Tensor, text: Tensor) -> Tensor:
    """Batch mean of 1 - cos between codes and text embeddings, both [B, C] (Eq. 4).

    >>> float(alignment_loss(torch.eye(2), torch.eye(2)))
    0.0
    """
    return (1 - cosine_similarity(aligned, text, dim=-1)).mean()


def variance_loss(true: Tensor, predicted: Tensor, epsilon: float = 1e-6) -> Tensor:
    """KL(P || Q) of true and reprojected latents [B, N, M] as diagonal Gaussians of the batch (Eq. 6).

    Mean over dimensions; ``epsilon`` is added to each variance.

    >>> z = torch.randn(8, 1, 4)
    >>> float(variance_loss(z, z))
    0.0
    """
    p, q = true.flatten(1), predicted.flatten(1)
    p_var = p.var(dim=0, unbiased=False) + epsilon
    q_var = q.var(dim=0, unbiased=False) + epsilon
    shift = (p.mean(dim=0) - q.mean(dim=0)).square()
    return 0.5 * (q_var.log() - p_var.log() + (p_var + shift) / q_var - 1).mean()


class ProjectorTask:
    """Trains a :class:`LeadProjector` on posterior samples (or means) and one random caption a motion."""

    def __init__(self, stage: ProjectorStage, train: LatentSet, val: LatentSet, name: str = "projector") -> None:
        self._stage, self._train, self._val = stage, train, val
        self.name = name
        self.model: nn.Module = LeadProjector(stage.architecture)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """Weighted sum of alignment, reconstruction and variance losses (Eq. 7)."""
        loop = self._stage.loop
        rows = epoch_batch(loop.seed, self.name, step, loop.batch, len(self._train))
        latent = self._train.sample(rows) if self._stage.posterior_samples else self._train.loc[torch.tensor(rows)]
        captions = self._train.caption_rows(rows, loop.seed, self.name, step)
        terms = self._terms(self.model, latent, self._train.text.tokens[captions].mean(dim=1))
        total = sum((weight * terms[key] for key, weight in self._weights().items()), latent.new_zeros(()))
        return total, {key: float(term.detach()) for key, term in terms.items()}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """The same loss on the validation split, with posterior samples drawn alike every time."""
        rows = list(range(len(self._val)))
        generator = torch.Generator().manual_seed(self._stage.loop.seed)
        latent = self._val.sample(rows, generator) if self._stage.posterior_samples else self._val.loc
        captions = self._val.caption_rows(rows, 0, "validate", 0)
        terms = self._terms(model, latent, self._val.text.tokens[captions].mean(dim=1))
        figures = {key: float(term.detach()) for key, term in terms.items()}
        return {"score": sum(weight * figures[key] for key, weight in self._weights().items()), **figures}

    def _weights(self) -> dict[str, float]:
        stage = self._stage
        return {"align": stage.align_weight, "rec": stage.rec_weight, "var": stage.var_weight}

    @staticmethod
    def _terms(model: nn.Module, latent: Tensor, text: Tensor) -> dict[str, Tensor]:
        assert isinstance(model, LeadProjector)
        tokens = model.project(latent)
        back = model.reproject(tokens)
        return {
            "align": alignment_loss(tokens.mean(dim=1), text),
            "rec": mse_loss(back, latent),
            "var": variance_loss(latent, back),
        }

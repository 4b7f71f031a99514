"""Stage 3: the LEAD projector (paper, section 4.1.2, Eq. 3 to 7); backbone, text encoder and autoencoder are frozen."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, mse_loss

from leadbench.core.config import ProjectorStage
from leadbench.core.contracts import ProjectorContext, TrainableProjector
from leadbench.core.device import indices
from leadbench.core.errors import ConfigError
from leadbench.core.shards import gathered, own_rows
from leadbench.nn.projector import LeadProjector
from leadbench.training.latents import LatentSet
from leadbench.training.loop import epoch_batch
from leadbench.zoo.loaded import LoadedProjector


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


class TrainableLead(LoadedProjector):
    """A LEAD projector with its loss; implements ``TrainableProjector``."""

    def __init__(self, context: ProjectorContext) -> None:
        widths = {
            "text_width": context.text_width,
            "latent_tokens": context.latent.tokens,
            "latent_width": context.latent.width,
        }
        architecture = context.stage.architecture.model_copy(update=widths)
        self._stage = context.stage.model_copy(update={"architecture": architecture})
        super().__init__(LeadProjector(architecture), context.latent_fingerprint, context.text_encoder)

    def training_loss(self, latent: Tensor, text: Tensor) -> Mapping[str, Tensor]:
        """Weighted sum of alignment, reconstruction and variance losses (Eq. 7), and the three."""
        stage = self._stage
        tokens = self.network.project(latent)
        back = self.network.reproject(tokens)
        terms = {
            "align": alignment_loss(tokens.mean(dim=1), text),
            "rec": mse_loss(back, latent),
            "var": variance_loss(gathered(latent), gathered(back)),
        }
        weights = {"align": stage.align_weight, "rec": stage.rec_weight, "var": stage.var_weight}
        total = sum((weight * terms[key] for key, weight in weights.items()), latent.new_zeros(()))
        return {"loss": total, **terms}


def create_lead(context: ProjectorContext) -> TrainableLead:
    """An untrained LEAD projector of the preset's architecture."""
    return TrainableLead(context)


class ProjectorTask:
    """Trains any projector by its own loss, on posterior samples (or means) and one random caption a motion.

    Raises:
        ConfigError: on use, where the projector's loss is no mapping of scalars with ``loss`` in it.
    """

    def __init__(
        self,
        stage: ProjectorStage,
        latents: tuple[LatentSet, LatentSet],
        projector: TrainableProjector,
        name: str = "projector",
    ) -> None:
        self._stage, self._projector = stage, projector
        self._train, self._val = latents
        self.name = name
        self.model: nn.Module = projector.network.requires_grad_(True)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The projector's loss of a batch."""
        loop = self._stage.loop
        rows = epoch_batch(loop.seed, self.name, step, loop.batch, len(self._train))
        latent = (
            self._train.sample(rows)
            if self._stage.posterior_samples
            else self._train.loc[indices(rows, self._train.loc.device)]
        )
        own = own_rows(len(rows))
        captions = self._train.caption_rows(rows, loop.seed, self.name, step)[own]
        terms = self._terms(latent[own], self._train.text[captions].tokens.mean(dim=1))
        total = terms.pop("loss")
        return total, {key: term.detach() for key, term in terms.items()}

    @torch.no_grad()
    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """The same loss on the validation split, with posterior samples drawn alike every time."""
        rows = list(range(len(self._val)))
        generator = torch.Generator().manual_seed(self._stage.loop.seed)
        latent = self._val.sample(rows, generator) if self._stage.posterior_samples else self._val.loc
        captions = self._val.caption_rows(rows, 0, "validate", 0)
        trained, self._projector.network = self._projector.network, model
        try:
            terms = self._terms(latent, self._val.text[captions].tokens.mean(dim=1))
        finally:
            self._projector.network = trained
        score = terms.pop("loss")
        return {"score": float(score), **{key: float(term) for key, term in terms.items()}}

    def _terms(self, latent: Tensor, text: Tensor) -> dict[str, Tensor]:
        terms = self._projector.training_loss(latent, text)
        if not isinstance(terms, Mapping) or "loss" not in terms:
            raise ConfigError(
                f"{self.name}: training_loss returned {type(terms).__name__}; it must return a mapping of scalars "
                f"with 'loss' in it"
            )
        wrong = [key for key, term in terms.items() if not isinstance(term, Tensor) or term.ndim]
        if wrong:
            raise ConfigError(f"{self.name}: training_loss: {wrong[0]!r} is no scalar tensor")
        return dict(terms)

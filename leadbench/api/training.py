"""A projector trained on one's own latents."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from leadbench.core.contracts import ProjectorContext, TrainableProjector
from leadbench.core.device import placed, sent
from leadbench.core.errors import DataError
from leadbench.core.overrides import override
from leadbench.core.presets import get_preset
from leadbench.core.random import seeded, stream
from leadbench.core.tensors import Condition, LatentSpec, full_mask
from leadbench.metrics.arrays import ArrayLike, finite_float64
from leadbench.plugins.manager import load_plugins
from leadbench.training.latents import LatentSet
from leadbench.training.loop import Trainer
from leadbench.training.projector import ProjectorTask
from leadbench.zoo.assets import chosen_compute

VALIDATION = 0.1


def train_projector(
    latents: ArrayLike,
    text: ArrayLike,
    *,
    kind: str = "lead",
    preset: str = "micro",
    overrides: Sequence[str] = (),
    latent_fingerprint: str = "own",
    text_encoder: str = "own",
    device: str | None = None,
    precision: str | None = None,
) -> TrainableProjector:
    """A projector of one's own latents, aligned to one's own text embeddings (paper, section 4.1).

    A tenth of the rows, drawn by the preset's seed, chooses the weights.

    Args:
        latents: [S, N, M], or [S, M] for latents of one token.
        text: [S, C], the embedding of each latent's caption.
        kind: registered name; ``lead`` or a plugin's.
        preset: whose stage ``projector`` is used.
        overrides: changes of it, such as ``loop.steps=500`` or ``align_weight=1.0``.
        latent_fingerprint: of the autoencoder, where it is to be attached to a backbone.
        text_encoder: name of the text space.
        device: what computes (:func:`leadbench.open_dataset`); the projector is on that device then.
        precision: what it is trained in.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: arrays that do not fit each other, or fewer than 4 rows.
        UnknownNameError, ConfigError: no such kind or preset, or an override that does not fit.

    >>> import torch
    >>> latents, text = torch.randn(64, 1, 16), torch.randn(64, 24)
    >>> projector = train_projector(latents, text, preset="tiny", overrides=["loop.steps=2"])
    >>> from leadbench import Latent
    >>> projector.reproject(projector.project(Latent.full(latents[:3]))).values.shape
    torch.Size([3, 1, 16])
    """
    values, embedded = _checked(latents, text)
    compute = chosen_compute(device, precision)
    chosen = override(get_preset(preset), "projector", overrides)
    stage = chosen.projector
    widths = {"text_width": embedded.shape[1], "latent_tokens": values.shape[1], "latent_width": values.shape[2]}
    stage = stage.model_copy(update={"architecture": stage.architecture.model_copy(update=widths)})
    order = torch.from_numpy(stream(stage.loop.seed, "validation").permutation(len(values)))
    held = max(1, round(VALIDATION * len(values)))
    training, validation = (
        _latent_set(sent(values[rows], compute.device), sent(embedded[rows], compute.device), text_encoder)
        for rows in (order[held:], order[:held])
    )
    spec = LatentSpec(values.shape[1], values.shape[2], standardized=False)
    context = ProjectorContext(spec, latent_fingerprint, text_encoder, embedded.shape[1], stage)
    with seeded(stage.loop.seed, "initial:projector"):
        projector = load_plugins().new_projector(kind, context)
    placed(projector, compute)
    task = ProjectorTask(stage, (training, validation), projector)
    Trainer(stage.optimizer, stage.loop, compute=compute).run(task, None)
    projector.network.eval().requires_grad_(False)
    return projector


def _checked(latents: ArrayLike, text: ArrayLike) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents [S, N, M] and text embeddings [S, C] as float32."""
    values = torch.as_tensor(latents).detach()
    values = values[:, None] if values.ndim == 2 else values
    values = finite_float64(values, "S N M", "latents").float()
    embedded = finite_float64(text, "S C", "text embeddings").float()
    if len(values) != len(embedded) or len(values) < 4:
        raise DataError(f"{len(values)} latents and {len(embedded)} text embeddings: needs as many of both, at least 4")
    return values, embedded


def _latent_set(values: torch.Tensor, text: torch.Tensor, encoder: str) -> LatentSet:
    """Latents without a posterior's width, each with one caption."""
    rows = len(values)
    mask = full_mask(rows, 1, text.device)
    null = Condition(text.new_zeros(1, 1, text.shape[1]), full_mask(1, 1, text.device), encoder)
    captions = tuple((row,) for row in range(rows))
    return LatentSet(
        values, torch.zeros_like(values), Condition(text[:, None], mask, encoder), null, captions, ("",) * rows
    )

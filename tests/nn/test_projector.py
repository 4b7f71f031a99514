"""The projector: shapes of every architecture and token layout, gradients, batch invariance, and that it can learn."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from leadbench.core.config import ProjectorConfig, TransformerConfig
from leadbench.core.errors import ConfigError, LatentMismatchError
from leadbench.nn.projector import LeadProjector

TRANSFORMER = TransformerConfig(width=16, layers=3, heads=2, feedforward=24)
LAYOUTS = [
    {"architecture": "transformer"},
    {"architecture": "transformer", "queries": True},
    {"architecture": "transformer", "split": 4},
    {"architecture": "transformer", "latent_tokens": 3, "tokens": 2},
    {"architecture": "transformer", "latent_tokens": 2, "tokens": 2},
    {"architecture": "skip", "split": 2},
    {"architecture": "skip"},
    {"architecture": "mlp"},
    {"architecture": "mlp", "latent_tokens": 3, "tokens": 2},
]


def build(layout: dict[str, object]) -> LeadProjector:
    torch.manual_seed(1)
    config = ProjectorConfig.model_validate({"latent_width": 8, "text_width": 12, "transformer": TRANSFORMER, **layout})
    return LeadProjector(config).eval()


def latents(projector: LeadProjector, batch: int = 4) -> Tensor:
    return torch.randn(batch, projector.config.latent_tokens, projector.config.latent_width)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_shapes_batch_invariance_and_determinism(layout: dict[str, object]) -> None:
    projector = build(layout)
    latent = latents(projector)
    tokens, back = projector(latent)
    assert tokens.shape == (4, projector.config.tokens, 12)
    assert back.shape == latent.shape
    assert torch.equal(projector.aligned(tokens), tokens.mean(1))
    assert torch.equal(projector.project(latent), tokens)
    for i in range(4):
        torch.testing.assert_close(projector.project(latent[i : i + 1]), tokens[i : i + 1], rtol=0, atol=5e-6)
        torch.testing.assert_close(projector.reproject(tokens[i : i + 1]), back[i : i + 1], rtol=0, atol=5e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_latent_number_matters(layout: dict[str, object]) -> None:
    projector = build(layout)
    latent = latents(projector, 1).requires_grad_()
    tokens, back = projector(latent)
    (tokens * torch.randn_like(tokens)).sum().backward(retain_graph=True)
    assert latent.grad is not None
    assert bool(latent.grad.ne(0).all())
    latent.grad = None
    (back * torch.randn_like(back)).sum().backward()
    assert bool(latent.grad is not None and latent.grad.ne(0).all())


@pytest.mark.parametrize("architecture", ["transformer", "skip", "mlp"])
def test_it_learns_to_reconstruct_a_few_latents(architecture: str) -> None:
    projector = build({"architecture": architecture}).train()
    latent = latents(projector, 8)
    optimizer = torch.optim.Adam(projector.parameters(), lr=3e-3)
    losses = []
    for _ in range(150):
        loss = (projector(latent)[1] - latent).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) / 10 < 0.35 * losses[0]


def test_queries_are_learned_only_where_counts_differ_or_asked_for() -> None:
    def names(layout: dict[str, object]) -> set[str]:
        return {name for name, _ in build(layout).named_parameters() if name.endswith("queries")}

    assert names({}) == set()
    assert names({"queries": True}) == {"encoder.queries", "decoder.queries"}
    assert names({"split": 2}) == {"encoder.queries", "decoder.queries"}
    assert build({"split": 2}).decoder.queries.shape == (2, 16)


def test_depth_and_weights_of_the_mlp_are_comparable() -> None:
    def weights(architecture: str) -> int:
        config = ProjectorConfig.model_validate({"architecture": architecture})
        with torch.device("meta"):
            return sum(p.numel() for p in LeadProjector(config).parameters())

    assert 0.6 < weights("mlp") / weights("transformer") < 0.75


def test_clear_errors() -> None:
    projector = build({})
    with pytest.raises(LatentMismatchError, match=r"\[4, 1, 9\], this projector takes \[batch, 1, 8\]"):
        projector.project(torch.zeros(4, 1, 9))
    with pytest.raises(ConfigError, match=r"\[4, 2, 12\], this projector takes \[batch, 1, 12\]"):
        projector.reproject(torch.zeros(4, 2, 12))
    with pytest.raises(ValidationError, match="not divisible by split 3"):
        build({"split": 3})
    with pytest.raises(ValidationError, match="'mlp' has no tokens"):
        build({"architecture": "mlp", "split": 2})

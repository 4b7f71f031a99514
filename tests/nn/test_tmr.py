"""The retrieval networks: rows do not see each other, padding does not count, captions are means over their tokens."""

from __future__ import annotations

import pytest
import torch

from leadbench.core.config import TmrConfig, TransformerConfig
from leadbench.core.errors import DataError
from leadbench.nn.tmr import TmrNetworks

FEATURES, TEXT = 12, 6


@pytest.fixture(scope="module")
def networks() -> TmrNetworks:
    torch.manual_seed(0)
    body = TransformerConfig(width=8, layers=2, heads=2, feedforward=16, dropout=0.0)
    return TmrNetworks(TmrConfig(features=FEATURES, text_width=TEXT, embedding=5, transformer=body)).eval()


@torch.no_grad()
def test_motions_beside_longer_ones_and_rubbish_in_the_padding(networks: TmrNetworks) -> None:
    lengths = [20, 43, 60]
    features = torch.randn(3, 60, FEATURES)
    mask = torch.arange(60)[None] < torch.tensor(lengths)[:, None]
    together = networks.motion(features, mask)
    spoilt = networks.motion(features.masked_fill(~mask[..., None], float("nan")), mask)
    torch.testing.assert_close(spoilt, together)
    for row, length in enumerate(lengths):
        alone = networks.motion(features[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(alone[0], together[row], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(3))


@torch.no_grad()
def test_captions_are_the_mean_of_the_tokens_in_use(networks: TmrNetworks) -> None:
    tokens = torch.randn(2, 4, TEXT)
    mask = torch.tensor([[True, True, False, False], [True, True, True, True]])
    found = networks.text(tokens, mask)
    means = torch.stack([tokens[0, :2].mean(dim=0), tokens[1].mean(dim=0)])[:, None]
    torch.testing.assert_close(found, networks.text(means, torch.ones(2, 1, dtype=torch.bool)))


def test_order_of_frames_counts(networks: TmrNetworks) -> None:
    features, mask = torch.randn(1, 40, FEATURES), torch.ones(1, 40, dtype=torch.bool)
    assert not torch.allclose(networks.motion(features, mask), networks.motion(features.flip(1), mask), atol=1e-3)


def test_features_of_another_width(networks: TmrNetworks) -> None:
    with pytest.raises(DataError, match="motion has 11 features a frame, the evaluator 12"):
        networks.motion(torch.zeros(1, 40, 11), torch.ones(1, 40, dtype=torch.bool))

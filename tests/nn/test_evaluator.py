"""The evaluator networks: independence of padding, of batch neighbours and of row order."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from leadbench.core.config import EvaluatorConfig
from leadbench.core.errors import DataError, WeightsError
from leadbench.nn.evaluator import EvaluatorNetworks
from leadbench.zoo.official_evaluator import OFFICIAL_NAMES, official_evaluator, official_state_dict

CONFIG = EvaluatorConfig(
    word_width=12,
    pos_width=15,
    text_hidden=16,
    features=30,
    movement_hidden=20,
    movement_width=18,
    motion_hidden=24,
    embedding=10,
)
LENGTHS = torch.tensor([40, 24, 61, 60, 4, 196])


@pytest.fixture
def networks() -> EvaluatorNetworks:
    return EvaluatorNetworks(CONFIG).double().eval()


@pytest.fixture
def motions() -> Tensor:
    return torch.randn(len(LENGTHS), 196, CONFIG.features, dtype=torch.float64)


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-12, rtol=0)


@torch.no_grad()
def test_motion_equals_full_zero_padding(networks: EvaluatorNetworks, motions: Tensor) -> None:
    """DESIGN 11 (1): at least four zero frames give what padding to the maximum length gives."""
    padded = motions.clone()
    for row, length in enumerate(LENGTHS.tolist()):
        padded[row, length:] = 0
    full = networks.motion.embed_as_padded(pad(padded, (0, 0, 0, 4)), LENGTHS)
    close(networks.motion(motions, LENGTHS), full)
    short = LENGTHS < 196
    close(networks.motion(motions[short], LENGTHS[short]), full[short])


@torch.no_grad()
def test_motion_is_independent_of_its_neighbours(networks: EvaluatorNetworks, motions: Tensor) -> None:
    batched = networks.motion(motions, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = networks.motion(motions[row : row + 1, :length], LENGTHS[row : row + 1])
        close(alone[0], batched[row])
    order = torch.randperm(len(LENGTHS))
    close(networks.motion(motions[order], LENGTHS[order]), batched[order])


@torch.no_grad()
def test_frames_after_the_last_are_ignored_even_nan(networks: EvaluatorNetworks, motions: Tensor) -> None:
    expected = networks.motion(motions, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        motions[row, length:] = float("nan")
    close(networks.motion(motions, LENGTHS), expected)


@torch.no_grad()
def test_foot_contacts_are_not_seen(networks: EvaluatorNetworks, motions: Tensor) -> None:
    expected = networks.motion(motions, LENGTHS)
    motions[..., -4:] += 1
    close(networks.motion(motions, LENGTHS), expected)
    motions[..., -5] += 1
    assert (networks.motion(motions, LENGTHS) - expected).abs().max() > 1e-3


@torch.no_grad()
def test_text_is_independent_of_padding_neighbours_and_order(networks: EvaluatorNetworks) -> None:
    lengths = torch.tensor([3, 22, 8, 8, 1])
    words = torch.randn(5, 22, CONFIG.word_width, dtype=torch.float64)
    tags = torch.eye(15, dtype=torch.float64)[torch.randint(15, (5, 22))]
    batched = networks.text(words, tags, lengths)
    assert batched.shape == (5, CONFIG.embedding)
    for row, length in enumerate(lengths.tolist()):
        alone = networks.text(words[row : row + 1, :length], tags[row : row + 1, :length], lengths[row : row + 1])
        close(alone[0], batched[row])
    order = torch.tensor([4, 2, 0, 1, 3])
    close(networks.text(words[order], tags[order], lengths[order]), batched[order])


def test_both_halves_train(networks: EvaluatorNetworks, motions: Tensor) -> None:
    networks.train()
    text = networks.text(
        torch.randn(2, 6, CONFIG.word_width).double(), torch.zeros(2, 6, 15).double(), torch.tensor([6, 4])
    )
    (networks.motion(motions[:2], LENGTHS[:2]) - text).square().sum().backward()
    gradients = {name: p.grad for name, p in networks.named_parameters()}
    assert all(g is not None and torch.isfinite(g).all() for g in gradients.values())
    zero = {name for name, g in gradients.items() if g is not None and not g.any()}
    assert zero == {"text.part_of_speech.weight"}  # the one-hots above are all zero


@pytest.mark.parametrize("length", [3, 41])
def test_bad_motion_lengths_are_refused(networks: EvaluatorNetworks, motions: Tensor, length: int) -> None:
    with pytest.raises(DataError, match="between 4 and 40"):
        networks.motion(motions[:1, :40], torch.tensor([length]))


def test_bad_caption_lengths_are_refused(networks: EvaluatorNetworks) -> None:
    with pytest.raises(DataError, match="between 1 and 6"):
        networks.text(torch.zeros(1, 6, 12).double(), torch.zeros(1, 6, 15).double(), torch.tensor([0]))


def official(networks: EvaluatorNetworks) -> dict[str, dict[str, Tensor]]:
    """Our own weights under the official names."""
    state = networks.state_dict()
    return {
        entry: {name: state[ours].unsqueeze(1) if name == "hidden" else state[ours] for name, ours in names.items()}
        for entry, names in OFFICIAL_NAMES.items()
    }


def test_official_names_cover_every_tensor(networks: EvaluatorNetworks) -> None:
    assert set(official_state_dict(official(networks))) == set(networks.state_dict())
    loaded = official_evaluator({**official(networks), "opt_text_encoder": {}})
    assert all(torch.equal(loaded.state_dict()[k], v.float()) for k, v in networks.state_dict().items())


def test_wrong_checkpoints_are_refused(networks: EvaluatorNetworks) -> None:
    checkpoint = official(networks)
    with pytest.raises(WeightsError, match="no entry 'motion_encoder'"):
        official_evaluator({k: v for k, v in checkpoint.items() if k != "motion_encoder"})
    missing = {**checkpoint, "text_encoder": {k: v for k, v in checkpoint["text_encoder"].items() if k != "hidden"}}
    with pytest.raises(WeightsError, match=r"text_encoder: missing \['hidden'\], unknown none"):
        official_evaluator(missing)
    unknown = {**checkpoint, "movement_encoder": {**checkpoint["movement_encoder"], "extra": torch.zeros(1)}}
    with pytest.raises(WeightsError, match=r"unknown \['extra'\]"):
        official_evaluator(unknown)
    wrong = {**checkpoint["motion_encoder"], "output_net.3.bias": torch.zeros(3)}
    with pytest.raises(WeightsError, match=r"motion\.sequence\.head\.3\.bias"):
        official_evaluator({**checkpoint, "motion_encoder": wrong})

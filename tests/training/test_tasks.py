from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from leadbench.core.config import ProjectorStage
from leadbench.core.contracts import ProjectorContext
from leadbench.core.presets import get_preset
from leadbench.core.shards import Place, sharded
from leadbench.core.tensors import Condition, LatentSpec
from leadbench.nn.projector import LeadProjector
from leadbench.training.autoencoder import kl_to_standard_normal
from leadbench.training.batches import LengthBatches
from leadbench.training.evaluator import contrastive_loss
from leadbench.training.latents import LatentSet, drop_captions
from leadbench.training.projector import ProjectorTask, alignment_loss, create_lead, variance_loss


def test_kl_equals_torch() -> None:
    posterior = Normal(torch.randn(4, 1, 8), torch.rand(4, 1, 8) + 0.1)
    expected = torch.distributions.kl_divergence(posterior, Normal(0.0, 1.0)).mean()
    assert torch.allclose(kl_to_standard_normal(posterior), expected, atol=1e-6)


def test_variance_loss_equals_kl_of_diagonal_gaussians() -> None:
    p, q = torch.randn(64, 1, 5), 2 * torch.randn(64, 1, 5) + 1
    stats = [(x.flatten(1).mean(0), (x.flatten(1).var(0, unbiased=False) + 1e-6).sqrt()) for x in (p, q)]
    expected = torch.distributions.kl_divergence(Normal(*stats[0]), Normal(*stats[1])).mean()
    assert torch.allclose(variance_loss(p, q), expected, rtol=1e-5)
    assert float(variance_loss(p, p)) == 0
    assert float(variance_loss(p, q)) != pytest.approx(float(variance_loss(q, p)))  # P first


def test_alignment_is_one_minus_cosine() -> None:
    a, b = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [0.0, -1.0]])
    assert float(alignment_loss(a, b)) == pytest.approx(np.mean([1 - np.sqrt(0.5), 2.0]))


def test_contrastive_loss_leaves_equal_captions_out() -> None:
    text = motion = torch.eye(3)
    alone = contrastive_loss(text, motion, torch.tensor([0, 1, 2]), 1.0)
    shared = contrastive_loss(text, motion, torch.tensor([0, 0, 2]), 1.0)
    assert shared < alone
    assert contrastive_loss(text, motion.flip(0), torch.arange(3), 1.0) > alone


def test_length_batches_have_no_padding_and_repeat_exactly() -> None:
    clips = [torch.full((40 + 3 * i, 2), float(i)) for i in range(40)]
    batches = LengthBatches(clips, frames=256, seed=0)
    lengths = set()
    for step in range(60):
        batch = batches.draw(step).features
        assert torch.equal(batch, LengthBatches(clips, 256, 0).draw(step).features)
        assert batch.shape[1] % 4 == 0
        assert batch.shape[0] * batch.shape[1] <= 256
        assert (batch == batch[:, :1]).all()  # a crop comes from one clip
        lengths.add(batch.shape[1])
    assert len(lengths) > 8


def _latents(count: int, width: int = 32) -> LatentSet:
    text = Condition(torch.randn(2 * count, 1, 384), torch.ones(2 * count, 1, dtype=torch.bool), "minilm")
    null = Condition(torch.zeros(1, 1, 384), torch.ones(1, 1, dtype=torch.bool), "minilm")
    captions = tuple((2 * i, 2 * i + 1) for i in range(count))
    texts = tuple(map(str, range(2 * count)))
    return LatentSet(torch.randn(count, 1, width), 0.1 * torch.ones(count, 1, width), text, null, captions, texts)


def _projector_task(stage: ProjectorStage, data: LatentSet) -> ProjectorTask:
    spec = LatentSpec(1, data.loc.shape[-1], False)
    context = ProjectorContext(spec, "space", "minilm", data.text.tokens.shape[-1], stage)
    return ProjectorTask(stage, (data, data), create_lead(context))


def test_dropping_captions() -> None:
    data = _latents(500)
    dropped = drop_captions(data.text, data.null, 0.1)
    share = float((dropped.tokens == 0).all(dim=-1).float().mean())
    assert 0.07 < share < 0.13
    assert torch.equal(drop_captions(data.text, data.null, 0.0).tokens, data.text.tokens)


@pytest.mark.parametrize("removed", ["align_weight", "rec_weight", "var_weight"])
def test_each_loss_of_the_projector_can_be_removed(removed: str) -> None:
    stage: ProjectorStage = get_preset("tiny").projector
    data = _latents(16)
    torch.manual_seed(0)
    full = _projector_task(stage, data)
    torch.manual_seed(0)
    less = _projector_task(stage.model_copy(update={removed: 0.0}), data)
    less.model.load_state_dict(full.model.state_dict())
    full.model.eval()
    less.model.eval()
    a, b = (task.validate(task.model) for task in (full, less))
    term = {"align_weight": "align", "rec_weight": "rec", "var_weight": "var"}[removed]
    assert a["score"] - b["score"] == pytest.approx(getattr(stage, removed) * a[term], rel=1e-4)


def test_the_projector_learns_its_own_loss() -> None:
    data = _latents(32)
    task = _projector_task(get_preset("tiny").projector, data)
    assert isinstance(task.model, LeadProjector)
    optimizer = torch.optim.Adam(task.model.parameters(), 3e-3)
    before = task.validate(task.model)["score"]
    for step in range(60):
        optimizer.zero_grad()
        task.loss(step)[0].backward()
        optimizer.step()
    assert task.validate(task.model)["score"] < 0.8 * before


def test_length_batches_tell_whose_crop_a_row_is() -> None:
    clips = [torch.full((40 + 7 * (i * 5 % 11), 2), float(i)) for i in range(11)]
    batches = LengthBatches(clips, frames=256, seed=0)
    for step in range(20):
        drawn = batches.draw(step)
        assert drawn.features[:, 0, 0].tolist() == [float(row) for row in drawn.rows]
        assert torch.equal(drawn.features, batches.draw(step).features)


def test_length_batches_of_several_processes_are_parts_of_one() -> None:
    clips = [torch.full((40 + 7 * (i * 5 % 11), 2), float(i)) for i in range(11)]
    batches = LengthBatches(clips, frames=256, seed=0)
    for step in range(20):
        whole = batches.draw(step)
        parts = []
        for rank in range(2):
            with sharded(Place(rank, 2)) as batch:
                drawn = batches.draw(step)
            assert drawn.rows == whole.rows
            parts.append(drawn.features[: round(batch.weight * len(whole.rows))])
        assert torch.equal(torch.cat(parts), whole.features)

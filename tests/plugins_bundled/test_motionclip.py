"""MotionCLIP: training in the shared loop, and a backbone without a denoiser in the benchmark."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import leadbench_motionclip
import pytest
import torch
from command import call
from fakes import FakeAutoencoder, FakeTextEncoder
from folders import write_folder
from leadbench_motionclip.backbone import MotionCLIPBackbone, load
from torch.nn.functional import cosine_similarity

from leadbench.core.config import LoopConfig
from leadbench.core.contracts import Backbone, DenoisingBackbone, TextEncoder
from leadbench.core.errors import LatentMismatchError, WeightsError
from leadbench.core.presets import get_preset
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Condition, MotionSpec, lengths_to_mask
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.plugins.context import Context
from leadbench.plugins.manager import load_plugins
from leadbench.report.names import row_name
from leadbench.results.store import RunStore
from leadbench.testing import assert_conforms, check_backbone
from leadbench.text.cache import CachedTextEncoder
from leadbench.training.autoencoder import encode_samples
from leadbench.training.checkpoint import CheckpointFile
from leadbench.training.loop import Progress, Trainer
from leadbench.training.motionclip import MotionClipTask
from leadbench.training.stages import train_motionclip
from leadbench.training.workshop import Workshop
from leadbench.zoo.store import ModelStore

PLUGIN = Path(leadbench_motionclip.__file__)
IDS = {"train": [f"t{i}" for i in range(24)], "val": ["v0", "v1"], "test": [f"s{i:02}" for i in range(36)]}


class WideEncoder(FakeTextEncoder):
    """A text encoder whose captions point in different directions."""

    name, dim = "wide", 8

    def encode(self, captions: list[str]) -> Condition:  # type: ignore[override]
        rows = [torch.randn(8, generator=torch.Generator().manual_seed(len(caption))) for caption in captions]
        return Condition(torch.stack(rows)[:, None], torch.ones(len(captions), 1, dtype=torch.bool), self.name)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> HumanML3DFolder:
    return HumanML3DFolder(write_folder(tmp_path_factory.mktemp("data") / "walks", IDS))


def _encoder(name: str, models: ModelStore) -> TextEncoder:
    return {"wide": WideEncoder, "fake": FakeTextEncoder}[name]()


@pytest.fixture(scope="module")
def models(dataset: HumanML3DFolder, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A folder in which MotionCLIP was trained for a few steps."""
    folder = tmp_path_factory.mktemp("models")
    train_motionclip(Workshop(dataset, get_preset("tiny"), ModelStore(folder, _encoder)), "wide")
    return ModelStore(folder, _encoder)


def test_it_keeps_the_contract_and_denoises_nothing(models: ModelStore) -> None:
    backbone = load(Context("backbone", "motionclip", opened=models))
    assert isinstance(backbone, Backbone)
    assert not isinstance(backbone, DenoisingBackbone)
    assert_conforms(check_backbone("motionclip", backbone))
    assert [steps for steps in range(5) if backbone.supports_steps(steps)] == [1]
    assert backbone.default_steps == 1
    assert backbone.default_guidance(1) is None


def test_one_caption_is_one_latent(models: ModelStore) -> None:
    backbone = load(Context("backbone", "motionclip", opened=models))
    condition = backbone.text_encoder.encode(["a walk", "someone waves twice"])
    first, second = (
        backbone.sample(
            condition,
            lengths_to_mask(torch.tensor([frames, 40])),
            NoiseSource(seed, ("a", "b"), repeat=seed),
            steps=1,
            guidance=guidance,
        ).values
        for seed, frames, guidance in ((0, 40, None), (1, 64, 7.5))
    )
    assert torch.equal(first, second)
    assert not torch.allclose(first[0], first[1])
    torch.testing.assert_close(cosine_similarity(first[:, 0], condition.tokens[:, 0]), torch.ones(2))


def test_latents_are_as_long_as_embeddings(models: ModelStore, dataset: HumanML3DFolder) -> None:
    space = models.autoencoder("motionclip")
    latent = encode_samples(space.network.encode, space.motion, dataset.load("train")[0])
    assert float(latent.loc.norm(dim=-1).mean()) == pytest.approx(1.0, abs=1e-4)
    assert not latent.scale.any()


def test_another_text_encoder_is_told(models: ModelStore) -> None:
    backbone = load(Context("backbone", "motionclip", opened=models))
    other = replace(backbone.text_encoder.encode(["a walk"]), encoder="clip")
    with pytest.raises(LatentMismatchError, match=r"'wide'.*'clip'"):
        backbone.sample(other, torch.ones(1, 40, dtype=torch.bool), NoiseSource(0, ("a",)), steps=1, guidance=None)


def test_another_latent_is_told() -> None:
    motion = MotionSpec("humanml3d", 20.0, torch.zeros(263), torch.ones(263))
    with pytest.raises(LatentMismatchError, match=r"1 x 8.*'fake' is 1 x 4"):
        MotionCLIPBackbone(FakeAutoencoder(motion), FakeTextEncoder())


def test_what_is_not_trained_names_its_command(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="leadbench train motionclip"):
        load(Context("backbone", "motionclip", opened=ModelStore(tmp_path, _encoder)))


def _task(dataset: HumanML3DFolder, **loop: object) -> tuple[MotionClipTask, Trainer]:
    torch.manual_seed(0)
    stage = get_preset("tiny").motionclip
    stage = stage.model_copy(
        update={
            "architecture": stage.architecture.model_copy(update={"latent_width": 8}),
            "loop": LoopConfig.model_validate({**stage.loop.model_dump(), **loop}),
        }
    )
    train, val = (dataset.load(split)[0] for split in ("train", "val"))
    task = MotionClipTask(stage, dataset.motion, CachedTextEncoder(WideEncoder()), train, val)
    return task, Trainer(stage.optimizer, stage.loop)


def test_training_brings_motions_near_their_captions(dataset: HumanML3DFolder) -> None:
    task, trainer = _task(dataset, steps=60, validate_every=60)
    before = task.validate(task.model)
    after = trainer.run(task).history[-1]
    assert after["align"] < 0.8 * before["align"]
    assert after["feature_mse"] < before["feature_mse"]


def test_the_loss_is_reconstruction_and_cosine(dataset: HumanML3DFolder) -> None:
    task, _ = _task(dataset)
    total, terms = task.loss(0)
    expected = terms["mse"] + 0.05 * terms["joints_m"] + 5.0 * terms["pose_m"] + terms["align"]
    assert float(total.detach()) == pytest.approx(float(expected), rel=1e-5)
    assert 0 < terms["align"] < 2
    total.backward()  # type: ignore[no-untyped-call]
    for part in (task.model.frames_in, task.model.to_latent, task.model.from_latent, task.model.frames_out):
        assert part.weight.grad.abs().sum() > 0  # type: ignore[union-attr,operator]


def test_resuming_is_that_of_the_shared_loop(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    whole, trainer = _task(dataset)
    expected = trainer.run(whole)

    def stop(progress: Progress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    interrupted, trainer = _task(dataset)
    trainer = replace(trainer, checkpoint=CheckpointFile(tmp_path / "c.pt", {}), checkpoint_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(interrupted, stop)
    resumed, _ = _task(dataset)
    assert trainer.run(resumed).history == expected.history
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name])


# ------------------------------------------------------------------------------- the command line, with minilm


@pytest.fixture(scope="module")
def folder(dataset: HumanML3DFolder) -> Path:
    """A dataset folder in which the stages that MotionCLIP and MLD need were trained."""
    for stage in ("evaluator", "autoencoder", "diffusion", "projector", "motionclip"):
        assert call("train", stage, "--dataset", dataset.root, "--preset", "tiny") == 0
    return dataset.root


def test_it_runs_beside_mld(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ("run", "--dataset", folder, "--backbone", "motionclip,mld", "--plugin", PLUGIN, "--steps", "mld=2")
    assert call(*run, "--quick", "--replications", "1", "--out", tmp_path) == 0
    (stored,) = (tmp_path / "walks").iterdir()
    loaded = RunStore(stored).load()
    records = {row_name(record.row, loaded.names): record for record in loaded.records}
    assert {"MotionCLIP", "MLD", "LEAD (MLD)"} <= records.keys()
    assert {"Reconstruction (MotionCLIP)", "Reconstruction (MLD)"} <= records.keys()
    assert "LEAD (MotionCLIP)" not in records
    assert records["MotionCLIP"].metrics["multimodality"] == 0.0
    assert (records["MLD"].metrics["multimodality"] or 0.0) > 0
    assert (records["MotionCLIP"].row.steps, records["MotionCLIP"].row.guidance) == (1, None)
    capsys.readouterr()
    assert call(*run[:-1], "motionclip=2", "--out", tmp_path / "no") == 2
    assert "'motionclip' does not support 2 steps" in capsys.readouterr().err


def test_the_card_says_what_it_is(folder: Path) -> None:
    card = json.loads((folder / "models" / "motionclip.json").read_text())
    other = json.loads((folder / "models" / "autoencoder.json").read_text())
    assert (card["stage"], card["links"]["text_encoder"]) == ("motionclip", "minilm")
    assert card["config"]["architecture"]["latent_width"] == 384
    assert card["links"]["latent"] != other["links"]["latent"]


def test_conformance_by_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert call("plugins", "check", "motionclip", "--plugin", PLUGIN, "--models", folder / "models") == 0
    printed = capsys.readouterr().out
    for check in ("declared steps", "determinism", "batch invariance", "text mask", "motion padding"):
        assert f"ok    backbone:motionclip  {check}" in printed


def test_the_frozen_text_encoder_stays_as_it_is(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    plugins = load_plugins()
    store = ModelStore(tmp_path, plugins.text_encoder)
    network = store.text_encoder("minilm").wrapped._model  # type: ignore[attr-defined]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    train_motionclip(Workshop(dataset, get_preset("tiny"), store), "minilm")
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)

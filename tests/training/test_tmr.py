"""The evaluator ``tmr``: its loss, its contract, and a whole run with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from leadbench.core.presets import get_preset
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.plugins.manager import load_plugins
from leadbench.testing import assert_conforms, check_evaluator
from leadbench.training.stages import train_evaluator
from leadbench.training.tmr import filtered_contrastive_loss
from leadbench.training.workshop import Workshop
from leadbench.zoo.store import ModelStore


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tmr")
    synthesize(root / "data", SynthesisOptions(clips=400, workers=1))
    plugins = load_plugins()
    store = ModelStore(root / "data" / "models", plugins.text_encoder)
    preset = get_preset("tiny")
    loop = preset.tmr.loop.model_copy(update={"steps": 60, "batch": 32, "validate_every": 30})
    optimizer = preset.tmr.optimizer.model_copy(update={"learning_rate": 3e-3, "warmup_steps": 5})
    tmr = preset.tmr.model_copy(update={"loop": loop, "optimizer": optimizer})
    shop = Workshop(HumanML3DFolder(root / "data"), preset.model_copy(update={"tmr": tmr}), store)
    train_evaluator(shop, "tmr")
    return root / "data"


def store(data: Path) -> ModelStore:
    plugins = load_plugins()
    return ModelStore(data / "models", plugins.text_encoder)


def test_it_learns_and_says_what_real_motions_score(trained: Path) -> None:
    card = store(trained).card("evaluator-tmr")
    first, *_, last = [entry["score"] for entry in card.metrics["history"]]
    assert last < first < np.log(32) + 1
    evaluator = store(trained).tmr()
    assert evaluator.dataset == HumanML3DFolder(trained).identity


def test_it_keeps_the_contract(trained: Path) -> None:
    assert_conforms(check_evaluator("tmr", store(trained).tmr()))


def test_paraphrases_are_no_negatives() -> None:
    """Against the loss of each row by hand."""
    generator = torch.Generator().manual_seed(0)
    text, motion = (torch.nn.functional.normalize(torch.randn(4, 6, generator=generator), dim=1) for _ in range(2))
    similar = torch.eye(4, dtype=torch.bool)
    similar[0, 2] = similar[2, 0] = True
    cosines = (text @ motion.T / 0.2).double().numpy()
    losses = []
    for table in (cosines, cosines.T):
        for row in range(4):
            kept = [column for column in range(4) if column == row or not similar[row, column]]
            losses.append(np.log(np.exp(table[row, kept]).sum()) - table[row, row])
    assert float(filtered_contrastive_loss(text, motion, similar, 0.2)) == pytest.approx(np.mean(losses), rel=1e-5)
    nothing = torch.zeros(4, 4, dtype=torch.bool)
    assert filtered_contrastive_loss(text, motion, nothing, 0.2) > filtered_contrastive_loss(text, motion, similar, 0.2)


def test_a_folder_is_scored_by_it(trained: Path, tmp_path: Path) -> None:
    """Real motions as if they were generated: perfect, but for the second draw."""
    generated = tmp_path / "generated"
    generated.mkdir()
    for sample in HumanML3DFolder(trained).load("test")[0]:
        np.save(generated / f"{sample.id}.npy", sample.features.numpy())
    options = [
        "--motions",
        generated,
        "--dataset",
        trained,
        "--evaluator",
        "tmr",
        "--replications",
        1,
        "--out",
        tmp_path,
    ]
    done = subprocess.run(
        [sys.executable, "-m", "leadbench.cli.main", "score", *map(str, options)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "| generated" in done.stdout
    assert store(trained).tmr().identity[:12] in done.stdout

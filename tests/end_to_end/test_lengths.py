"""The length predictor: learns what captions say of length, is stored, found by its card, and asked by generate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command import call

from leadbench.core.errors import ConfigError
from leadbench.generation.generator import GenerateRequest
from leadbench.generation.lengths import lengths_for, open_length
from leadbench.nn.length import median_units
from leadbench.zoo.assets import Choice, open_assets


def test_median_of_a_distribution() -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(20, 49)))
    for row, found in zip(logits.softmax(-1).numpy(), median_units(logits).tolist(), strict=True):
        assert row[: found - 1].sum() < 0.5 <= row[:found].sum() + 1e-12
    certain = torch.full((1, 49), -100.0)
    certain[0, -1] = 100.0
    assert median_units(certain).tolist() == [49]


def test_lengths_follow_the_captions(tiny: Path, tmp_path: Path) -> None:
    """Trained for a moment it is nearer to the lengths of the clips that it saw than one length for all."""
    command = ("train", "length", "--dataset", tiny / "data", "--models", tmp_path, "--preset", "micro")
    assert call(*command, "--set", "loop.steps=200", "--set", "loop.select=last") == 0
    assert json.loads((tmp_path / "length-wordllama.json").read_text())["stage"] == "length"
    opened = open_assets(Choice(str(tiny / "data"), models=tmp_path))
    predictor = open_length(opened.models)
    assert predictor is not None
    clips = opened.dataset.load("train")[0]
    learnt = np.array(lengths_for([clip.captions[0].caption for clip in clips], predictor))
    frames = np.array([clip.frames for clip in clips])
    assert np.abs(learnt - frames).mean() < 0.6 * np.abs(np.median(frames) - frames).mean()
    found = lengths_for(["a person waves", "a person <superman> walks in a large circle and then sits down"], predictor)
    assert all(length % 4 == 0 and 4 <= length <= 196 for length in found)
    assert found[0] < found[1]


def test_generate_asks_it_where_no_length_is_given(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("generate", "a person waves", "someone walks in a circle", "--dataset", tiny / "data", "--steps", 2)
    command = (*command, "--models", tiny / "models", "--as", "npy")
    assert call(*command, "--out", tmp_path / "a") == 0
    assert "length by length-wordllama" in capsys.readouterr().err
    opened = open_assets(Choice(str(tiny / "data"), models=tiny / "models"))
    wanted = lengths_for(["a person waves", "someone walks in a circle"], open_length(opened.models, "minilm"))
    made = sorted((tmp_path / "a").glob("*.joints.npy"))
    assert tuple(len(np.load(path)) for path in made) == wanted
    assert tuple(json.loads((tmp_path / "a" / "generate.json").read_text())["request"]["frames"]) == wanted
    assert call(*command, "--seconds", 2, "--out", tmp_path / "b") == 0
    assert {len(np.load(path)) for path in (tmp_path / "b").glob("*.joints.npy")} == {40}
    assert "length by" not in capsys.readouterr().err


def test_without_a_predictor_motions_are_120_frames_long() -> None:
    assert lengths_for(["a person waves"], None) == (120,)


def test_lengths_must_fit() -> None:
    with pytest.raises(ConfigError, match="2 lengths for 1 captions"):
        GenerateRequest(("a person waves",), frames=(40, 80))
    with pytest.raises(ConfigError, match="frames 42"):
        GenerateRequest(("a person waves", "a person walks"), frames=(40, 42))

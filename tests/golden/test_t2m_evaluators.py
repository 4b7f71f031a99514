"""Golden case: the official evaluator networks, their padding and their row order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from leadbench.core.config import EvaluatorConfig
from leadbench.nn.evaluator import EvaluatorNetworks
from leadbench.zoo.official_evaluator import load_official_evaluator, official_config, official_evaluator

TOLERANCE = 3e-5  # single pass, as the golden README suggests


@pytest.fixture(scope="module")
def folder(golden: Path) -> Path:
    return golden / "t2m_evaluators"


@pytest.fixture(scope="module")
def case(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "case.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def io(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "io.safetensors")


@pytest.fixture(scope="module")
def checkpoint(folder: Path, case: dict[str, Any]) -> dict[str, dict[str, Tensor]]:
    grouped: dict[str, dict[str, Tensor]] = {}
    for name, tensor in load_file(folder / case["weights_file"]).items():
        entry, _, rest = name.partition(".")
        grouped.setdefault(entry, {})[rest] = tensor
    return grouped


@pytest.fixture(scope="module")
def networks(checkpoint: dict[str, dict[str, Tensor]]) -> EvaluatorNetworks:
    return official_evaluator(checkpoint)


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=TOLERANCE, rtol=0)


def test_config_is_read_off_the_shapes(checkpoint: dict[str, dict[str, Tensor]], case: dict[str, Any]) -> None:
    text, movement, motion = (case["kwargs"][k] for k in ("text_encoder", "movement_encoder", "motion_encoder"))
    assert motion["input_size"] == movement["output_size"]
    assert official_config(checkpoint) == EvaluatorConfig(
        word_width=text["word_size"],
        pos_width=text["pos_size"],
        text_hidden=text["hidden_size"],
        features=movement["input_size"] + 4,
        movement_hidden=movement["hidden_size"],
        movement_width=movement["output_size"],
        motion_hidden=motion["hidden_size"],
        embedding=motion["output_size"],
    )


@torch.no_grad()
def test_text_embeddings(networks: EvaluatorNetworks, io: dict[str, Tensor]) -> None:
    embedding = networks.text(io["word_embs"], io["pos_onehot"], io["cap_lens"])
    close(embedding, io["text_embedding_input_order"])
    close(embedding[io["align_idx"]], io["text_embedding"])


@torch.no_grad()
def test_text_rows_may_come_in_any_order(networks: EvaluatorNetworks, io: dict[str, Tensor]) -> None:
    order = torch.randperm(len(io["cap_lens"]))
    shuffled = networks.text(io["word_embs"][order], io["pos_onehot"][order], io["cap_lens"][order])
    close(shuffled, io["text_embedding_input_order"][order])


@torch.no_grad()
def test_movements(networks: EvaluatorNetworks, io: dict[str, Tensor]) -> None:
    close(networks.motion.movement(io["motions"]), io["movements"])


@torch.no_grad()
def test_motion_embeddings_with_recorded_padding(networks: EvaluatorNetworks, io: dict[str, Tensor]) -> None:
    embedding = networks.motion.embed_as_padded(io["motions"], io["m_lens"])
    close(embedding, io["motion_embedding_input_order"])
    close(embedding[io["align_idx"]], io["motion_embedding"])


@torch.no_grad()
def test_motions_alone_and_with_other_padding(networks: EvaluatorNetworks, io: dict[str, Tensor]) -> None:
    half = io["motions"].clone()
    for row, length in enumerate(io["m_lens"].tolist()):
        half[row, length:] = 0.5
        alone = networks.motion.embed_as_padded(io["motions"][row : row + 1, :length], io["m_lens"][row : row + 1])
        close(alone[0], io["motion_embedding_solo"][row])
    padded = networks.motion.embed_as_padded(half, io["m_lens"])
    close(padded[io["align_idx"]], io["motion_embedding_padded_with_half"])


@torch.no_grad()
def test_default_padding_agrees_where_the_recording_has_four_zero_frames(
    networks: EvaluatorNetworks, io: dict[str, Tensor]
) -> None:
    """Ours differ from the recording only for motions whose zero padding was cut short by the batch."""
    enough = io["m_lens"] <= io["motions"].shape[1] - 4
    assert enough.any()
    embedding = networks.motion(io["motions"], io["m_lens"])
    close(embedding[enough], io["motion_embedding_input_order"][enough])
    # A motion as long as the batch met the convolutions' own padding in the recording.
    longest = io["m_lens"] == io["motions"].shape[1]
    assert all((embedding[longest] - io["motion_embedding_input_order"][longest]).abs().amax(dim=1) > TOLERANCE)


@torch.no_grad()
def test_finest_tar(folder: Path, case: dict[str, Any], io: dict[str, Tensor]) -> None:
    loaded = load_official_evaluator(folder / case["checkpoint"].partition(":")[0])
    close(loaded.text(io["word_embs"], io["pos_onehot"], io["cap_lens"]), io["text_embedding_input_order"])
    close(loaded.motion.embed_as_padded(io["motions"], io["m_lens"]), io["motion_embedding_input_order"])


@pytest.mark.parametrize("dataset", ["humanml3d", "kit"])
def test_full_size_manifests(golden: Path, dataset: str) -> None:
    """Names, shapes and parameter counts of the full-size networks, without their weights."""
    shapes = json.loads((golden / "manifests" / f"t2m_evaluators_{dataset}.json").read_text())
    counts = json.loads((golden / "manifests" / "case.json").read_text())["parameters"][f"t2m_evaluators_{dataset}"]
    meta = {e: {k: torch.empty(s, device="meta") for k, s in shapes[e].items()} for e in shapes}
    with torch.device("meta"):
        ours = EvaluatorNetworks(official_config(meta))
    assert sum(p.numel() for p in ours.parameters()) == sum(counts.values())
    assert sum(p.numel() for p in ours.text.parameters()) == counts["text"]

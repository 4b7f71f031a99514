"""Sentence encoders of BERT's layout against sentence-transformers, and what is left to it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer

from leadbench.core.errors import WeightsError
from leadbench.text.sentence import SentenceEncoder, minilm
from leadbench.text.sentence_bert import SentenceBert, is_sentence_bert
from leadbench.text.sources import minilm_source

CAPTIONS = [
    "a person walks forward, then turns left.",
    "",
    "somebody waves",
    "Ein Läufer HÜPFT!  <b> 日本",
    "word " * 400,  # beyond what the model reads
    "a man waves",
]


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(minilm_source())


def test_minilm_equals_sentence_transformers(folder: Path) -> None:
    theirs = SentenceTransformer(str(folder), device="cpu")
    expected = theirs.encode(CAPTIONS, convert_to_tensor=True)
    ours = minilm().encode(CAPTIONS)
    assert (ours.tokens[:, 0] - expected).abs().max() < 1e-6
    assert ours.tokens.shape == (6, 1, 384)
    assert not ours.tokens.requires_grad
    assert minilm().dim == 384
    counts = theirs.tokenizer(CAPTIONS, truncation=True, max_length=theirs.max_seq_length)["input_ids"]
    assert minilm().token_counts(CAPTIONS) == list(map(len, counts))


def test_neighbours_and_batches_change_nothing(folder: Path) -> None:
    bert = SentenceBert(folder)
    many = [f"a person walks {n} steps" for n in range(70)]
    alone = torch.cat([bert.embed([caption]) for caption in many])
    torch.testing.assert_close(bert.embed(many), alone, rtol=0, atol=1e-6)
    assert bert.embed([]).shape == (0, 384)


def test_transformers_is_not_imported_for_it() -> None:
    code = (
        "import sys\nfrom leadbench.text.sentence import minilm\nminilm().encode(['a walk'])\n"
        "assert not {'transformers', 'sentence_transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("config.json", {"model_type": "mpnet"}),
        ("config.json", {"hidden_act": "gelu_new"}),
        ("config.json", {"position_embedding_type": "relative_key"}),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True}),
        ("sentence_bert_config.json", {"do_lower_case": True}),
        ("config_sentence_transformers.json", {"default_prompt_name": "query", "prompts": {"query": "query: "}}),
    ],
)
def test_other_layouts_are_left_to_sentence_transformers(
    folder: Path, tmp_path: Path, file: str, changes: dict[str, Any]
) -> None:
    copied = tmp_path / "model"
    shutil.copytree(folder, copied)
    assert is_sentence_bert(copied)
    changed = json.loads((copied / file).read_text()) | changes
    (copied / file).write_text(json.dumps(changed))
    assert not is_sentence_bert(copied)


def test_modules_behind_the_pooling_are_left_to_sentence_transformers(folder: Path, tmp_path: Path) -> None:
    copied = tmp_path / "model"
    shutil.copytree(folder, copied)
    modules = json.loads((copied / "modules.json").read_text())
    (copied / "modules.json").write_text(json.dumps(modules[:2]))
    assert not is_sentence_bert(copied)
    encoder = SentenceEncoder("minilm", copied)
    lengths = encoder.encode(["a walk", "somebody waves"]).tokens.norm(dim=-1)
    assert (lengths - 1).abs().max() > 0.1  # nothing made them of unit length, so the other path was taken
    (copied / "modules.json").write_text("[")
    assert not is_sentence_bert(copied)


def test_weights_that_cannot_be_read_are_told_in_one_line(folder: Path, tmp_path: Path) -> None:
    copied = tmp_path / "model"
    shutil.copytree(folder, copied)
    (copied / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(
        WeightsError, match=r"text encoder 'minilm': cannot load .*LEADBENCH_ENCODERS__MINILM"
    ) as caught:
        SentenceEncoder("minilm", copied)
    assert "\n" not in str(caught.value)

"""The encoder ``t5`` against transformers, on a small random model saved as sentence-t5-large is laid out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers import models as parts
from tokenizers import SentencePieceUnigramTokenizer
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from leadbench.core.errors import WeightsError
from leadbench.text.sentence import SentenceEncoder, t5

CAPTIONS = ["a person walks forward", "", "the man jumps up and down three times, then stops", "kick"]
WORDS = ["a person walks forward and turns left", "the man jumps up and down three times", "kick run stop then slowly"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """T5 encoder, mean pooling, a linear map without bias, unit length: the modules of sentence-t5-large."""
    root = tmp_path_factory.mktemp("t5")
    trained = SentencePieceUnigramTokenizer()
    trained.train_from_iterator(WORDS * 20, vocab_size=80, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    ending = ("</s>", trained.token_to_id("</s>"))
    trained._tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[ending])  # as T5's
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )
    torch.manual_seed(0)
    config = T5Config(vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)
    T5EncoderModel(config).save_pretrained(root / "encoder")
    tokenizer.save_pretrained(root / "encoder")
    encoder = parts.Transformer(str(root / "encoder"))
    pooling = parts.Pooling(32, pooling_mode="mean")
    dense = parts.Dense(32, 20, bias=False, activation_function=nn.Identity())
    SentenceTransformer(modules=[encoder, pooling, dense, parts.Normalize()]).save(str(root / "whole"))
    return root


@torch.no_grad()
def _expected(folder: Path) -> torch.Tensor:
    """One caption at a time, without padding, by transformers alone."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "encoder")
    network = T5EncoderModel.from_pretrained(folder / "encoder").eval()
    dense = next(m for m in SentenceTransformer(str(folder / "whole")) if isinstance(m, parts.Dense)).linear.weight
    rows = []
    for caption in CAPTIONS:
        ids = torch.tensor([tokenizer(caption).input_ids])
        hidden = network(ids).last_hidden_state[0]
        rows.append(nn.functional.normalize(hidden.mean(dim=0).cpu() @ dense.cpu().T, dim=0))
    return torch.stack(rows)


def test_equal_to_transformers(folder: Path) -> None:
    condition = SentenceEncoder("t5", folder / "whole").encode(CAPTIONS)
    assert condition.tokens.shape == (len(CAPTIONS), 1, 20)
    assert condition.encoder == "t5"
    torch.testing.assert_close(condition.tokens[:, 0], _expected(folder), atol=2e-5, rtol=0)


def test_a_folder_in_half_precision_is_read_in_single(folder: Path, tmp_path: Path) -> None:
    whole = SentenceTransformer(str(folder / "whole"))
    whole.half().save(str(tmp_path / "half"))
    stored = load_file(next((tmp_path / "half").glob("model.safetensors")))
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    encoder = SentenceEncoder("t5", tmp_path / "half")
    assert {parameter.dtype for parameter in encoder._model.parameters()} == {torch.float32}
    # the same rounded numbers, computed in single precision throughout
    expected = SentenceTransformer(str(tmp_path / "half")).float().encode(CAPTIONS, convert_to_tensor=True).cpu()
    torch.testing.assert_close(encoder.encode(CAPTIONS).tokens[:, 0], expected, atol=1e-6, rtol=0)


def test_neighbours_change_nothing(folder: Path) -> None:
    encoder = SentenceEncoder("t5", folder / "whole")
    together = encoder.encode(CAPTIONS).tokens
    alone = torch.cat([encoder.encode([caption]).tokens for caption in CAPTIONS])
    torch.testing.assert_close(together, alone, atol=2e-6, rtol=0)


def test_the_setting_names_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADBENCH_ENCODERS__T5", str(folder / "whole"))
    assert t5().dim == 20


def test_offline_the_message_says_what_to_fetch_and_where_to_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADBENCH_ENCODERS__T5", str(tmp_path / "missing"))
    with pytest.raises(
        WeightsError, match=r"sentence-t5-large .*encoders\.t5 in leadbench\.toml.*LEADBENCH_ENCODERS__T5"
    ):
        t5()

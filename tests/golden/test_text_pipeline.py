"""Golden case: word vectors, tag overrides, padding and collation of the official text pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from leadbench.core.errors import DataError
from leadbench.core.tensors import MotionSample, TextSample
from leadbench.data.humanml3d import draw
from leadbench.text.glove import GloveVectors
from leadbench.text.special_words import LISTS, SPECIAL_WORDS
from leadbench.text.word_vectors import MAX_TOKENS, POS_TAGS, WordBatch, split_token, vectorize


@pytest.fixture(scope="module")
def folder(golden: Path) -> Path:
    return golden / "text_pipeline"


@pytest.fixture(scope="module")
def case(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "case.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def io(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "io.safetensors")


@pytest.fixture(scope="module")
def words(folder: Path, case: dict[str, Any]) -> WordBatch:
    samples = [TextSample("", tuple(tokens.split())) for tokens in case["captions"]]
    return vectorize(samples, GloveVectors.from_folder(folder / "glove"), SPECIAL_WORDS)


def test_tables(case: dict[str, Any]) -> None:
    assert list(POS_TAGS) == case["POS_order"]
    assert case["max_text_len"] == MAX_TOKENS
    assert {tag: set(words.split()) for tag, words in LISTS.items()} == {t: set(w) for t, w in case["VIP"].items()}
    assert list(LISTS) == list(case["VIP"])


def test_word_vectors_tags_and_lengths(words: WordBatch, io: dict[str, Tensor]) -> None:
    torch.testing.assert_close(words.vectors, io["word_embs"], rtol=0, atol=0)
    torch.testing.assert_close(words.pos, io["pos_onehot"], rtol=0, atol=0)
    assert words.lengths.tolist() == io["sent_len"].tolist()


def test_official_batches_are_ours_in_order_of_length(words: WordBatch, io: dict[str, Tensor]) -> None:
    order = torch.argsort(words.lengths, descending=True, stable=True)
    assert words.lengths[order].tolist() == io["collated_text_len"].tolist()
    torch.testing.assert_close(words.vectors[order], io["collated_word_embs"], rtol=0, atol=0)


def test_padding_is_what_was_recorded(case: dict[str, Any]) -> None:
    """The recording lists tokens up to the first that is padding; ours end at the same place."""
    for caption, padded in zip(case["captions"], case["tokens_after_padding"], strict=True):
        kept = [*("/".join(split_token(token)) for token in caption.split()[:MAX_TOKENS])]
        assert padded[1 : len(kept) + 1] == kept
        assert padded[0] == "sos/OTHER"
        assert padded[len(kept) + 1] == "eos/OTHER"
        assert set(padded[len(kept) + 2 :]) <= {"unk/OTHER"}
        assert len(padded) == MAX_TOKENS + 2


@pytest.mark.parametrize("token", ["walk", "walk/VERB/x"])
def test_a_token_has_one_slash(token: str) -> None:
    with pytest.raises(DataError, match="exactly one slash"):
        split_token(token)


def test_lengths_are_the_recorded_ones(
    case: dict[str, Any], io: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our rule, given the recorded generator's choices among (single, single, double), keeps as many frames."""
    official = np.random.RandomState(case["numpy_seed"])
    chosen: list[int] = []

    class Choices:
        """Stands for a sample's stream, of which caption, length and start are drawn in turn."""

        def __init__(self) -> None:
            self.calls = 0

        def integers(self, high: int) -> int:
            self.calls += 1
            if self.calls != 2:
                return 0
            chosen.append(int(official.choice(high)))
            return chosen[-1]

    monkeypatch.setattr("leadbench.data.humanml3d.stream", lambda *_: Choices())
    clips = [torch.zeros(int(frames), 1) for frames in io["raw_motion_len"]]
    drawn = draw([MotionSample(str(n), clip, (TextSample("", ()),)) for n, clip in enumerate(clips)], 0, 0)
    lengths = torch.tensor([sample.length for sample in drawn])
    assert lengths.tolist() == io["motion_len"].tolist()
    assert 0 < chosen.count(2) < len(chosen)  # both branches were recorded
    order = torch.argsort(io["sent_len"], descending=True, stable=True)
    assert lengths[order].tolist() == io["collated_motion_len"].tolist()

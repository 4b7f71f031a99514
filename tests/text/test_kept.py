"""Embeddings that stay between runs: the file, the cache that uses it, and what identifies an encoder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from fakes import FakeTextEncoder
from safetensors.torch import save_file

from leadbench.core.contracts import TextEncoder
from leadbench.core.tensors import Condition
from leadbench.plugins.hookspecs import TextEncoderRegistration
from leadbench.plugins.manager import load_plugins
from leadbench.text import sources
from leadbench.text.cache import CachedTextEncoder, LazyEncoder
from leadbench.text.kept import KeptEmbeddings
from leadbench.zoo.assets import model_store

CAPTIONS = ["", "a person walks", "somebody waves"]


def not_needed() -> TextEncoder:
    pytest.fail("the encoder was made although every caption is known")


def test_a_file_gives_back_what_it_was_given(tmp_path: Path) -> None:
    kept = KeptEmbeddings(tmp_path / "some" / "text.safetensors")
    assert (kept.dim, kept.read()) == (None, {})
    first = {"a walk": torch.randn(2, 5), "": torch.randn(1, 5)}
    kept.write(first)
    kept.add({"ein Lauf, größer": torch.ones(3, 5)})
    found = kept.read()
    assert kept.dim == 5
    assert list(found) == ["a walk", "", "ein Lauf, größer"]
    assert all(torch.equal(found[caption], row) for caption, row in first.items())
    assert list(kept.read({"", "never seen"})) == [""]
    kept.write({"b": torch.zeros(1, 2)})
    assert (kept.dim, list(kept.read())) == (2, ["b"])
    assert sorted(path.name for path in kept.path.parent.iterdir()) == ["text.safetensors", "text.safetensors.lock"]


def test_a_broken_file_holds_nothing_and_is_made_anew(tmp_path: Path) -> None:
    kept = KeptEmbeddings(tmp_path / "text.safetensors")
    kept.write({"a": torch.zeros(1, 2)})
    kept.path.write_bytes(kept.path.read_bytes()[:20])
    assert (kept.dim, kept.read()) == (None, {})
    save_file({"rows": torch.zeros(1, 2)}, kept.path)
    assert kept.read() == {}
    kept.add({"b": torch.ones(1, 2)})
    assert list(kept.read()) == ["b"]


def test_a_later_run_loads_the_encoder_for_new_captions_alone(tmp_path: Path) -> None:
    kept = KeptEmbeddings(tmp_path / "text.safetensors")
    first = CachedTextEncoder(FakeTextEncoder(), kept=kept)
    assert first.together(CAPTIONS) == 3
    width = kept.dim
    assert width == FakeTextEncoder.dim
    later = CachedTextEncoder(LazyEncoder("fake", width, not_needed), kept=kept)
    assert later.together(CAPTIONS) == 0
    assert (later.encoded, later.known) == (0, 3)
    assert torch.equal(later.encode(CAPTIONS).tokens, first.encode(CAPTIONS).tokens)

    made = FakeTextEncoder()
    third = CachedTextEncoder(LazyEncoder("fake", width, lambda: made), kept=kept)
    assert third.together([*CAPTIONS, "a new one"]) == 1
    assert made.seen == ["a new one"]
    assert third.wrapped is made
    assert set(kept.read()) == {*CAPTIONS, "a new one"}


def test_trainings_keep_embeddings_in_one_place(tmp_path: Path) -> None:
    kept, file = KeptEmbeddings(tmp_path / "user.safetensors"), tmp_path / "folder.safetensors"
    CachedTextEncoder(FakeTextEncoder(), file, kept).warm(CAPTIONS)
    assert set(kept.read()) == set(CAPTIONS)
    assert not file.exists()
    CachedTextEncoder(LazyEncoder("fake", 4, not_needed), file, kept).warm(CAPTIONS)


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    cached = CachedTextEncoder(FakeTextEncoder(), kept=KeptEmbeddings(tmp_path / "file" / "text.safetensors"))
    assert cached.together(CAPTIONS) == 3


def test_captions_meet_those_of_their_own_number_of_tokens() -> None:
    batches: list[list[str]] = []

    class Counting(FakeTextEncoder):
        def token_counts(self, captions: Sequence[str]) -> list[int]:
            return [len(caption.split()) for caption in captions]

        def encode(self, captions: Sequence[str]) -> Condition:
            batches.append(list(captions))
            return super().encode(captions)

    CachedTextEncoder(Counting()).together(["a b", "aaa bbb", "c", "a b c", "d", "e"], batch=2)
    assert batches == [["c", "d"], ["e"], ["a b", "aaa bbb"], ["a b c"]]


def test_an_identity_changes_with_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "weights"
    (folder / "1_Pooling").mkdir(parents=True)
    for name in ("model.safetensors", "modules.json", "1_Pooling/config.json"):
        (folder / name).write_text("x")
    monkeypatch.setenv("LEADBENCH_ENCODERS__T5", str(folder))
    monkeypatch.setenv("LEADBENCH_ENCODERS__CLIP", str(folder / "model.safetensors"))
    first, tower = sources.t5_identity(), sources.clip_identity()
    assert None not in (first, tower)
    assert sources.t5_identity() == first
    os.utime(folder / "1_Pooling" / "config.json", ns=(0, 0))
    assert sources.t5_identity() == first  # a copy is the same encoder
    (folder / "1_Pooling" / "config.json").write_text("y")
    assert sources.t5_identity() != first
    assert sources.clip_identity() == tower
    (folder / "model.safetensors").write_text("xy")
    assert sources.clip_identity() != tower
    monkeypatch.setenv("LEADBENCH_ENCODERS__T5", str(tmp_path / "not there"))
    assert sources.t5_identity() is None


def test_weights_of_the_hub_are_identified_by_their_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert sources.t5_identity() is None
    model = tmp_path / "models--sentence-transformers--sentence-t5-large"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("abc")
    (model / "snapshots" / "abc").mkdir(parents=True)
    (model / "snapshots" / "abc" / "modules.json").write_text("[]")
    assert sources.t5_identity() is not None


def test_runs_share_what_minilm_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADBENCH_CACHE", str(tmp_path))
    plugins = load_plugins()

    def together(captions: Sequence[str]) -> CachedTextEncoder:
        encoder = model_store(tmp_path / "models", plugins).text_encoder("minilm")
        encoder.together(captions)
        return encoder

    assert together(CAPTIONS).known == 0  # keep_captions is off in tests
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("LEADBENCH_KEEP_CAPTIONS", "1")
    first, second = together(CAPTIONS), together(CAPTIONS)
    assert (first.encoded, second.encoded, second.known) == (3, 0, 3)
    assert (second.name, second.dim) == ("minilm", 384)
    assert torch.equal(first.encode(CAPTIONS).tokens, second.encode(CAPTIONS).tokens)
    monkeypatch.setattr("leadbench.text.sentence.minilm", not_needed)
    assert together(CAPTIONS).known == 3


def test_bundled_encoders_of_the_official_backbones_have_an_identity() -> None:
    plugins = load_plugins()
    for name in ("minilm", "clip", "t5"):
        registration = plugins.get("text_encoder", name)
        assert isinstance(registration, TextEncoderRegistration)
        assert registration.identity == f"leadbench.text.sources:{name}_identity"


@pytest.mark.parametrize("bit", [0, 7, 31])
def test_a_flipped_bit_is_noticed_and_the_file_is_made_anew(tmp_path: Path, bit: int) -> None:
    kept = KeptEmbeddings(tmp_path / "text.safetensors")
    kept.write({"a walk": torch.randn(2, 5)})
    raw = bytearray(kept.path.read_bytes())
    raw[-1 - bit // 8] ^= 1 << (bit % 8)
    kept.path.write_bytes(raw)
    assert kept.read() == {}
    cached = CachedTextEncoder(FakeTextEncoder(), kept=kept)
    cached.together(["a walk"])
    assert (cached.encoded, cached.known) == (1, 0)
    assert torch.equal(kept.read()["a walk"], FakeTextEncoder().encode(["a walk"]).tokens[0])


def test_a_file_of_other_weights_is_not_used(tmp_path: Path) -> None:
    KeptEmbeddings(tmp_path / "text.safetensors", "one").write({"a walk": torch.ones(1, 5)})
    assert KeptEmbeddings(tmp_path / "text.safetensors", "other").read() == {}
    assert list(KeptEmbeddings(tmp_path / "text.safetensors", "one").read()) == ["a walk"]

"""Device, chunk and batch as a user chooses them: by option, environment, file or Python."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from command import call as plain_call

from leadbench import generate, load_backbone, open_dataset, train_projector
from leadbench.results.store import RunStore
from leadbench.tasks.shared import chunks
from leadbench.testing.pretended import Pretended, pretended_device
from leadbench.training.loop import Trainer
from leadbench.zoo.embedded import shipped
from leadbench.zoo.files import load_card
from tests.device.conftest import Call
from tests.device.test_run import QUICK, records

RUN = ("run", "--backbone", "motionlcm", "--replications", "1", "--skip-self-test", *QUICK)


def test_the_environment_chooses(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEADBENCH_DEVICE", "lazy")
    monkeypatch.setenv("LEADBENCH_PRECISION", "bf16")
    with pretended_device():
        assert call(*RUN, "--out", tmp_path) == 0
    assert {(r.compute.device, r.compute.precision) for r in records(tmp_path) if r.compute} == {("lazy:0", "bf16")}


def test_an_option_wins_over_the_file(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leadbench.toml").write_text('device = "gpu"\n')
    assert call(*RUN, "--out", tmp_path / "runs") == 2
    assert "device (leadbench.toml or LEADBENCH_DEVICE) gpu: no such device" in capsys.readouterr().err
    assert call(*RUN, "--device", "cpu", "--out", tmp_path / "runs") == 0


@pytest.mark.parametrize("chunk", ["0", "many", "-1", "1.5"])
def test_a_chunk_that_is_no_number_is_told(
    call: Call, chunk: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*RUN, f"--chunk={chunk}", "--out", tmp_path) == 2
    assert f"--chunk {chunk}: must be a whole number of at least 1, or auto" in capsys.readouterr().err


def test_an_automatic_chunk_is_no_part_of_the_identity(
    call: Call, pretended: Pretended, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The memory that is free at the moment decides it, and the run goes on all the same."""
    sizes = []
    for gib in (1, 40):
        monkeypatch.setattr(chunks, "free_memory", lambda device, gib=gib: gib * 2**30)
        assert call(*RUN, "--replications", 1 if gib == 1 else 2, "--out", tmp_path / str(gib)) == 0
        (header,) = (tmp_path / str(gib)).rglob("run.json")
        sizes.append(records(tmp_path / str(gib))[0].chunk_size)
        assert RunStore(header.parent).header()["identity"]["config"]["chunk"] is None
    assert sizes == [32, 1024]


def test_chunks_of_an_accelerator_are_as_large_as_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda", 0)
    for gib, size in ((0.01, 1), (1, 32), (16, 512), (80, 2048), (400, 4096)):
        monkeypatch.setattr(chunks, "free_memory", lambda device, gib=gib: int(gib * 2**30))
        assert chunks.automatic_chunk(device) == size
    assert chunks.automatic_chunk(torch.device("cpu")) == 128


def test_a_batch_that_does_not_fit_is_cut_and_averaged(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, seen = Trainer._step, []

    def step(self: Trainer, *arguments: object) -> object:
        seen.append((self.loop.batch, self.loop.accumulate))
        if self.loop.batch > 64:
            raise torch.OutOfMemoryError("pretended")
        return plain(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "_step", step)
    command = ("train", "autoencoder", "--dataset", corpus, "--models", tmp_path, "--preset", "tiny", "--device", "cpu")
    assert plain_call(*command, "--batch", "256") == 2
    assert "out of memory" in capsys.readouterr().err
    assert plain_call(*command, "--batch", "auto") == 0
    said = capsys.readouterr().err
    assert "autoencoder: out of memory at a batch of 256; trying 2 x 128" in said
    assert "autoencoder: out of memory at a batch of 128; trying 4 x 64" in said
    assert seen[1:4] == [(256, 1), (128, 2), (64, 4)]
    loop = load_card(tmp_path / "autoencoder.safetensors").config["loop"]
    assert (loop["batch"], loop["accumulate"]) == (64, 4)


def test_a_batch_is_a_number_or_auto(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("train", "autoencoder", "--dataset", corpus, "--models", tmp_path, "--preset", "tiny", "--device", "cpu")
    assert plain_call(*command, "--batch", "half") == 2
    assert "--batch half: must be a whole number of at least 1, or auto" in capsys.readouterr().err
    assert plain_call(*command, "--batch", "96") == 0
    assert load_card(tmp_path / "autoencoder.safetensors").config["loop"]["batch"] == 96


def test_python_users_choose_too(corpus: Path) -> None:
    def made(device: str) -> torch.Tensor:
        opened = open_dataset(corpus, models=shipped().folder, device=device)
        (motion,) = generate(load_backbone("motionlcm", opened), "a person walks", frames=40)
        return motion.joints

    generator = torch.Generator().manual_seed(0)
    latents, text = torch.randn(32, 1, 8, generator=generator), torch.randn(32, 6, generator=generator)

    def trained(device: str) -> torch.Tensor:
        projector = train_projector(latents, text, preset="tiny", overrides=["loop.steps=2"], device=device)
        return torch.cat([parameter.detach().cpu().flatten() for parameter in projector.network.parameters()])

    here, weights = made("cpu"), trained("cpu")
    with pretended_device():
        torch.testing.assert_close(made("lazy"), here, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(trained("lazy"), weights, atol=1e-5, rtol=0)

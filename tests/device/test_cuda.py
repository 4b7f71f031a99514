"""The same on a real GPU; `make test-cuda` runs these alone. And what only CUDA takes, with tensors of no values."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from leadbench.core.config import AutoencoderConfig, DenoiserConfig, ProjectorConfig, TransformerConfig
from leadbench.core.philox import philox_normals
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Condition, full_mask, mask_of
from leadbench.engine.decode import DecodeEngine
from leadbench.engine.denoise import DenoiseEngine, Guide
from leadbench.engine.plan import ddim_plan
from leadbench.engine.project import ProjectEngine
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.projector import LeadProjector
from tests.device.conftest import Call
from tests.device.test_run import QUICK, RUN, records, same
from tests.device.test_tasks import MTI
from tests.device.test_training import STAGES, difference, train

on_cuda = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
STACK = TransformerConfig(width=32, layers=3, heads=2, feedforward=64, dropout=0.0)


def cuda(test: object) -> object:
    """Mark a test that needs a GPU."""
    for mark in on_cuda:
        test = mark(test)
    return test


@cuda
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_a_run_is_near_the_cpus(call: Call, tmp_path: Path, precision: str) -> None:
    command = ("run", *RUN, *QUICK, "--controls", "--metric", "jerk")
    assert call(*command, "--device", "cpu", "--out", tmp_path / "cpu") == 0
    assert call(*command, "--device", "cuda", "--precision", precision, "--out", tmp_path / "cuda") == 0
    same(records(tmp_path / "cpu"), records(tmp_path / "cuda"), 1e-3 if precision == "float32" else 0.1)


@cuda
def test_inversion_structure_and_latency_run(call: Call, tmp_path: Path) -> None:
    assert call(*MTI, "--losses", "feat,mld,lead", "--device", "cuda", "--out", tmp_path / "mti") == 0
    assert call("structure", "--split", "train", "--device", "cuda", "--out", tmp_path / "structure") == 0
    assert call("generate", "a person walks", "--device", "cuda", "--out", tmp_path / "generate") == 0


@cuda
def test_noise_is_the_cpus() -> None:
    ids = tuple(f"motion {number}" for number in range(1024))
    here = NoiseSource(0, ids).normal("initial", (1, 256))
    there = NoiseSource(0, ids, device=torch.device("cuda", 0)).normal("initial", (1, 256)).cpu()
    torch.testing.assert_close(there, here, rtol=1e-6, atol=0)


@cuda
@pytest.mark.parametrize(("stage", "name"), STAGES, ids=[name for _, name in STAGES])
def test_a_training_begins_as_on_the_cpu(stage: str, name: str, tmp_path: Path, corpus: Path) -> None:
    for device in ("cpu", "cuda"):
        for needed, _ in STAGES[: [n for _, n in STAGES].index(name)]:
            assert train(corpus, needed, tmp_path / device, "--device", "cpu") == 0
        assert train(corpus, stage, tmp_path / device, "--device", device) == 0
    assert difference(tmp_path / "cpu" / f"{name}.safetensors", tmp_path / "cuda" / f"{name}.safetensors") < 1e-3


@cuda
def test_a_recorded_loop_gives_the_same() -> None:
    device = torch.device("cuda", 0)
    engine = DenoiseEngine(_denoiser().to(device))
    for rows in (3, 5, 3):
        noise = NoiseSource(rows, tuple(map(str, range(rows))), device=device).normal("initial", (1, 32))
        guide = Guide(Condition(torch.randn(2 * rows, 1, 12, device=device), full_mask(2 * rows, 1, device), "x"), 7.5)
        plain = engine.sample(noise, ddim_plan(10), guide, graph=False)
        torch.testing.assert_close(engine.sample(noise, ddim_plan(10), guide), plain, rtol=1e-4, atol=1e-5)


def _denoiser() -> Denoiser:
    torch.manual_seed(0)
    config = DenoiserConfig(latent_width=32, text_width=12, time_width=32, transformer=STACK)
    return Denoiser(config).eval().requires_grad_(False)


def test_the_engines_keep_to_cuda_without_a_gpu() -> None:
    """Tensors of no values say that they are on CUDA: what is left on the CPU is refused, as by a GPU."""
    device, plan = torch.device("cuda", 0), ddim_plan(4)
    with FakeTensorMode(), torch.no_grad(), device:
        noise = torch.empty(6, 1, 32, device=device)
        text = Condition(torch.empty(12, 1, 12, device=device), full_mask(12, 1, device), "x")
        sampled = DenoiseEngine(_denoiser()).sample(noise, plan, Guide(text, 7.5), graph=False)
        assert (sampled.shape, sampled.device) == (noise.shape, device)
        space = AutoencoderConfig(features=20, latent_width=32, frames_per_token=4, transformer=STACK)
        autoencoder = MotionVAE(space).eval().requires_grad_(False)
        mask = mask_of([40, 24, 24, 40, 32, 8], device)
        decoded = DecodeEngine(autoencoder).decode(sampled, mask)
        assert (decoded.shape, decoded.device) == ((6, 40, 20), device)
        posterior = autoencoder.encode(decoded, mask)
        assert posterior.loc.device == device
        lead = LeadProjector(ProjectorConfig(latent_width=32, text_width=12, transformer=STACK)).eval()
        engine = ProjectEngine(lead)
        assert engine.reproject(engine.project(sampled)).device == device


def test_the_noise_needs_no_gpu_to_have_its_shape() -> None:
    here = "cuda:0" if torch.cuda.is_available() else "cpu"
    philox_normals(torch.zeros(1, 2, dtype=torch.int64, device=here), 1)  # its tables are made once, of real numbers
    with FakeTensorMode(allow_non_fake_inputs=True):
        keys = torch.empty(7, 2, dtype=torch.int64, device="cuda:0")
        made = philox_normals(keys, 12)
        assert (made.shape, made.device, made.dtype) == ((7, 12), torch.device("cuda", 0), torch.float32)

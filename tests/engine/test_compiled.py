from __future__ import annotations

import shutil

import pytest
import torch

from leadbench.core.config import DenoiserConfig, TransformerConfig
from leadbench.core.errors import ConfigError
from leadbench.core.tensors import Condition
from leadbench.engine.compiled import MOST_ROWS, FirstRows, compile_wanted, compiled_network, compiling
from leadbench.engine.denoise import DenoiseEngine, Guide
from leadbench.engine.plan import ddim_plan
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.packing import ordinary_kernels

CONFIG = DenoiserConfig(
    latent_width=16,
    text_width=8,
    time_width=8,
    transformer=TransformerConfig(width=32, layers=3, heads=4, feedforward=64),
)

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="torch.compile needs a C++ compiler"
)


@pytest.fixture
def denoiser() -> Denoiser:
    torch.manual_seed(0)
    return Denoiser(CONFIG).eval().requires_grad_(False)


@needs_compiler
def test_a_compiled_loop_gives_the_same_latents(denoiser: Denoiser) -> None:
    engine, noise = DenoiseEngine(denoiser), torch.randn(1, 1, 16)
    guide = Guide(Condition(torch.randn(2, 1, 8), torch.ones(2, 1, dtype=torch.bool), "x"), 7.5)
    expected = engine.sample(noise, ddim_plan(10), guide)
    with compiling():
        got = engine.sample(noise, ddim_plan(10), guide)
    assert list(engine._compiled) == [torch.Size([2, 3, 32])]
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_what_computes_something_else_is_refused(denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda module, dynamic: module)
    rows = FirstRows(denoiser.encoder, torch.nn.Identity(), 1)
    with pytest.raises(ConfigError, match="--compile: the compiled network differs"):
        compiled_network(rows, torch.empty(2, 3, 32), lambda x: 1.001 * rows(x))


def test_many_rows_and_masks_are_not_compiled() -> None:
    few, many = torch.empty(2, 3, 32), torch.empty(MOST_ROWS, 3, 32)
    assert not compile_wanted(few, None)
    with compiling():
        assert compile_wanted(few, None)
        assert not compile_wanted(many, None)
        assert not compile_wanted(few, torch.ones(2, 3, dtype=torch.bool))
        assert not compile_wanted(few.bfloat16(), None)
        with ordinary_kernels():  # whose operations are to be counted
            assert not compile_wanted(few, None)


def test_an_engine_outlives_its_module() -> None:
    module = Denoiser(CONFIG).eval().requires_grad_(False)
    engine, noise = DenoiseEngine(module), torch.randn(1, 1, 16)
    guide = Guide(Condition(torch.randn(2, 1, 8), torch.ones(2, 1, dtype=torch.bool), "x"), 7.5)
    expected = engine.sample(noise, ddim_plan(3), guide)
    del module
    with compiling():
        assert torch.equal(engine.sample(noise, ddim_plan(3), guide), expected)
    assert not engine._compiled

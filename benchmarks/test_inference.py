"""Inference time of each stage: `pytest benchmarks --benchmark-only`, `-k paper` or `-k micro` for one size.

Weights are random: time does not depend on them. Every benchmark compares its output with the plain path, or with the
network's own forward pass, before it is timed. `python benchmarks/compare.py` times both in turns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pytest
import torch
from torch import Tensor

from leadbench.benchmarks import plain
from leadbench.benchmarks.subjects import RandomModels
from leadbench.engine.decode import DecodeEngine
from leadbench.engine.denoise import DenoiseEngine, Guide
from leadbench.engine.plan import ddim_plan, lcm_plan
from leadbench.motion.features import features_to_joints
from leadbench.packing import prepared
from leadbench.presets import get_preset
from leadbench.random import stream
from leadbench.sampling import lcm_timesteps
from leadbench.skeleton import get_skeleton
from leadbench.tensors import Condition, Latent, lengths_to_mask

FRAMES, GUIDANCE = 196, 7.5
CAPTION = "a person walks forward and then turns around to the left."
BATCHES = pytest.mark.parametrize("batch", [1, 8, 32])
PRESETS = pytest.mark.parametrize("preset", ["micro", "paper"])


@lru_cache(maxsize=2)
def models(preset: str) -> RandomModels:
    return RandomModels(get_preset(preset), torch.device("cpu"))


def normal(purpose: str, *shape: int) -> Tensor:
    return torch.from_numpy(stream(0, purpose).standard_normal(shape, dtype="float32"))


def text_of(rows: int, width: int) -> Condition:
    return Condition(normal("text", rows, 1, width), torch.ones(rows, 1, dtype=torch.bool), "given")


def timed(benchmark, group: str, run: Callable[[], Tensor], check: Callable[[], Tensor]) -> None:  # type: ignore[no-untyped-def]
    """Compare, then time without autograd and tell the threads."""
    benchmark.group = group
    benchmark.extra_info["threads"] = torch.get_num_threads()
    with torch.no_grad():
        expected, got = check(), run()
        assert float((got - expected).abs().max() / expected.abs().max()) < 1e-4
        benchmark(run)


@BATCHES
def test_text(benchmark, batch: int) -> None:  # type: ignore[no-untyped-def]
    encoder = models("paper").text_encoder("clip")
    tower, tokenizer = encoder.wrapped.tower, encoder.wrapped._tokenizer  # type: ignore[attr-defined]
    captions = [CAPTION] * batch
    timed(
        benchmark,
        "text",
        lambda: encoder.encode(captions).tokens,
        lambda: plain.plain_text(tower, tokenizer, captions, guided=False),
    )


@PRESETS
@BATCHES
def test_mld(benchmark, preset: str, batch: int) -> None:  # type: ignore[no-untyped-def]
    module = models(preset).official("mld").denoiser
    noise, texts = normal("noise", batch, 1, module.config.latent_width), text_of(2 * batch, module.config.text_width)
    reference = plain.PlainDenoiser(module).eval()
    engine = prepared(module, DenoiseEngine)
    timed(
        benchmark,
        "denoise",
        lambda: engine.sample(noise, ddim_plan(50), Guide(texts, GUIDANCE)),
        lambda: plain.plain_mld(reference, noise, texts.tokens, 50, GUIDANCE),
    )


@PRESETS
@BATCHES
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_motionlcm(benchmark, preset: str, steps: int, batch: int) -> None:  # type: ignore[no-untyped-def]
    module = models(preset).official("motionlcm").denoiser
    noise, text = normal("noise", batch, 1, module.config.latent_width), text_of(batch, module.config.text_width)
    fresh = [normal(f"fresh {i}", *noise.shape) for i in range(steps - 1)]
    reference, engine, timesteps = (
        plain.PlainDenoiser(module).eval(),
        prepared(module, DenoiseEngine),
        lcm_timesteps("v1", steps),
    )
    timed(
        benchmark,
        "denoise",
        lambda: engine.sample(noise, lcm_plan(timesteps), Guide(text, weight=GUIDANCE - 1), fresh),
        lambda: plain.plain_lcm(reference, noise, text.tokens, timesteps, GUIDANCE - 1, fresh),
    )


@BATCHES
@pytest.mark.parametrize("preset", ["micro", "paper", "paper-wide"])
def test_projector(benchmark, preset: str, batch: int) -> None:  # type: ignore[no-untyped-def]
    projector = models(preset).projector()
    latent = normal("latent", batch, 1, projector.network.config.latent_width)
    timed(
        benchmark,
        "project",
        lambda: projector.reproject(projector.project(Latent.full(latent))).values,
        lambda: projector.network(latent)[1],
    )


@PRESETS
@BATCHES
def test_decoder(benchmark, preset: str, batch: int) -> None:  # type: ignore[no-untyped-def]
    module = models(preset).autoencoder().network
    latent, lengths = normal("latent", batch, 1, module.config.latent_width), [FRAMES] * batch
    mask, engine = lengths_to_mask(torch.tensor(lengths)), prepared(module, DecodeEngine)
    reference = plain.PlainDecoder(module).eval()
    timed(benchmark, "decode", lambda: engine.decode(latent, mask), lambda: reference(latent, lengths))


@BATCHES
def test_joints(benchmark, batch: int) -> None:  # type: ignore[no-untyped-def]
    features, skeleton = normal("features", batch, FRAMES, 263), get_skeleton("humanml3d")
    run = lambda rows: features_to_joints(rows, skeleton)  # noqa: E731
    timed(benchmark, "joints", lambda: run(features), lambda: torch.cat([run(row[None]) for row in features]))


@BATCHES
@pytest.mark.parametrize("projected", [False, True])
def test_end_to_end(benchmark, projected: bool, batch: int) -> None:  # type: ignore[no-untyped-def]
    """MLD, captions to features, at full size."""
    store = models("paper")
    parts, encoder, projector = store.official("mld"), store.text_encoder("clip"), store.projector()
    tower, tokenizer = encoder.wrapped.tower, encoder.wrapped._tokenizer  # type: ignore[attr-defined]
    noise, mask = normal("noise", batch, 1, 256), torch.ones(batch, FRAMES, dtype=torch.bool)
    loop, decoder = prepared(parts.denoiser, DenoiseEngine), prepared(parts.autoencoder.network, DecodeEngine)
    captions, null = [CAPTION] * batch, encoder.null(batch)

    def edit(latent: Tensor) -> Tensor:
        return projector.reproject(projector.project(Latent.full(latent))).values if projected else latent

    def run() -> Tensor:
        tokens = torch.cat([null.tokens, encoder.encode(captions).tokens])
        told = Condition(tokens, torch.ones(2 * batch, 1, dtype=torch.bool), "clip")
        return decoder.decode(edit(loop.sample(noise, ddim_plan(50), Guide(told, GUIDANCE))), mask)

    def check() -> Tensor:
        texts = plain.plain_text(tower, tokenizer, captions, guided=True)
        latent = edit(plain.plain_mld(plain.PlainDenoiser(parts.denoiser).eval(), noise, texts, 50, GUIDANCE))
        return plain.PlainDecoder(parts.autoencoder.network).eval()(latent, [FRAMES] * batch)

    timed(benchmark, "end to end", run, check)

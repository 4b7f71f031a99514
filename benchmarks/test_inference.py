"""Inference time of each stage: `pytest benchmarks --benchmark-only`, `-k paper` or `-k micro` for one size.

Weights are random: time does not depend on them. Every benchmark compares its output with the plain path, or with the
network's own forward pass, before it is timed. `python benchmarks/compare.py` times both in turns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import plain
import pytest
import torch
from torch import Tensor

from leadbench.core.device import Compute
from leadbench.core.presets import get_preset
from leadbench.core.random import NoiseSource, stream
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Condition, Latent, lengths_to_mask
from leadbench.engine.decode import DecodeEngine
from leadbench.engine.denoise import DenoiseEngine, Guide
from leadbench.engine.plan import ddim_plan, lcm_plan
from leadbench.motion.features import features_to_joints
from leadbench.nn.packing import prepared
from leadbench.nn.sampling import lcm_timesteps
from leadbench.tasks.latency.subjects import RandomModels

FRAMES, GUIDANCE = 196, 7.5
CAPTION = "a person walks forward and then turns around to the left."
TOLERANCE = 1e-4
NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NO_CUDA)])
BATCHES = pytest.mark.parametrize("batch", [1, 8, 32])
PRESETS = pytest.mark.parametrize("preset", ["micro", "paper"])
LOOPS = pytest.mark.parametrize(
    ("backbone", "steps"), [("mld", 50), ("motionlcm", 1), ("motionlcm", 2), ("motionlcm", 4)]
)

Work = Callable[[], Tensor]


@lru_cache(maxsize=2)
def models(preset: str, device: str) -> RandomModels:
    return RandomModels(get_preset(preset), Compute(torch.device(device)))


def normal(device: str, purpose: str, *shape: int) -> Tensor:
    return torch.from_numpy(stream(0, purpose).standard_normal(shape, dtype="float32")).to(device)


def given(device: str, rows: int, width: int) -> Condition:
    return Condition(normal(device, "text", rows, 1, width), torch.ones(rows, 1, dtype=torch.bool).to(device), "given")


def timed(benchmark, group: str, device: str, run: Work, check: Work) -> None:  # type: ignore[no-untyped-def]
    """Compare, which also warms up and records graphs, then time without autograd and tell the threads."""

    def whole() -> None:
        run()
        if device == "cuda":
            torch.cuda.synchronize()

    benchmark.group = group
    benchmark.extra_info["threads"] = torch.get_num_threads()
    with torch.no_grad():
        expected, got = check(), run()
        assert float((got - expected).abs().max() / expected.abs().max()) < TOLERANCE
        benchmark(whole)


def loops(store: RandomModels, device: str, backbone: str, steps: int, batch: int) -> tuple[Callable[..., Tensor], ...]:
    """The engine's loop of conditions [B] or, for MLD, [2 B], and the plain one."""
    module = store.official(backbone).denoiser
    noise = normal(device, "noise", batch, 1, module.config.latent_width)
    reference, engine = plain.PlainDenoiser(module).eval(), prepared(module, DenoiseEngine)
    if backbone == "mld":
        return (
            lambda told: engine.sample(noise, ddim_plan(steps), Guide(told, GUIDANCE)),
            lambda tokens: plain.plain_mld(reference, noise, tokens, steps, GUIDANCE),
        )
    fresh, timesteps = (
        [normal(device, f"fresh {i}", *noise.shape) for i in range(steps - 1)],
        lcm_timesteps("v1", steps),
    )
    return (
        lambda told: engine.sample(noise, lcm_plan(timesteps), Guide(told, weight=GUIDANCE - 1), fresh),
        lambda tokens: plain.plain_lcm(reference, noise, tokens, timesteps, GUIDANCE - 1, fresh),
    )


@DEVICES
@BATCHES
def test_text(benchmark, batch: int, device: str) -> None:  # type: ignore[no-untyped-def]
    encoder = models("paper", device).text_encoder("clip")
    tower, tokenizer = encoder.wrapped.tower, encoder.wrapped._tokenizer  # type: ignore[attr-defined]
    captions = [CAPTION] * batch
    check = lambda: plain.plain_text(tower, lambda texts: tokenizer(texts).to(device), captions, guided=False)  # noqa: E731
    timed(benchmark, "text", device, lambda: encoder.encode(captions).tokens, check)


@DEVICES
@PRESETS
@BATCHES
@LOOPS
def test_denoise(benchmark, backbone: str, steps: int, batch: int, preset: str, device: str) -> None:  # type: ignore[no-untyped-def]
    store = models(preset, device)
    run, check = loops(store, device, backbone, steps, batch)
    rows = 2 * batch if backbone == "mld" else batch
    told = given(device, rows, store.preset.diffusion.architecture.text_width)
    timed(benchmark, "denoise", device, lambda: run(told), lambda: check(told.tokens))


@DEVICES
@BATCHES
@pytest.mark.parametrize("preset", ["micro", "paper", "paper-wide"])
def test_project(benchmark, preset: str, batch: int, device: str) -> None:  # type: ignore[no-untyped-def]
    projector = models(preset, device).projector()
    latent = normal(device, "latent", batch, 1, projector.network.config.latent_width)
    run = lambda: projector.reproject(projector.project(Latent.full(latent))).values  # noqa: E731
    timed(benchmark, "project", device, run, lambda: projector.network(latent)[1])


@DEVICES
@PRESETS
@BATCHES
def test_decode(benchmark, preset: str, batch: int, device: str) -> None:  # type: ignore[no-untyped-def]
    module = models(preset, device).autoencoder().network
    latent, lengths = normal(device, "latent", batch, 1, module.config.latent_width), [FRAMES] * batch
    mask, engine = lengths_to_mask(torch.tensor(lengths)).to(device), prepared(module, DecodeEngine)
    reference = plain.PlainDecoder(module).eval()
    timed(benchmark, "decode", device, lambda: engine.decode(latent, mask), lambda: reference(latent, lengths))


@DEVICES
@BATCHES
def test_joints(benchmark, batch: int, device: str) -> None:  # type: ignore[no-untyped-def]
    features, skeleton = normal(device, "features", batch, FRAMES, 263), get_skeleton("humanml3d")
    run = lambda rows: features_to_joints(rows, skeleton)  # noqa: E731
    timed(benchmark, "joints", device, lambda: run(features), lambda: torch.cat([run(row[None]) for row in features]))


@DEVICES
def test_noise(benchmark, device: str) -> None:  # type: ignore[no-untyped-def]
    """The noise of a chunk of 1,024, against a generator for each motion."""
    ids = tuple(f"motion {number}" for number in range(1024))
    source = NoiseSource(0, ids, device=torch.device(device))

    def one_by_one() -> Tensor:
        rows = (stream(0, "initial", 0, name, 0, 0).standard_normal((1, 256), dtype="float32") for name in ids)
        return torch.stack([torch.from_numpy(row) for row in rows]).to(device)

    timed(benchmark, "noise", device, lambda: source.normal("initial", (1, 256)), one_by_one)


@DEVICES
@PRESETS
@BATCHES
@LOOPS
@pytest.mark.parametrize("projected", [False, True], ids=["plain", "projected"])
def test_end_to_end(  # type: ignore[no-untyped-def]
    benchmark, projected: bool, backbone: str, steps: int, batch: int, preset: str, device: str
) -> None:
    """Captions to features for MLD at full size; embeddings to features elsewhere."""
    store = models(preset, device)
    run_loop, check_loop = loops(store, device, backbone, steps, batch)
    projector, module = store.projector(), store.autoencoder().network
    mask, decoder = torch.ones(batch, FRAMES, dtype=torch.bool, device=device), prepared(module, DecodeEngine)
    reference, captions = plain.PlainDecoder(module).eval(), [CAPTION] * batch
    with_clip = backbone == "mld" and preset == "paper"
    encoder = store.text_encoder("clip") if with_clip else None
    told = given(device, 2 * batch if backbone == "mld" else batch, store.preset.diffusion.architecture.text_width)

    def condition() -> Condition:
        if encoder is None:
            return told
        tokens = torch.cat([encoder.null(batch).tokens, encoder.encode(captions).tokens])
        return Condition(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=device), "clip")

    def plain_tokens() -> Tensor:
        if encoder is None:
            return told.tokens
        tower, tokenizer = encoder.wrapped.tower, encoder.wrapped._tokenizer  # type: ignore[attr-defined]
        return plain.plain_text(tower, lambda texts: tokenizer(texts).to(device), captions, guided=True)

    def run() -> Tensor:
        latent = run_loop(condition())
        if projected:
            latent = projector.reproject(projector.project(Latent.full(latent))).values
        return decoder.decode(latent, mask)

    def check() -> Tensor:
        latent = check_loop(plain_tokens())
        return reference(projector.network(latent)[1] if projected else latent, [FRAMES] * batch)

    timed(benchmark, "end-to-end", device, run, check)

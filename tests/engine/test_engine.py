"""The engine against the plain path written as the official codes compute: every shortcut, small and seeded."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from plain import PlainDecoder, PlainDenoiser, plain_embed, plain_lcm, plain_mld
from torch import Tensor

from leadbench.core.config import AutoencoderConfig, DenoiserConfig, EvaluatorConfig, ProjectorConfig, TransformerConfig
from leadbench.core.errors import ConfigError, LatentMismatchError
from leadbench.core.tensors import Condition, Latent, lengths_to_mask
from leadbench.engine.decode import DecodeEngine, decoder_for
from leadbench.engine.denoise import DenoiseEngine, Guide, engine_for
from leadbench.engine.embed import embed_in_buckets
from leadbench.engine.plan import ddim_plan, lcm_plan
from leadbench.engine.project import projector_for
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.evaluator import EvaluatorNetworks
from leadbench.nn.packing import (
    InferenceLinear,
    PackedLinear,
    can_pack,
    ordinary_kernels,
    prepare_linear_maps,
    prepared,
)
from leadbench.nn.projector import LeadProjector
from leadbench.nn.sampling import Branches, ddim_sample, lcm_sample, lcm_timesteps
from leadbench.zoo.loaded import LoadedProjector

TRANSFORMER = TransformerConfig(width=32, layers=5, heads=2, feedforward=48)
LOOP = 1e-4  # of the largest magnitude, after 50 steps at guidance 7.5


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def build(**changes: object) -> Denoiser:
    torch.manual_seed(1)
    fields: dict[str, object] = {"latent_width": 32, "text_width": 12, "time_width": 20, "transformer": TRANSFORMER}
    module = Denoiser(DenoiserConfig.model_validate({**fields, **changes})).eval().requires_grad_(False)
    if module.guidance_in is not None:
        torch.nn.init.normal_(module.guidance_in.weight)
    return module


def close(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    assert ours.shape == theirs.shape
    with torch.no_grad():
        assert float((ours - theirs).abs().max() / theirs.abs().max()) < tolerance


def condition(rows: int, length: int = 1, seed: int = 3, width: int = 12) -> Condition:
    return Condition(normal(rows, length, width, seed=seed), torch.ones(rows, length, dtype=torch.bool), "given")


@pytest.mark.parametrize(
    "changes",
    [{}, {"preconditioned": True, "project_latent": True}, {"normalize_text": True, "latent_tokens": 2}],
)
def test_guided_ddim_equals_the_plain_loop(changes: dict[str, object]) -> None:
    module = build(**changes)
    noise, texts = normal(3, module.config.latent_tokens, 32), condition(6)
    plain = plain_mld(PlainDenoiser(module).eval(), noise, texts.tokens, 50, 7.5)
    close(DenoiseEngine(module).sample(noise, ddim_plan(50), Guide(texts, 7.5)), plain, LOOP)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_lcm_equals_the_plain_loop(steps: int, version: str) -> None:
    module = build(guidance_width=16)
    timesteps = lcm_timesteps(version, steps)  # type: ignore[arg-type]
    noise, text, fresh = normal(2, 1, 32), condition(2), [normal(2, 1, 32, seed=i) for i in range(steps - 1)]
    plain = plain_lcm(PlainDenoiser(module).eval(), noise, text.tokens, timesteps, 6.5, fresh)
    close(DenoiseEngine(module).sample(noise, lcm_plan(timesteps), Guide(text, weight=6.5), fresh), plain, 3e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
@pytest.mark.parametrize("scale", [None, 7.5])
def test_maps_shared_by_steps_and_branches_change_nothing(
    scale: float | None, dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, noise = DenoiseEngine(build(), dtype), normal(9, 1, 32)
    guide = Guide(condition(18 if scale else 9, length=2), scale)
    assert engine._sequences(noise, guide)[0].projected is not None
    shared = engine.sample(noise, ddim_plan(5), guide)
    monkeypatch.setattr("leadbench.engine.denoise.LEAST_SHARED", 100)
    assert engine._sequences(noise, guide)[0].projected is None
    close(shared, engine.sample(noise, ddim_plan(5), guide), tolerance)


def test_one_step_without_guidance_is_a_single_pass() -> None:
    module, noise, text = build(), normal(4, 1, 32), condition(4)
    update = ddim_plan(1)[0]
    expected = update.keep * noise + update.predicted * module(noise, torch.tensor(update.timestep), text.tokens)
    close(DenoiseEngine(module).sample(noise, ddim_plan(1), Guide(text)), expected, 1e-5)


@pytest.mark.parametrize("steps", [1, 3, 50, 999])
def test_ddim_plans_equal_the_scheduler_of_diffusers(steps: int) -> None:
    start, first = normal(1, 1, 4), list[int]()

    def wave(x: Tensor, t: Tensor, c: Condition) -> Tensor:
        first.append(int(t))
        return torch.sin(3 * x)

    expected = ddim_sample(wave, start, steps=steps, guidance=None, branches=Branches(condition(1)))
    x = start.double()
    for update in ddim_plan(steps):
        x = update.keep * x + update.predicted * torch.sin(3 * x)
    assert [update.timestep for update in ddim_plan(steps)] == first
    torch.testing.assert_close(x.float(), expected, rtol=1e-3, atol=1e-3)


def test_lcm_plans_equal_the_step_written_out() -> None:
    timesteps, start, fresh = lcm_timesteps("v2", 4), normal(1, 1, 4), [normal(1, 1, 4, seed=i) for i in range(3)]
    expected = lcm_sample(lambda x, t: torch.sin(x), start, timesteps=timesteps, fresh_noise=fresh.__getitem__)
    x = start
    for update, noise in zip(lcm_plan(timesteps), [*fresh, torch.zeros(1, 1, 4)], strict=True):
        x = update.keep * x + update.predicted * torch.sin(x) + update.fresh * noise
    torch.testing.assert_close(x, expected, rtol=1e-5, atol=1e-5)


def test_masked_text_tokens_change_nothing() -> None:
    module, noise, text = build(), normal(2, 1, 32), condition(2, length=3)
    mask = torch.tensor([[True, False, False], [True, True, True]])
    hidden = text.tokens.clone()
    hidden[0, 1:] = 50.0
    engine = DenoiseEngine(module)
    ours = engine.sample(noise, ddim_plan(2), Guide(Condition(hidden, mask, "given")))
    first = Condition(text.tokens[:1, :1], mask[:1, :1], "given")
    alone = engine.sample(noise[:1], ddim_plan(2), Guide(first))
    close(ours[:1], alone, 1e-5)


def test_bfloat16_is_near_and_not_equal() -> None:
    module, noise, texts = build(), normal(2, 1, 32), condition(4)
    full = engine_for(module)
    assert full is not None
    expected = full.sample(noise, ddim_plan(1), Guide(texts, 7.5))
    half = prepared(module, DenoiseEngine, torch.bfloat16).sample(noise, ddim_plan(1), Guide(texts, 7.5))
    assert half.dtype == torch.float32
    assert 0 < float((half - expected).abs().max() / expected.abs().max()) < 0.1


def test_weights_that_change_are_prepared_again_and_training_is_left_alone() -> None:
    module = build()
    first = engine_for(module)
    assert engine_for(module) is first
    module.time_in.weight.add_(1.0)
    assert engine_for(module) is not first
    assert engine_for(module.train()) is None
    assert engine_for(torch.nn.Linear(2, 2)) is None


def test_what_does_not_fit_is_refused_and_results_may_be_differentiated() -> None:
    engine, text = DenoiseEngine(build()), condition(1)
    with pytest.raises(LatentMismatchError, match=r"\[1, 2, 32\], this denoiser takes \[batch, 1, 32\]"):
        engine.sample(normal(1, 2, 32), ddim_plan(1), Guide(text))
    with pytest.raises(ConfigError, match=r"takes \[batch, tokens, 12\]"):
        engine.sample(normal(1, 1, 32), ddim_plan(1), Guide(condition(1, width=5)))
    with pytest.raises(ConfigError, match="no guidance input"):
        engine.sample(normal(1, 1, 32), ddim_plan(1), Guide(text, weight=1.0))
    with pytest.raises(ConfigError, match="allowed are 1 to 999"):
        ddim_plan(1000)
    latent = engine.sample(normal(1, 1, 32), ddim_plan(1), Guide(text))
    weight = torch.ones(1, requires_grad=True)
    (latent * weight).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize("group", [1, 4])
def test_decoding_in_buckets_equals_one_padded_batch(group: int) -> None:
    torch.manual_seed(2)
    config = AutoencoderConfig(features=9, latent_width=20, frames_per_token=group, transformer=TRANSFORMER)
    module = MotionVAE(config).eval().requires_grad_(False)
    module.set_latent_statistics(normal(1, 20), normal(1, 20).abs() + 0.5)
    latent, lengths = normal(5, 1, 20), [13, 40, 13, 22, 40]
    mask = lengths_to_mask(torch.tensor(lengths))
    plain = PlainDecoder(module).eval()(latent, lengths)
    close(DecodeEngine(module).decode(latent, mask), plain, 1e-5)
    assert decoder_for(module, latent, mask) is not None
    assert decoder_for(module, latent.clone().requires_grad_(), mask) is None
    assert decoder_for(module, latent, mask.flip(1)) is None


def test_embedding_in_buckets_equals_the_padded_batch() -> None:
    torch.manual_seed(3)
    config = EvaluatorConfig(features=12, movement_hidden=8, movement_width=8, motion_hidden=8, embedding=5)
    embedder = EvaluatorNetworks(config).eval().requires_grad_(False).motion
    lengths = torch.tensor([16, 40, 8, 24, 40, 12, 32])
    features = normal(7, 44, 12) * lengths_to_mask(lengths, 44)[..., None]
    close(embed_in_buckets(embedder, features, lengths, batch=3), plain_embed(embedder, features, lengths, 2), 1e-5)


@pytest.mark.parametrize("rows", [1, 2, 7, 300])
@pytest.mark.parametrize("gelu", [False, True])
def test_packed_maps_equal_ordinary_ones(rows: int, gelu: bool) -> None:
    weight, bias, x = normal(48, 32), normal(48), normal(rows, 32)
    expected = torch.nn.functional.linear(x, weight, bias)
    expected = torch.nn.functional.gelu(expected) if gelu else expected
    packed = PackedLinear(weight, bias)
    close(packed(x, gelu=gelu), expected, 1e-5)
    with ordinary_kernels():
        assert torch.equal(packed(x, gelu=gelu), expected)
    for copied in (copy.deepcopy(packed), pickle.loads(pickle.dumps(packed))):
        assert torch.equal(copied(x, gelu=gelu), packed(x, gelu=gelu))
    assert not can_pack(torch.device("cpu"), torch.float64)


def test_linear_maps_of_other_modules_run_prepared_without_gradients_and_keep_them() -> None:
    torch.manual_seed(3)
    plain = torch.nn.Sequential(torch.nn.Linear(12, 20), torch.nn.GELU(), torch.nn.Linear(20, 8, bias=False)).eval()
    ours = copy.deepcopy(plain)
    prepare_linear_maps(ours)
    assert [type(part) for part in ours] == [InferenceLinear, torch.nn.GELU, InferenceLinear]
    assert all(torch.equal(ours.state_dict()[name], tensor) for name, tensor in plain.state_dict().items())
    x = normal(2, 3, 12).requires_grad_()
    assert torch.equal(ours(x), plain(x))
    torch.testing.assert_close(torch.autograd.grad(ours(x).sum(), x), torch.autograd.grad(plain(x).sum(), x))
    with torch.no_grad():
        close(ours(x), plain(x), 1e-5)
        ours[0].weight.mul_(2)
        plain[0].weight.mul_(2)
        close(ours(x), plain(x), 1e-5)
        assert ours(x[:0]).shape == (0, 3, 8)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a CUDA device")
def test_a_recorded_graph_gives_the_same() -> None:
    module, noise, texts = build().cuda(), normal(3, 1, 32).cuda(), condition(6).to("cuda")
    engine = DenoiseEngine(module)
    plain = engine.sample(noise, ddim_plan(10), Guide(texts, 7.5), graph=False)
    close(engine.sample(noise, ddim_plan(10), Guide(texts, 7.5)), plain, 1e-5)


def test_a_loop_is_recorded_once_and_reads_its_own_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[Callable[[], Tensor]] = []

    def record(body: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
        bodies.append(body)  # as a graph would be: called again, it reads the tensors that it read
        return body

    monkeypatch.setattr("leadbench.engine.denoise.recorded", record)
    monkeypatch.setattr("leadbench.engine.denoise.recordable", lambda tensor: True)
    engine = DenoiseEngine(build())
    for number, rows in enumerate((4, 2, 4, 4)):
        noise, text = normal(rows, 1, 32, seed=number), condition(rows, seed=number)
        fresh = [normal(rows, 1, 32, seed=10 * number + step) for step in range(3)]
        for plan, guide, added in (
            (ddim_plan(5), Guide(condition(2 * rows, seed=number), 7.5), ()),
            (lcm_plan(lcm_timesteps("v1", 4)), Guide(text), fresh),
        ):
            kept = noise.clone()
            plain = engine.sample(noise, plan, guide, added, graph=False)
            assert torch.equal(engine.sample(noise, plan, guide, added), plain)
            assert torch.equal(noise, kept)
    assert len(bodies) == 4  # two plans of two shapes
    engine.sample(normal(2, 1, 32), ddim_plan(5), Guide(condition(4), 3.0))
    assert len(bodies) == 5  # the guidance scale is a constant of a graph


@pytest.mark.parametrize("rows", [1, 5])
def test_the_projector_of_one_token_equals_its_module(rows: int) -> None:
    torch.manual_seed(2)
    stack = TransformerConfig(width=24, layers=3, heads=4, feedforward=40)
    module = LeadProjector(ProjectorConfig(latent_width=20, text_width=12, transformer=stack)).eval()
    loaded, latent = LoadedProjector(module, "space", "x"), normal(rows, 1, 20)
    for parameter in module.parameters():  # norms and biases of a trained network are not 1 and 0
        parameter.data.add_(0.1 * normal(*parameter.shape, seed=parameter.numel()))
    projection = loaded.project(Latent.full(latent))
    assert projector_for(module, latent, 20) is not None
    codes, back = module(latent)
    close(projection.tokens, codes, 1e-5)
    close(loaded.reproject(projection).values, back, 1e-5)


def test_other_projectors_run_as_they_are() -> None:
    stack = TransformerConfig(width=24, layers=3, heads=4, feedforward=40)
    latent = normal(2, 1, 20)
    layouts = ({"tokens": 2}, {"split": 2}, {"queries": True}, {"architecture": "mlp"}, {"architecture": "skip"})
    for changes in layouts:
        config = ProjectorConfig.model_validate({"latent_width": 20, "text_width": 12, "transformer": stack, **changes})
        assert projector_for(LeadProjector(config).eval(), latent, 20) is None
    plain = LeadProjector(ProjectorConfig(latent_width=20, text_width=12, transformer=stack)).eval()
    assert projector_for(plain, latent.clone().requires_grad_(), 20) is None
    assert projector_for(plain, latent.double(), 20) is None
    assert projector_for(plain.train(), latent, 20) is None
    with pytest.raises(LatentMismatchError, match="this projector takes"):
        LoadedProjector(plain, "space", "x").project(Latent.full(normal(2, 1, 21)))

"""MLD's recorded numbers: denoiser, autoencoder, and the 50-step guided sampling loop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from leadbench.core.tensors import Condition, lengths_to_mask
from leadbench.engine.decode import DecodeEngine
from leadbench.engine.denoise import DenoiseEngine, Guide
from leadbench.engine.plan import ddim_plan
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.positions import timestep_features
from leadbench.nn.sampling import Branches, ddim_sample
from leadbench.zoo.official import autoencoder_from_official, denoiser_from_official

SINGLE, LOOP, MOTION = 3e-5, 1e-3, 1e-4


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not folder.is_dir():
        pytest.skip(f"golden case not found: {folder}")
    return json.loads((folder / "case.json").read_text()), load_file(folder / "io.safetensors")


def build_denoiser(state: dict[str, Tensor], kwargs: dict[str, Any], prefix: str = "") -> Denoiser:
    config, ours = denoiser_from_official(
        state, heads=kwargs["num_heads"], latent_tokens=kwargs["latent_dim"][0], relu_text=True, prefix=prefix
    )
    assert config.latent_width == kwargs["latent_dim"][1]
    assert config.transformer.layers == kwargs["num_layers"]
    assert config.transformer.feedforward == kwargs["ff_size"]
    module = Denoiser(config)
    module.load_state_dict(ours)
    return module.eval()


def build_autoencoder(state: dict[str, Tensor], kwargs: dict[str, Any], prefix: str = "") -> MotionVAE:
    config, ours = autoencoder_from_official(state, heads=kwargs["num_heads"], prefix=prefix)
    assert (config.latent_tokens, config.latent_width) == tuple(kwargs["latent_dim"])
    assert config.features == kwargs["nfeats"]
    assert config.transformer.layers == kwargs["num_layers"]
    module = MotionVAE(config)
    module.load_state_dict(ours)
    return module.eval()


def close(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


@torch.no_grad()
def test_denoiser(golden: Path) -> None:
    case, io = read(golden / "mld_denoiser")
    module = build_denoiser(load_file(golden / "mld_denoiser" / case["weights_file"]), case["kwargs"])
    close(timestep_features(io["timestep"], module.config.time_width), io["debug.time_proj"], SINGLE)
    close(module(io["sample"], io["timestep"], io["text_emb"]), io["output"], SINGLE)
    close(module(io["sample"], io["timestep_scalar"], io["text_emb"]), io["output_scalar_timestep"], SINGLE)
    scalar = io["timestep_scalar"].squeeze()
    close(module(io["sample"], scalar, io["text_emb"]), io["output_scalar_timestep"], SINGLE)
    close(module(io["sample"], io["timestep"], io["text_emb_3tok"]), io["output_3tok"], SINGLE)


@torch.no_grad()
def test_autoencoder(golden: Path) -> None:
    case, io = read(golden / "mld_vae")
    module = build_autoencoder(load_file(golden / "mld_vae" / case["weights_file"]), case["kwargs"])
    mask = io["mask"].bool()
    posterior = module.encode(io["features"], mask)
    close(posterior.loc, io["mu"].transpose(0, 1), SINGLE)
    close(posterior.scale, io["std"].transpose(0, 1), SINGLE)
    close(module.decode(io["mu"].transpose(0, 1), mask), io["decoded"], SINGLE)
    close(module.decode(io["z_random"].transpose(0, 1), mask), io["decoded_random"], SINGLE)


@torch.no_grad()
def test_sampling(golden: Path) -> None:
    case, io = read(golden / "mld_sampling")
    state = torch.load(golden / "mld_sampling" / "mld.ckpt", weights_only=True)["state_dict"]
    denoiser = build_denoiser(state, case["denoiser_kwargs"], prefix="denoiser.")
    autoencoder = build_autoencoder(state, case["vae_kwargs"], prefix="vae.")
    visited: list[int] = []
    before: list[Tensor] = []

    def denoise(noisy: Tensor, timestep: Tensor, condition: Condition) -> Tensor:
        visited.append(int(timestep))
        before.append(noisy[: len(io["init_noise"])])
        return denoiser(noisy, timestep, condition.tokens, text_mask=condition.mask)

    ones = torch.ones(io["cond_emb"].shape[:2], dtype=torch.bool)
    branches = Branches(Condition(io["cond_emb"], ones, "official"), Condition(io["uncond_emb"], ones, "official"))
    steps, guidance = case["num_inference_steps"], case["guidance_scale"]
    z = ddim_sample(denoise, io["init_noise"], steps=steps, guidance=guidance, branches=branches)
    assert visited == io["timesteps"].tolist()
    after = torch.stack([*before[1:], z])
    close(after, io["latents_per_step"], LOOP)
    close(z, io["z"].transpose(0, 1), LOOP)
    engine = DenoiseEngine(denoiser).sample(io["init_noise"], ddim_plan(steps), Guide.of(branches, guidance))
    close(engine, io["z"].transpose(0, 1), LOOP)
    close(DecodeEngine(autoencoder).decode(engine, lengths_to_mask(io["lengths"])), io["motion"], MOTION)
    guided = branches.guided(denoise, guidance)
    for i, recorded in enumerate(io["guided_eps_first3"]):
        noisy = io["init_noise"] if i == 0 else io["latents_per_step"][i - 1]
        close(guided(noisy, io["timesteps"][i]), recorded, 10 * SINGLE)  # guidance 7.5 weighs branches by 7.5 and 6.5
    close(autoencoder.decode(z, lengths_to_mask(io["lengths"])), io["motion"], MOTION)

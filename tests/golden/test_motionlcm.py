"""MotionLCM's recorded numbers, v1 and v2: denoisers, autoencoders, and 1, 2 and 4 step sampling."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.positions import guidance_features, timestep_features
from leadbench.nn.sampling import lcm_guidance, lcm_sample, lcm_timesteps
from leadbench.zoo.official import IGNORED, autoencoder_from_official, denoiser_from_official

SINGLE, LOOP, MOTION = 3e-5, 1e-3, 1e-4
DENOISERS = ["motionlcm_denoiser", "motionlcm_denoiser_v2"]


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not folder.is_dir():
        pytest.skip(f"golden case not found: {folder}")
    return json.loads((folder / "case.json").read_text()), load_file(folder / "io.safetensors")


def build_denoiser(weights: Path, kwargs: dict[str, Any]) -> Denoiser:
    config, ours = denoiser_from_official(
        load_file(weights),
        heads=kwargs["num_heads"],
        latent_tokens=kwargs["latent_dim"][0],
        relu_text=kwargs["text_act_fn"] == "relu",
    )
    assert config.latent_width == kwargs["latent_dim"][1]
    assert config.guidance_width == kwargs["time_cond_proj_dim"]
    assert config.time_width == kwargs["time_dim"]
    assert config.transformer.layers == kwargs["num_layers"]
    module = Denoiser(config)
    module.load_state_dict(ours)
    return module.eval()


def build_autoencoder(weights: Path, kwargs: dict[str, Any]) -> MotionVAE:
    config, ours = autoencoder_from_official(load_file(weights), heads=kwargs["num_heads"])
    assert (config.latent_tokens, config.latent_width) == tuple(kwargs["latent_dim"])
    assert config.project_latent == kwargs["force_pre_post_proj"]
    module = MotionVAE(config)
    module.load_state_dict(ours)
    return module.eval()


def recorded_frequencies(io: dict[str, Tensor], key: str) -> Tensor:
    """Frequencies [W / 2] of guidance features as the processor had them that recorded ``key``.

    The last bit of exp is not the same on every processor, and at angles of up to 15,000 rad it is worth 5e-4. So of
    the float32 that torch finds here and its two neighbours, the one is taken that gives the recorded features.
    """
    half = io[key].shape[1] // 2
    here = torch.exp(torch.arange(half, dtype=torch.float32) * (-math.log(10_000) / (half - 1)))
    near = torch.stack([here, here.nextafter(torch.tensor(0.0)), here.nextafter(torch.tensor(2.0))])
    angles = (io["guidance_w"].float() * 1000.0)[:, None] * near[:, None, :]
    sines, cosines = io[key][:, :half], io[key][:, half : 2 * half]
    error = (angles.sin() - sines).abs().maximum((angles.cos() - cosines).abs())
    return near.gather(0, error.amax(1).argmin(0, keepdim=True))[0]


def features_at(frequencies: Tensor, weight: Tensor, width: int) -> Tensor:
    angles = (weight.float() * 1000.0)[:, None] * frequencies
    return torch.nn.functional.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, width % 2))


def close(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", DENOISERS)
@torch.no_grad()
def test_denoiser(golden: Path, name: str) -> None:
    case, io = read(golden / name)
    module = build_denoiser(golden / name / case["weights_file"], case["kwargs"])
    text = io["text_emb"]
    close(timestep_features(io["timestep"], module.config.time_width), io["debug.time_proj"], SINGLE)
    close(guidance_features(io["w"], case["kwargs"]["time_cond_proj_dim"]), io["timestep_cond"], SINGLE)
    close(module(io["sample"], io["timestep"], text, guidance_weight=io["w"]), io["output"], SINGLE)
    close(module(io["sample"], io["timestep"], text), io["output_no_cond"], SINGLE)


@pytest.mark.parametrize("name", DENOISERS)
def test_guidance_features(golden: Path, name: str) -> None:
    _, io = read(golden / name)
    for key in ("guidance_embedding", "guidance_embedding_256", "guidance_embedding_odd"):
        width, frequencies = io[key].shape[1], recorded_frequencies(io, key)
        close(features_at(frequencies, io["guidance_w"], width), io[key], SINGLE)
        # ours are those, but for the last bit of a frequency
        angles = 1000 * io["guidance_w"].double()[:, None] * frequencies.double()
        slack = torch.nn.functional.pad(torch.cat([angles, angles], dim=1), (0, width % 2)) * 2.0**-23
        difference = (guidance_features(io["guidance_w"], width) - io[key]).abs()
        assert bool((difference <= SINGLE + slack).all()), key


@pytest.mark.parametrize("name", ["motionlcm_vae_v1", "motionlcm_vae_v2"])
@torch.no_grad()
def test_autoencoder(golden: Path, name: str) -> None:
    case, io = read(golden / name)
    module = build_autoencoder(golden / name / case["weights_file"], case["kwargs"])
    mask = io["mask"].bool()
    posterior = module.encode(io["features"], mask)
    close(posterior.loc, io["mu"].transpose(0, 1), SINGLE)
    close(posterior.scale, io["std"].transpose(0, 1), SINGLE)
    close(module.decode(io["z_mu"], mask), io["decoded"], SINGLE)
    close(module.decode(io["z_random"], mask), io["decoded_random"], SINGLE)


@pytest.mark.parametrize("version", ["v1", "v2"])
@torch.no_grad()
def test_sampling(golden: Path, version: str) -> None:
    folder = golden / f"motionlcm_sampling_{version}"
    case, io = read(folder)
    denoiser = build_denoiser(folder / case["weights_from"]["denoiser"], case["denoiser_kwargs"])
    autoencoder = build_autoencoder(folder / case["weights_from"]["vae"], case["vae_kwargs"])
    which = cast(Literal["v1", "v2"], version)
    for steps, recorded in case["steps"].items():
        timesteps = lcm_timesteps(which, int(steps))
        assert list(timesteps) == recorded["timesteps"]
        assert lcm_guidance(which, int(steps)) == recorded["guidance_scale"]
        weight = torch.tensor(recorded["guidance_scale"] - 1.0)
        before: list[Tensor] = []
        drawn: list[int] = []

        def denoise(noisy: Tensor, timestep: Tensor) -> Tensor:
            before.append(noisy)  # noqa: B023 (the loop's own list)
            return denoiser(noisy, timestep, io["text_emb"], guidance_weight=weight)  # noqa: B023

        def fresh_noise(step: int) -> Tensor:
            drawn.append(step)  # noqa: B023
            return io[f"steps{steps}.noise.{step}"]  # noqa: B023

        z = lcm_sample(denoise, io["init_noise"], timesteps=timesteps, fresh_noise=fresh_noise)
        assert drawn == list(range(recorded["noises_drawn"]))
        for i, latents in enumerate([*before[1:], z]):
            close(latents, io[f"steps{steps}.latents_after.{i}"], LOOP)
        close(z, io[f"steps{steps}.z"], LOOP)
        theirs, scale, mask = io[f"steps{steps}.motion"], case["vae_scale_factor"], io["mask"].bool()
        close(autoencoder.decode(io[f"steps{steps}.z"] / scale, mask), theirs, MOTION)
        close(autoencoder.decode(z / scale, mask), theirs, LOOP)  # carries the rounding of the loop along


MANIFESTS = [
    "mld_humanml3d",
    "mld_kit",
    "mld_teacher_of_motionlcm_v1_humanml3d",
    "mld_teacher_of_motionlcm_v2_humanml3d",
    "motionlcm_v1_humanml3d",
    "motionlcm_v2_humanml3d",
]


@pytest.mark.parametrize("name", MANIFESTS)
def test_full_size_layouts_fit(golden: Path, name: str) -> None:
    """Every tensor of a published full-size checkpoint has a place in our modules, and none is left over."""
    file = golden / "manifests" / f"{name}.json"
    if not file.is_file():
        pytest.skip(f"golden manifest not found: {file}")
    shapes = json.loads(file.read_text())
    counts = json.loads((golden / "manifests" / "case.json").read_text())["parameters"].get(name, {})
    state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    vae_config, vae = autoencoder_from_official(state, heads=4, prefix="vae.")
    config, denoiser = denoiser_from_official(
        state, heads=4, latent_tokens=vae_config.latent_tokens, relu_text=True, prefix="denoiser."
    )
    assert config.latent_width == vae_config.latent_width
    with torch.device("meta"):
        modules = {"vae_params": MotionVAE(vae_config), "denoiser_params": Denoiser(config)}
    modules["vae_params"].load_state_dict(vae, assign=True)
    modules["denoiser_params"].load_state_dict(denoiser, assign=True)
    unread = sum(state[f"denoiser.{key}"].numel() for key in IGNORED if f"denoiser.{key}" in state)
    for part, count in counts.items():
        ours = sum(parameter.numel() for parameter in modules[part].parameters())
        assert ours == count - (unread if part == "denoiser_params" else 0)

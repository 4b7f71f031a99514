"""The plain path beside the official code: ``python benchmarks/official.py FOLDER``.

FOLDER is a checkout of MLD's repository (github.com/ChenFengYe/motion-latent-diffusion). Both run MLD's 50 guided steps
in turns, at full size with random weights.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import plain
import torch
from compare import CPU, GUIDANCE, normal
from diffusers import DDIMScheduler
from torch import Tensor, nn

from leadbench.core.presets import get_preset
from leadbench.core.provenance import hardware
from leadbench.nn.schedule import make_scheduler
from leadbench.tasks.latency.subjects import RandomModels
from leadbench.tasks.latency.timing import in_turns, probe


def official_denoiser(folder: Path) -> nn.Module:
    """MLD's denoiser with random weights, from its own files.

    The packages around it import datasets, renderers and metrics; they are given empty stand-ins.
    """
    for name in ("", ".models", ".models.architectures", ".models.architectures.tools", ".models.operator", ".utils"):
        package = ModuleType("mld" + name)
        package.__path__ = [str(folder / ("mld" + name).replace(".", "/"))]
        sys.modules["mld" + name] = package
    sys.modules["mld.models.operator"].PositionalEncoding = None  # type: ignore[attr-defined]
    lengths = ModuleType("mld.utils.temos_utils")
    lengths.lengths_to_mask = None  # type: ignore[attr-defined]
    sys.modules[lengths.__name__] = lengths
    ablation = SimpleNamespace(SKIP_CONNECT=True, VAE_TYPE="mld", DIFF_PE_TYPE="mld")
    module = importlib.import_module("mld.models.architectures.mld_denoiser")
    made: nn.Module = module.MldDenoiser(ablation, num_layers=9, text_encoded_dim=768).eval()
    return made


@torch.no_grad()
def official_loop(denoiser: nn.Module, noise: Tensor, text: Tensor) -> Tensor:
    """50 guided steps around the official network."""
    scheduler = make_scheduler(DDIMScheduler, steps_offset=1)
    scheduler.set_timesteps(50)
    latents = noise
    for timestep in scheduler.timesteps:
        both = denoiser(sample=torch.cat([latents] * 2), timestep=timestep, encoder_hidden_states=text)[0]
        unconditional, conditional = both.chunk(2)
        predicted = unconditional + GUIDANCE * (conditional - unconditional)
        latents = scheduler.step(predicted, timestep, latents, eta=0.0).prev_sample
    return latents


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    theirs = official_denoiser(options.folder)
    ours = plain.PlainDenoiser(RandomModels(get_preset("paper")).official("mld").denoiser).eval()
    print(f"{hardware()}\n{probe(CPU)}")
    for batch, rounds in ((1, 21), (32, 7)):
        noise, text = normal("noise", batch, 1, 256), normal("texts", 2 * batch, 1, 768)
        taken = in_turns(
            {
                "official": lambda noise=noise, text=text: official_loop(theirs, noise, text),
                "plain": lambda noise=noise, text=text: plain.plain_mld(ours, noise, text, 50, GUIDANCE),
            },
            rounds,
            CPU,
        )
        first, second = taken["official"], taken["plain"]
        for name, time in taken.items():
            print(f"batch {batch}, {name}: {time.median:.3f} s (least {time.least:.3f})")
        print(f"batch {batch}, plain / official: {second.median / first.median:.2f} ({second.least / first.least:.2f})")


if __name__ == "__main__":
    main()

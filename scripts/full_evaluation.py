"""What a full evaluation on HumanML3D takes, by arithmetic: operations of networks of full size, counted, over a rate.

    python scripts/full_evaluation.py
    python scripts/full_evaluation.py --rate 27 --measure 0.76 --reference 4.2

20 replications of 4,384 captions; MLD at 50 steps, MotionLCM at 1, 2 and 4, each with and without the projector; and
MultiModality in each replication. Operations are counted by torch on random weights of preset ``paper``; rate, launches
and the host's seconds are what is assumed. Nothing here is measured on a GPU.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
from tabulate import tabulate
from torch.utils.flop_counter import FlopCounterMode

from leadbench.core.presets import get_preset
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.evaluator import EvaluatorNetworks
from leadbench.nn.projector import LeadProjector

CAPTIONS, REPLICATIONS, REPEATED = 4_384, 20, 100 * 30
FRAMES = 144  # HumanML3D's motions are 7.1 s long on average, at 20 fps; a multiple of 4
CHUNK = 1_024
LAUNCHES = 150  # kernels of a denoising step, and of a decoding
LAUNCH_SECONDS = 5e-6


@dataclass(frozen=True)
class Counted:
    """Operations (a multiplication and an addition are two) of one row."""

    denoise: float
    decode: float
    project: float
    embed: float


def counted(batch: int = 4) -> Counted:
    """Operations of the networks of preset ``paper``, forward, for one motion of ``FRAMES`` frames."""
    preset = get_preset("paper")
    denoiser, space = Denoiser(preset.diffusion.architecture), MotionVAE(preset.autoencoder.architecture)
    projector, evaluator = (
        LeadProjector(preset.projector.architecture),
        EvaluatorNetworks(preset.evaluator.architecture),
    )
    for network in (denoiser, space, projector, evaluator):
        network.eval().requires_grad_(False)
    shape = preset.diffusion.architecture
    latent = torch.randn(batch, shape.latent_tokens, shape.latent_width)
    text, mask = torch.randn(batch, 1, shape.text_width), torch.ones(batch, FRAMES, dtype=torch.bool)
    motion = torch.randn(batch, FRAMES, preset.evaluator.architecture.features)

    def count(call: object) -> float:
        with FlopCounterMode(display=False) as counter:
            call()  # type: ignore[operator]
        return counter.get_total_flops() / batch

    gru = 2 * sum(p.numel() for p in evaluator.motion.sequence.gru.parameters()) * FRAMES // 4  # which torch leaves out
    return Counted(
        denoise=count(lambda: denoiser(latent, torch.zeros(batch, dtype=torch.long), text)),
        decode=count(lambda: space.decode(latent, mask)),
        project=count(lambda: projector.reproject(projector.project(latent))),
        embed=count(lambda: evaluator.motion(motion, torch.full((batch,), FRAMES))) + gru,
    )


def unit(found: Counted, steps: int, branches: int, *, projected: bool, chosen: argparse.Namespace) -> float:
    """Seconds of one replication of one row."""
    rows = CAPTIONS + REPEATED
    one = steps * branches * found.denoise + found.decode + found.embed + projected * found.project
    chunks = -(-CAPTIONS // CHUNK) + -(-REPEATED // CHUNK)
    return rows * one / (chosen.rate * 1e12) + chunks * (steps + 2) * LAUNCHES * LAUNCH_SECONDS + chosen.measure


def main() -> None:
    """Print operations, seconds of units, and of the whole on one and on eight GPUs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=27.0, help="10^12 operations a second that are reached")
    parser.add_argument("--measure", type=float, default=0.76, help="seconds of the metrics of a unit, on the host")
    parser.add_argument("--reference", type=float, default=4.2, help="seconds of the real motions of a replication")
    parser.add_argument("--start", type=float, default=30.0, help="seconds until a process has loaded everything")
    chosen = parser.parse_args()
    found = counted()
    operations = {name: f"{count / 1e9:.3f}" for name, count in vars(found).items()}
    print(tabulate(operations.items(), headers=["operations of a row", "10^9"], tablefmt="github"))
    settings = [("MLD", 50, 2), ("MotionLCM", 1, 1), ("MotionLCM", 2, 1), ("MotionLCM", 4, 1)]
    rows = {
        f"{'LEAD, ' if projected else ''}{name}, steps: {steps}": unit(
            found, steps, branches, projected=projected, chosen=chosen
        )
        for name, steps, branches in settings
        for projected in (False, True)
    }
    print()
    print(tabulate(rows.items(), headers=["row", "seconds a replication"], tablefmt="github", floatfmt=".1f"))
    replication = sum(rows.values()) + chosen.reference
    for count in (1, 8):
        worked = REPLICATIONS * replication / count
        whole = worked + chosen.start
        print(f"\n{count} GPU{'s' * (count > 1)}: {whole / 60:.1f} min, of which {worked / whole:.0%} are worked")


if __name__ == "__main__":
    main()

"""Pose strips: one motion real, reconstructed, generated and realigned, drawn below each other."""

from __future__ import annotations

from pathlib import Path

import torch

from leadbench.core.errors import DataError
from leadbench.core.random import NoiseSource
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Latent, MotionBatch
from leadbench.data.humanml3d import DrawnSample, collate, draw
from leadbench.generate.pipeline import decode_latents, sample_latents
from leadbench.motion.features import features_to_joints
from leadbench.report.figures.strips import draw_strip
from leadbench.tasks.t2m.assemble import Assembled


@torch.no_grad()
def draw_comparison(assembled: Assembled, sample: str, path: Path) -> Path:
    """Draw one test motion as PNG: real, reconstruction, then each backbone's first setting with every variant.

    Raises:
        DataError: the test split holds no motion of that id.
    """
    benchmark = assembled.benchmark
    found = [item for item in draw(benchmark.samples, benchmark.config.seed, 0) if item.id == sample]
    if not found:
        raise DataError(f"--id {sample}: no such motion in split {benchmark.config.split!r}")
    item = found[0]
    raw = collate([item.features])
    motions = {f"Real\n{item.caption.caption}": raw}
    for label, autoencoder in benchmark.autoencoders.items():
        posterior = autoencoder.encode(raw.normalize(autoencoder.motion))
        motions["Recon- struction" + label] = decode_latents(autoencoder, Latent.full(posterior.loc), raw.mask, None)
    for entry in benchmark.entries:
        setting = entry.settings[0]
        noise = NoiseSource(benchmark.config.seed, (item.id,))
        latent = sample_latents(
            entry.backbone, [item.caption.caption], raw.mask, noise, steps=setting.steps, guidance=setting.guidance
        )
        for row, (_, edit) in entry.variants.items():
            motions[f"{row}, {setting.steps} step{'s' if setting.steps > 1 else ''}"] = decode_latents(
                entry.backbone.autoencoder, latent, raw.mask, edit
            )
    return _draw(motions, path, item, benchmark.dataset.motion.skeleton)


def _draw(motions: dict[str, MotionBatch], path: Path, item: DrawnSample, skeleton_name: str) -> Path:
    skeleton = get_skeleton(skeleton_name)
    joints = {
        label: features_to_joints(motion.denormalize().features[0, : item.length], skeleton).numpy()
        for label, motion in motions.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    return draw_strip(joints, path, skeleton)

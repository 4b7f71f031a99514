"""Pose strips: one motion real, reconstructed, generated and realigned, drawn below each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from leadbench.core.device import place_of
from leadbench.core.errors import DataError
from leadbench.core.random import NoiseSource
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Latent, moved_mask
from leadbench.data.humanml3d import DrawnSample, collate, draw
from leadbench.generation.pipeline import decode_latents, sample_latents
from leadbench.motion.features import features_to_joints
from leadbench.report.figures.strips import draw_strip
from leadbench.report.names import model_name, row_with_steps
from leadbench.tasks.t2m.task import T2MTask


def draw_comparison(task: T2MTask, sample: str, path: Path) -> Path:
    """Draw one test motion as PNG: real, reconstruction, then each backbone's first setting with every variant.

    Raises:
        DataError: the test split holds no motion of that id.
    """
    found = [item for item in draw(task.samples, task.config.seed, 0) if item.id == sample]
    if not found:
        raise DataError(f"--id {sample}: no such motion in split {task.config.split!r}")
    joints = joints_beside(task, found[0])
    captioned = {f"Real\n{found[0].caption.caption}": joints.pop("Real"), **joints}
    path.parent.mkdir(parents=True, exist_ok=True)
    return draw_strip(captioned, path, get_skeleton(task.dataset.motion.skeleton))


@torch.no_grad()
def joints_beside(task: T2MTask, item: DrawnSample, *, reconstruction: bool = True) -> dict[str, NDArray[np.floating]]:
    """Joints [F, J, 3] of a test motion: real, reconstructed, then of each backbone's first setting with every edit.

    Args:
        item: whose caption and length the backbones are given.
        reconstruction: whether those of the autoencoders are among them.

    Returns:
        By what stands in tables: ``Real`` first.
    """
    raw = collate([item.features])
    motions = {"Real": raw}
    for owner, autoencoder in task.autoencoders.items() if reconstruction else ():
        label = "" if owner is None else f" ({model_name(owner, task.names)})"
        there = raw.to(place_of(autoencoder))
        posterior = autoencoder.encode(there.normalize(autoencoder.motion))
        motions["Recon- struction" + label] = decode_latents(autoencoder, Latent.full(posterior.loc), there.mask, None)
    for entry in task.entries:
        sampling = entry.samplings[0]
        mask = moved_mask(raw.mask, place_of(entry.backbone.autoencoder))
        noise = NoiseSource(task.config.seed, (item.id,), device=mask.device)
        latent = sample_latents(
            entry.backbone, [item.caption.caption], mask, noise, steps=sampling.steps, guidance=sampling.guidance
        )
        for edit in entry.edits:
            motions[row_with_steps(entry.row(sampling, edit), task.names)] = decode_latents(
                entry.backbone.autoencoder, latent, mask, edit.map
            )
    skeleton = get_skeleton(task.dataset.motion.skeleton)
    return {
        label: features_to_joints(motion.denormalize().features[0, : item.length].cpu(), skeleton).numpy()
        for label, motion in motions.items()
    }

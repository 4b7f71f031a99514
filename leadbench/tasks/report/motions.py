"""Motions of a report: the captions that a backbone meets best and worst, real and generated side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from leadbench.core.device import place_of
from leadbench.core.random import NoiseSource
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import mask_of
from leadbench.data.humanml3d import DrawnSample, draw
from leadbench.generation.pipeline import decode_latents, sample_latents
from leadbench.report.pages.scenes import Shown, scene
from leadbench.tasks.shared.scoring import embed
from leadbench.tasks.t2m.strips import joints_beside
from leadbench.tasks.t2m.task import T2MTask

LOOKED_AT = 128  # captions that are generated for, to choose from
_AT_ONCE = 64


def extreme_captions(task: T2MTask, count: int) -> list[tuple[DrawnSample, float]]:
    """Captions with the largest and the smallest distance between text and generated motion, worst first.

    Of the first :data:`LOOKED_AT` motions of the split, by the first backbone at its first setting without edits.

    Args:
        task: opened.
        count: how many; the worst half is the larger one.

    Returns:
        Drawn samples with the Euclidean distance of the evaluator's embeddings.
    """
    drawn = draw(task.samples, task.config.seed, 0)[:LOOKED_AT]
    distances = torch.cat([_distances(task, drawn[i : i + _AT_ONCE]) for i in range(0, len(drawn), _AT_ONCE)])
    order = distances.argsort(descending=True).tolist()
    count = min(count, len(order))
    chosen = [*order[: (count + 1) // 2], *order[len(order) - count // 2 :]]
    return [(drawn[i], float(distances[i])) for i in chosen]


@torch.no_grad()
def _distances(task: T2MTask, drawn: Sequence[DrawnSample]) -> Tensor:
    entry = task.entries[0]
    sampling = entry.samplings[0]
    mask = mask_of([item.length for item in drawn], place_of(entry.backbone.autoencoder))
    noise = NoiseSource(task.config.seed, tuple(item.id for item in drawn), device=mask.device)
    captions = [item.caption.caption for item in drawn]
    latent = sample_latents(entry.backbone, captions, mask, noise, steps=sampling.steps, guidance=sampling.guidance)
    motion = decode_latents(entry.backbone.autoencoder, latent, mask, None)
    text = task.evaluator.embed_text([item.caption for item in drawn])
    apart: Tensor = torch.linalg.vector_norm(embed(task.evaluator, motion) - text, dim=1)
    return apart.cpu()


def motion_scenes(task: T2MTask, count: int) -> list[Mapping[str, Any]]:
    """Scenes of a page: each caption with the real motion and what every backbone and edit makes of it.

    Args:
        task: opened.
        count: captions.

    Returns:
        Dictionaries of ``title``, ``text`` and ``content`` (:func:`leadbench.report.pages.scenes.scene`).
    """
    spec = task.dataset.motion
    chosen = extreme_captions(task, count)
    found: list[Mapping[str, Any]] = []
    for number, (item, distance) in enumerate(chosen):
        joints = joints_beside(task, item, reconstruction=False)
        real, caption = joints["Real"], item.caption.caption
        figures = []
        for label, values in joints.items():
            figures.append(Shown(label, values, caption, place=label))
            if label != "Real":
                figures.append(Shown("Real", real, caption, place=label, ghost=True))
        which = "worst" if number < (len(chosen) + 1) // 2 else "best"
        found.append(
            {
                "title": caption,
                "text": f"Among the {which} of {LOOKED_AT} captions: distance to the text {distance:.2f}; "
                f"test motion {item.id}, {item.length / spec.fps:.1f} s.",
                "content": {**scene(figures, get_skeleton(spec.skeleton), spec.fps), "ghosts": False},
            }
        )
    return found

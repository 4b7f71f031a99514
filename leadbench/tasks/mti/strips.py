"""Look at what words learnt from motions make: exemplar, and motions of its words, as pose strips (paper, Figure 7)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from leadbench.core.contracts import Projector
from leadbench.core.device import place_of
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Latent, MotionBatch, mask_of
from leadbench.generation.pipeline import decode_latents, realign
from leadbench.motion.features import features_to_joints
from leadbench.report.figures.strips import draw_strip
from leadbench.report.names import row_name
from leadbench.tasks.mti.task import INITIAL, MTITask

SHOWN = ((INITIAL, False), ("mld", False), ("lead", True))
"""Loss of the words, and whether their motions are projected."""


def draw_words(task: MTITask, folder: Path, path: Path, count: int = 2) -> Path:
    """Draw the first ``count`` exemplars, each above the motions that its words make in the first replication (PNG).

    Args:
        folder: of the task's run, which holds the words.
    """
    task.adopt(None, folder)
    reference = task.reference(0)
    skeleton = get_skeleton(task.dataset.motion.skeleton)
    mask = mask_of([item.length for item in reference.drawn], place_of(task.backbone.autoencoder))
    made: dict[str, MotionBatch] = {}
    for way, words in task.words().items():
        latent = task.sample(words.vectors, reference, 0)
        for projector in way.projectors:
            variant = None if projector is None else projector.variant
            if variant is None and (way.loss, projector is not None) in SHOWN:
                name = row_name(task.row(way, projector), task.names)
                made[name] = _decode(task, latent, mask, None if projector is None else projector.projector)
    rows = {}
    for row in range(min(count, len(reference.drawn))):
        item = reference.drawn[row]
        rows[f"Exemplar {row + 1}\n{item.caption.caption}"] = features_to_joints(item.features[None], skeleton)[0]
        for name, motion in made.items():
            rows[f"{name} {row + 1}"] = features_to_joints(motion.features[row : row + 1, : item.length], skeleton)[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    return draw_strip(rows, path, skeleton)


def _decode(task: MTITask, latent: Latent, mask: Tensor, projector: Projector | None) -> MotionBatch:
    autoencoder = task.backbone.autoencoder
    edit = None if projector is None else realign(projector, autoencoder)
    return decode_latents(autoencoder, latent, mask, edit).denormalize().to("cpu")

"""Look at what words learnt from motions make: exemplar, and motions of its words, as pose strips (paper, Figure 7)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from leadbench.core.contracts import Projector
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Latent, MotionBatch
from leadbench.data.humanml3d import collate
from leadbench.generate.pipeline import decode_latents, realign
from leadbench.motion.features import features_to_joints
from leadbench.report.figures.strips import draw_strip
from leadbench.tasks.mti.task import INITIAL, PROJECTED, MTIBenchmark

SHOWN = (INITIAL, "MTI mld", f"MTI lead{PROJECTED}")


def draw_words(benchmark: MTIBenchmark, path: Path, count: int = 2) -> Path:
    """Draw the first ``count`` exemplars, each above the motions that its words make in the first replication (PNG)."""
    reference = benchmark.reference(0)
    skeleton = get_skeleton(benchmark.dataset.motion.skeleton)
    mask = collate([item.features for item in reference.drawn]).mask
    made: dict[str, MotionBatch] = {}
    for name, words in benchmark.words(lambda label, done, total: None).items():
        latent = benchmark.sample(words.vectors, reference, 0)
        for suffix, projector in words.projectors.items():
            if name + suffix in SHOWN:
                made[name + suffix] = _decode(benchmark, latent, mask, projector)
    rows = {}
    for row in range(min(count, len(reference.drawn))):
        item = reference.drawn[row]
        rows[f"Exemplar {row + 1}\n{item.caption.caption}"] = features_to_joints(item.features[None], skeleton)[0]
        for name, motion in made.items():
            rows[f"{name} {row + 1}"] = features_to_joints(motion.features[row : row + 1, : item.length], skeleton)[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    return draw_strip(rows, path, skeleton)


def _decode(benchmark: MTIBenchmark, latent: Latent, mask: Tensor, projector: Projector | None) -> MotionBatch:
    autoencoder = benchmark.backbone.autoencoder
    edit = None if projector is None else realign(projector, autoencoder)
    return decode_latents(autoencoder, latent, mask, edit).denormalize()

"""Metrics of single motions, of the real ones: what the values of generated motions should be compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from leadbench.core.contracts import GeneratedMotions, MotionMetric
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Latent, MotionSpec
from leadbench.data.humanml3d import DrawnSample, collate
from leadbench.motion.features import features_to_joints
from leadbench.tasks.shared.chunks import Chunk, ChunkedWork


def measure_real(
    drawn: Sequence[DrawnSample], spec: MotionSpec, metrics: Mapping[str, MotionMetric], chunks: ChunkedWork
) -> dict[str, float | None]:
    """Mean over the real crops of each metric; None where it is not finite, as a metric of latents may be.

    Real motions are decoded from nothing: their latents have no tokens.
    """
    if not metrics:
        return {}
    values = {name: torch.empty(len(drawn)) for name in metrics}

    def work(chunk: Chunk) -> None:
        rows = list(chunk.rows)
        raw = collate([drawn[i].features for i in rows])
        joints = features_to_joints(raw.features, get_skeleton(spec.skeleton))
        nothing = Latent.full(joints.new_zeros(len(rows), 0, 0))
        for name, metric in metrics.items():
            values[name][rows] = metric(GeneratedMotions(joints, raw.mask, spec.skeleton, spec.fps, nothing)).float()

    chunks.run(drawn, work)
    means = {name: float(value.mean()) for name, value in values.items()}
    return {name: mean if math.isfinite(mean) else None for name, mean in means.items()}

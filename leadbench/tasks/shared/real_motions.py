"""Metrics of single motions that no latents belong to: real ones, and those of a folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from leadbench.core.contracts import GeneratedMotions, MotionMetric
from leadbench.core.device import indices, sent
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Latent, MotionBatch, MotionSpec
from leadbench.data.frames import drawn_batch
from leadbench.data.humanml3d import DrawnSample
from leadbench.motion.features import features_to_joints
from leadbench.tasks.shared.chunks import Chunk, ChunkedWork


def measured(metric: MotionMetric, motions: GeneratedMotions) -> Tensor:
    """Values [B] float32 of a metric, on the device of the motions; one that asks for the CPU is given a copy there."""
    if getattr(metric, "on_any_device", False):
        return metric(motions).float()
    return sent(metric(motions.to("cpu")).float(), motions.joints.device)


def measure_real(
    drawn: Sequence[DrawnSample], spec: MotionSpec, metrics: Mapping[str, MotionMetric], chunks: ChunkedWork
) -> dict[str, float | None]:
    """Mean over the real crops of each metric; None where it is not finite, as a metric of latents may be."""
    place = torch.device("cpu") if chunks.pool is None else chunks.pool.device
    return measure_motions(
        drawn, lambda chunk: drawn_batch([drawn[i] for i in chunk.rows], place, chunks.pool), spec, metrics, chunks
    )


def measure_motions(
    drawn: Sequence[DrawnSample],
    crops: Callable[[Chunk], MotionBatch],
    spec: MotionSpec,
    metrics: Mapping[str, MotionMetric],
    chunks: ChunkedWork,
) -> dict[str, float | None]:
    """Mean of each metric over motions that were decoded from nothing: their latents have no tokens.

    Args:
        drawn: whose lengths say which of them meet in a chunk.
        crops: raw features of the motions of a chunk, on the device of the chunks' pool, else on the CPU.
    """
    if not metrics:
        return {}
    place = torch.device("cpu") if chunks.pool is None else chunks.pool.device
    values = {name: torch.empty(len(drawn), device=place) for name in metrics}

    def work(chunk: Chunk) -> None:
        raw = crops(chunk)
        joints = features_to_joints(raw.features, get_skeleton(spec.skeleton))
        nothing = Latent.none(len(chunk.rows), joints.device)
        motions, at = GeneratedMotions(joints, raw.mask, spec.skeleton, spec.fps, nothing), indices(chunk.rows, place)
        for name, metric in metrics.items():
            values[name].index_copy_(0, at, measured(metric, motions))

    chunks.run(drawn, work)
    means = {name: float(value.mean()) for name, value in values.items()}
    return {name: mean if math.isfinite(mean) else None for name, mean in means.items()}

"""Metrics. What is listed here takes arrays or tensors and returns floats; the modules hold what it is made of."""

from leadbench.metrics.distributions import (
    fid_infinity,
    kernel_distance,
    nearest_distances,
    precision_recall,
    vendi_score,
)
from leadbench.metrics.functional import diversity, fid, mm_dist, multimodality, r_precision
from leadbench.metrics.gallery import gallery_ranks

__all__ = [
    "diversity",
    "fid",
    "fid_infinity",
    "gallery_ranks",
    "kernel_distance",
    "mm_dist",
    "multimodality",
    "nearest_distances",
    "precision_recall",
    "r_precision",
    "vendi_score",
]

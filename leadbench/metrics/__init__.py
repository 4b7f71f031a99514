"""Metrics. What is listed here takes arrays or tensors and returns floats; the modules hold what it is made of."""

from leadbench.metrics.functional import diversity, fid, mm_dist, multimodality, r_precision

__all__ = ["diversity", "fid", "mm_dist", "multimodality", "r_precision"]

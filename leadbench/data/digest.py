"""What tells one dataset's content from another's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from leadbench.core.contracts import MotionDataset
from leadbench.core.tensors import MotionSample, MotionSpec


def samples_digest(samples: Sequence[MotionSample], motion: MotionSpec) -> str:
    """SHA-256 over ids, features and captions of a split, and over the dataset's statistics."""
    digest = hashlib.sha256(motion.digest.encode())
    for sample in samples:
        words = "\x1e".join(f"{caption.caption}\x1f{' '.join(caption.tokens)}" for caption in sample.captions)
        digest.update(f"{sample.id}\x1d{words}\x1d{list(sample.features.shape)}".encode())
        digest.update(sample.features.contiguous().numpy().tobytes())
    return digest.hexdigest()


def dataset_identity(dataset: MotionDataset, splits: Sequence[str] = ()) -> dict[str, Any]:
    """What numbers on a dataset depend on: its own identity, what its card says, and the content of further splits.

    Args:
        splits: read beside the test split, which a dataset's identity is of.
    """
    found: dict[str, Any] = {"name": dataset.name, "identity": dataset.identity, "motion": dataset.motion.digest}
    card = getattr(dataset, "card", None)
    if isinstance(card, BaseModel):
        found["card"] = card.model_dump(mode="json")
    if splits:
        found["splits"] = {
            split: samples_digest(dataset.load(split, skip_bad=True)[0], dataset.motion)
            for split in dict.fromkeys(splits)
        }
    return found

"""Metrics of sets in the form that plugins give them: embeddings in, numbers by column out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from pydantic import Field
from torch import Tensor

from leadbench.core.config import FrozenModel
from leadbench.core.contracts import MotionSets, SetMetric, TextEncoder
from leadbench.metrics.distributions import (
    LEAST,
    NEIGHBOURS,
    fid_infinity,
    kernel_distance,
    nearest_distances,
    precision_recall,
    vendi_score,
)
from leadbench.metrics.gallery import KS, THRESHOLD, alike_captions, dissimilar_rows, gallery_ranks, pooled_recall

if TYPE_CHECKING:
    from leadbench.plugins.context import Context

POOLS = (32, 64, 128, 256)
Numbers = Mapping[str, float | None]


class NeighbourOptions(FrozenModel):
    """Options of ``prdc``: k of the nearest neighbours."""

    k: int = Field(NEIGHBOURS, ge=1)


class ExtrapolationOptions(FrozenModel):
    """Options of ``fid-infinity``, as :func:`leadbench.metrics.distributions.fid_infinity` takes them."""

    points: int = Field(10, ge=2)
    smallest: float = Field(0.25, gt=0, lt=1)
    repeats: int = Field(3, ge=1)


class CaptionOptions(FrozenModel):
    """Options of ``gallery-alike``, ``gallery-apart`` and ``pools``: when captions count as one.

    Attributes:
        encoder: text encoder whose cosines tell it.
        threshold: of (cosine + 1) / 2.
        dissimilar: captions of the dissimilar subset.
    """

    encoder: str = "minilm"
    threshold: float = Field(THRESHOLD, gt=0, le=1)
    dissimilar: int = Field(100, ge=2)


def kid(sets: MotionSets) -> Numbers:
    """Kernel distance and its standard error, times 1,000; None of fewer than 3 motions."""
    if len(sets.generated) < 3:
        return dict.fromkeys(("kid", "kid_error"))
    found = kernel_distance(sets.real, sets.generated, paired=True)
    return {"kid": 1000 * found.value, "kid_error": 1000 * found.error}


def vendi(sets: MotionSets) -> Numbers:
    """Vendi score of the generated motions."""
    return {"vendi": vendi_score(sets.generated)}


def memorisation(sets: MotionSets) -> Numbers:
    """Mean distance to the nearest motion of the train split; share that is nearer than half of the real ones are."""
    train = sets.train()
    made, real = nearest_distances(sets.generated, train), nearest_distances(sets.real, train)
    return {"train_distance": float(made.mean()), "near_train": float((made < real.median()).double().mean())}


@dataclass(frozen=True)
class NearestNeighbours:
    """Precision, recall, density and coverage."""

    neighbours: int

    def __call__(self, sets: MotionSets) -> Numbers:
        """The four, by name; None where a set has no more rows than neighbours."""
        if min(len(sets.real), len(sets.generated)) <= self.neighbours:
            return dict.fromkeys(("precision", "recall", "density", "coverage"))
        return vars(precision_recall(sets.real, sets.generated, neighbours=self.neighbours))


@dataclass(frozen=True)
class Extrapolation:
    """FID at an infinite number of motions."""

    options: ExtrapolationOptions

    def __call__(self, sets: MotionSets) -> Numbers:
        """The value alone; :func:`leadbench.metrics.distributions.fid_infinity` has the curve."""
        if len(sets.generated) < LEAST:
            return {"fid_infinity": None}
        found = fid_infinity(sets.real, sets.generated, seed=sets.seed, paired=True, **self.options.model_dump())
        return {"fid_infinity": found.value}


@dataclass(frozen=True, eq=False)
class Gallery:
    """Retrieval in the whole split: among all motions, as TMR's protocol "all" has it."""

    prefix: str = "all"

    def __call__(self, sets: MotionSets) -> Numbers:
        """Recall and median rank, text to motion and motion to text."""
        return self._ranked(sets.text, sets.generated)

    def _ranked(self, text: Tensor, motion: Tensor, alike: Tensor | None = None) -> dict[str, float]:
        found: dict[str, float] = {}
        for way in ("t2m", "m2t"):
            ranks = gallery_ranks(text, motion, alike=alike, direction=way)
            found |= {f"{self.prefix}_{way}_r{k}": ranks.recall(k) for k in KS}
            found[f"{self.prefix}_{way}_median"] = ranks.median
        return found


@dataclass(frozen=True, eq=False)
class AlikeGallery(Gallery):
    """The same where motions of captions that mean the same are no misses (TMR's protocol "all with threshold")."""

    prefix: str = "alike"
    options: CaptionOptions = field(default_factory=CaptionOptions)
    encoder: TextEncoder | None = None

    def __call__(self, sets: MotionSets) -> Numbers:
        """Recall and median rank, and how many other captions one is like."""
        alike = alike_captions(_caption_embeddings(self.encoder, sets), self.options.threshold)
        others = float((alike.sum(1) - 1).double().mean())
        return {**self._ranked(sets.text, sets.generated, alike), "alike_captions": others}


@dataclass(frozen=True, eq=False)
class ApartGallery(AlikeGallery):
    """The same among captions that are as different as can be (TMR's protocol "dissimilar subset")."""

    prefix: str = "apart"

    def __call__(self, sets: MotionSets) -> Numbers:
        """Recall and median rank."""
        rows = dissimilar_rows(_caption_embeddings(self.encoder, sets), self.options.dissimilar)
        return dict(self._ranked(sets.text[rows], sets.generated[rows]))


@dataclass(frozen=True, eq=False)
class Pools:
    """R-precision at 1 by the size of the pools, with and without alike captions."""

    options: CaptionOptions
    encoder: TextEncoder

    def __call__(self, sets: MotionSets) -> Numbers:
        """None for a size that the split fills no pool of."""
        alike = alike_captions(_caption_embeddings(self.encoder, sets), self.options.threshold)
        found: dict[str, float | None] = {}
        for size in (*POOLS, len(sets.text)):
            name = "all" if size == len(sets.text) and size not in POOLS else str(size)
            for ending, pairs in (("", None), ("_alike", alike)):
                found[f"pool_{name}{ending}"] = pooled_recall(sets.text, sets.generated, sets.order, size, 1, pairs)
        found.setdefault("pool_all", found.get(f"pool_{len(sets.text)}"))
        found.setdefault("pool_all_alike", found.get(f"pool_{len(sets.text)}_alike"))
        return found


def _caption_embeddings(encoder: TextEncoder | None, sets: MotionSets) -> Tensor:
    """[S, T], one vector a caption."""
    assert encoder is not None  # factories give one
    with torch.no_grad():
        return encoder.encode(sets.captions).pooled().cpu()


def make_kid(context: Context) -> SetMetric:
    """Factory of ``kid``."""
    return kid


def make_vendi(context: Context) -> SetMetric:
    """Factory of ``vendi``."""
    return vendi


def make_memorisation(context: Context) -> SetMetric:
    """Factory of ``memorisation``."""
    return memorisation


def make_prdc(context: Context) -> SetMetric:
    """Factory of ``prdc``."""
    return NearestNeighbours(context.options.k)


def make_fid_infinity(context: Context) -> SetMetric:
    """Factory of ``fid-infinity``."""
    return Extrapolation(context.options)


def make_gallery(context: Context) -> SetMetric:
    """Factory of ``gallery``."""
    return Gallery()


def make_alike_gallery(context: Context) -> SetMetric:
    """Factory of ``gallery-alike``."""
    return AlikeGallery(options=context.options, encoder=_captions_encoder(context))


def make_apart_gallery(context: Context) -> SetMetric:
    """Factory of ``gallery-apart``."""
    return ApartGallery(options=context.options, encoder=_captions_encoder(context))


def make_pools(context: Context) -> SetMetric:
    """Factory of ``pools``."""
    return Pools(context.options, _captions_encoder(context))


def _captions_encoder(context: Context) -> TextEncoder:
    # by its name: --text-encoder speaks of what backbones are conditioned on
    return context.models.text_encoder(context.options.encoder)

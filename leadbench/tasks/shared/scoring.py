"""From generated motions to metrics: re-normalise, embed, compare with the reference draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from leadbench.core.config import T2MConfig
from leadbench.core.contracts import Evaluator, MotionDataset
from leadbench.core.device import indices, place_of
from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.random import stream
from leadbench.core.tensors import MotionBatch, MotionSample
from leadbench.data.frames import drawn_batch
from leadbench.data.humanml3d import DrawnSample, draw
from leadbench.metrics.diversity import Pairs, diversity, diversity_pair_count, draw_pairs, multimodality
from leadbench.metrics.frechet import FeatureStatistics, frechet_distance
from leadbench.metrics.retrieval import r_precision
from leadbench.tasks.shared.chunks import Chunk, ChunkedWork, pool_for
from leadbench.tasks.shared.protocols import PROTOCOLS

NOT_FINITE = "a generated motion holds NaN or infinity; nothing was recorded for this unit"
SECOND_DRAW = 1_000_000  # added to a replication's number: the streams of its other draw of the real motions


@dataclass(frozen=True, eq=False)
class Reference:
    """One replication's real draw, embedded: what generated motions are compared with.

    Attributes:
        drawn: captions and crops, in split order.
        text: caption embeddings [S, E].
        motion: embeddings [S, E] of the real motions.
        other: those of another draw of the same motions, with which metrics of sets compare real ones.
        order: permutation that shuffles the samples into pools.
        rows: samples that FID and Diversity look at.
        pairs: first and second indices for Diversity, into ``rows``.
        statistics: what FID compares generated motions with.
        second: statistics of another draw of the same motions, with which FID compares real ones.
    """

    drawn: tuple[DrawnSample, ...]
    text: Tensor
    motion: Tensor
    other: Tensor
    order: Tensor
    rows: Tensor
    pairs: Pairs
    statistics: FeatureStatistics
    second: FeatureStatistics

    @property
    def as_real(self) -> Reference:
        """The reference of the Real row: the draw itself is measured against another one."""
        return replace(self, statistics=self.second)


def embed_checked(evaluator: Evaluator, motion: MotionBatch) -> Tensor:
    """Embeddings [B, E] of motions in any normalisation; on an accelerator this waits.

    Raises:
        NonFiniteError: a motion holds NaN or infinity.
    """
    # the sum of finite values is finite, in a fifth of the time; where it is not, it may have overflowed
    if not math.isfinite(float(motion.features.sum())) and not bool(torch.isfinite(motion.features).all()):
        raise NonFiniteError(NOT_FINITE)
    return embed(evaluator, motion)


def embed(evaluator: Evaluator, motion: MotionBatch) -> Tensor:
    """Embeddings [B, E] of motions in any normalisation, on the evaluator's device."""
    return evaluator.embed_motion(motion.to(place_of(evaluator)).normalize(evaluator.motion))


def embed_drawn(evaluator: Evaluator, drawn: Sequence[DrawnSample], chunks: ChunkedWork) -> Tensor:
    """Embeddings [S, E] of the real crops, on the CPU; datasets hold no NaN, so none is looked for."""
    place = place_of(evaluator)
    out = torch.full((len(drawn), evaluator.dim), float("nan"), device=place)

    def work(chunk: Chunk) -> None:
        batch = drawn_batch([drawn[i] for i in chunk.rows], place, chunks.pool)
        out.index_copy_(0, indices(chunk.rows, place), embed(evaluator, batch).to(out.dtype))

    chunks.run(drawn, work)
    return out.cpu()


def embed_split(
    evaluator: Evaluator, dataset: MotionDataset, config: T2MConfig, chunks: ChunkedWork, split: str = "train"
) -> Tensor:
    """Embeddings [T, E] of one draw of the crops of a whole split."""
    samples = dataset.load(split, skip_bad=config.skip_bad_motions)[0]
    pool = pool_for(samples, evaluator)
    return embed_drawn(evaluator, draw(samples, config.seed, 0), replace(chunks, pool=pool))


def make_reference(
    evaluator: Evaluator, samples: Sequence[MotionSample], config: T2MConfig, replication: int, chunks: ChunkedWork
) -> Reference:
    """Draw and embed the real motions of a replication, twice, and fix pools and pairs.

    Raises:
        DataError: fewer than two motions, which have no covariance.
    """
    if len(samples) < 2:
        raise DataError(f"split {config.split!r} has {len(samples)} usable motion; FID needs at least 2")
    protocol = PROTOCOLS[config.protocol]
    drawn = draw(samples, config.seed, replication)
    again = draw(samples, config.seed, replication + SECOND_DRAW)
    motion, other = (embed_drawn(evaluator, chosen, chunks) for chosen in (drawn, again))
    order, other_order = (_order(len(drawn), config, number) for number in (replication, replication + SECOND_DRAW))
    rows, other_rows = order, other_order
    if protocol.complete_pools_only:
        complete = len(drawn) // config.pool * config.pool or len(drawn)
        rows, other_rows = order[:complete], other_order[:complete]
    # in the order of the split: the sums behind a mean then do not depend on the shuffle
    rows, other_rows = rows.sort().values, other_rows.sort().values
    second = FeatureStatistics.from_embeddings(other[other_rows])
    return Reference(
        drawn=tuple(drawn),
        text=evaluator.embed_text([item.caption for item in drawn]).cpu(),
        motion=motion,
        other=other,
        order=order,
        rows=rows,
        pairs=_diversity_pairs(len(rows), config, replication),
        statistics=second if protocol.fresh_reference else FeatureStatistics.from_embeddings(motion[rows]),
        second=second,
    )


def _order(count: int, config: T2MConfig, replication: int) -> Tensor:
    return torch.from_numpy(stream(config.seed, "pools", replication).permutation(count))


def _diversity_pairs(count: int, config: T2MConfig, replication: int) -> Pairs:
    return draw_pairs(
        count,
        diversity_pair_count(count, config.diversity_pairs),
        stream(config.seed, "diversity", replication),
        wanted=config.diversity_pairs,
    )


def score_without_captions(
    reference: Reference, motion: Tensor, config: T2MConfig, replication: int
) -> dict[str, float | None]:
    """FID and Diversity of embeddings [S', E] of other motions, of any number; the rest is not available."""
    pairs = _diversity_pairs(len(motion), config, replication)
    nothing: dict[str, float | None] = dict.fromkeys(("r_precision_1", "r_precision_2", "r_precision_3", "mm_dist"))
    return {
        "fid": frechet_distance(reference.statistics, FeatureStatistics.from_embeddings(motion)),
        **nothing,
        "diversity": _diversity(motion, pairs),
        "multimodality": None,
    }


def score(
    reference: Reference, motion: Tensor, config: T2MConfig, text: Tensor | None = None
) -> dict[str, float | None]:
    """FID, R-precision, MM-Dist and Diversity of motion embeddings [S, E] against a reference, by its protocol.

    ``text`` replaces the reference's captions (for controls). R-precision and MM-Dist are None below one pool.
    """
    captions = reference.text if text is None else text
    retrieval = r_precision(captions, motion, order=reference.order, pool=config.pool)
    counted = motion[reference.rows]
    return {
        "fid": frechet_distance(reference.statistics, FeatureStatistics.from_embeddings(counted)),
        "r_precision_1": None if retrieval is None else retrieval.top[0],
        "r_precision_2": None if retrieval is None else retrieval.top[1],
        "r_precision_3": None if retrieval is None else retrieval.top[2],
        "mm_dist": None if retrieval is None else retrieval.matching_score,
        "diversity": _diversity(counted, reference.pairs),
        "multimodality": None,
    }


def reduced_settings(reference: Reference, config: T2MConfig) -> list[str]:
    """What the reader of a table must know of metrics that are missing, or measured on less than officially."""
    notes, count = [f"pools of {config.pool}"], len(reference.drawn)
    if count < config.pool:
        notes.append(f"R-precision and MM-Dist: not available, {count} samples fill no pool of {config.pool}")
    if reference.pairs.note:
        notes.append(f"Diversity: {reference.pairs.note}")
    return notes


def _diversity(embeddings: Tensor, pairs: Pairs) -> float | None:
    return diversity(embeddings, pairs.first, pairs.second) if pairs.usable else None


def score_multimodality(embeddings: Tensor, config: T2MConfig, replication: int) -> float:
    """MultiModality of embeddings [captions, repeats, E]; one set of pairs for all captions."""
    repeats = embeddings.shape[1]
    pairs = draw_pairs(
        repeats, min(config.multimodality_pairs, repeats // 2), stream(config.seed, "multimodality", replication)
    )
    return multimodality(embeddings, pairs.first, pairs.second)

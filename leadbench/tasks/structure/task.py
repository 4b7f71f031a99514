"""Latent structure (paper, section 5.3 and Figure 3, right): are similar motions nearer to each other
in the projected space than among the autoencoder's latents?

The paper shows a picture. Here numbers go with it: nearest-neighbour accuracy and silhouettes of action labels in both
spaces, with bootstrap intervals of their paired difference, and retrieval of captions from projected latents. Controls
are shuffled labels and captions, and both spaces reduced to one width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leadbench.core.config import StructureConfig
from leadbench.core.contracts import MotionAutoencoder, MotionDataset, Projector, TextEncoder
from leadbench.core.device import indices, place_of
from leadbench.core.random import stream
from leadbench.core.tensors import Latent
from leadbench.data.digest import dataset_identity
from leadbench.data.frames import drawn_batch
from leadbench.data.humanml3d import DrawnSample, draw
from leadbench.metrics.retrieval import r_precision
from leadbench.metrics.structure import (
    METRICS,
    Metric,
    best_ranks,
    bootstrap_interval,
    knn_correct,
    principal_components,
    silhouettes,
    t_sne,
    unit_rows,
)
from leadbench.report.figures.spaces import Panel, draw_spaces
from leadbench.results.details import StructureDetails
from leadbench.results.points import LatentPoints
from leadbench.results.records import Record, Run, record_key
from leadbench.results.rows import Row
from leadbench.tasks.shared.chunks import Chunk, ChunkedWork, automatic_chunk
from leadbench.tasks.shared.units import Task, Unit
from leadbench.tasks.structure.action_labels import ActionLabels, find_labels, recordings_of, same_clip
from leadbench.tasks.structure.table import panel_title, verdict
from leadbench.text.cache import CachedTextEncoder
from leadbench.zoo.projectors import AttachedProjector

Values = dict[str, Tensor]


def _space(space: str, *, pca: bool = False, shuffled: bool = False) -> Row:
    setting: dict[str, str | int | float] = {"space": space, **({"reduction": "pca"} if pca else {})}
    return Row(source="real", control="shuffled-labels" if shuffled else None, setting=setting)


LATENTS, LATENTS_PCA = _space("latents"), _space("latents", pca=True)
PROJECTED, PROJECTED_PCA = _space("projected"), _space("projected", pca=True)
LATENTS_SHUFFLED, PROJECTED_SHUFFLED = _space("latents", shuffled=True), _space("projected", shuffled=True)
DIFFERENCE, DIFFERENCE_PCA = _space("difference"), _space("difference", pca=True)
ROWS = (
    LATENTS, PROJECTED, LATENTS_PCA, PROJECTED_PCA, LATENTS_SHUFFLED, PROJECTED_SHUFFLED, DIFFERENCE, DIFFERENCE_PCA
)  # fmt: skip
_UNSHUFFLED = {LATENTS_SHUFFLED: LATENTS, PROJECTED_SHUFFLED: PROJECTED}


@dataclass
class StructureTask(Task):
    """Vectors of real motions in the latent space and in the projected one.

    Args:
        dataset: whose ``config.split`` is looked at.
        root: its folder, which may hold labels.
        autoencoder: whose posterior means are the latents.
        attached: projector of its latent space.
        encoder: text space that the projector was aligned to.
        config: labels, neighbours, pools, resamples.
        notes: put into every record.
        inputs: what the numbers depend on (:func:`leadbench.tasks.shared.identity.inputs_identity`).
    """

    dataset: MotionDataset
    root: Path
    autoencoder: MotionAutoencoder
    attached: AttachedProjector
    encoder: TextEncoder
    config: StructureConfig
    notes: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    name: str = "structure"

    def __post_init__(self) -> None:
        self.names = {self.attached.name: self.attached.display}

    @property
    def group(self) -> str:
        """The dataset's name."""
        return self.dataset.name

    @property
    def projector(self) -> Projector:
        """The projector itself."""
        return self.attached.projector

    def identity(self) -> dict[str, Any]:
        """Motions, labels, latent space and projector."""
        return {
            "config": self.config.model_dump(mode="json"),
            "dataset": dataset_identity(self.dataset),
            **self.inputs,
            "latent": self.autoencoder.fingerprint,
            "projector": {"name": self.attached.name, "digest": self.attached.digest},
            "text_encoder": self.encoder.name,
            "labels": {"source": self.labels.source, "counts": self.labels.counts},
        }

    def warm_up(self) -> None:
        """Embed all captions, many at once."""
        if isinstance(self.encoder, CachedTextEncoder):
            self.encoder.together(self._captions)

    def units(self) -> list[Unit]:
        """One: all spaces are compared on the same resamples."""
        return [Unit("latent structure", tuple(record_key(self._as_recorded(row), 0) for row in ROWS), self._work)]

    def _work(self) -> list[Record]:
        values = {row: self._separation(rows, self._classes) for row, rows in self._spaces.items()}
        for shuffled, row in _UNSHUFFLED.items():
            values[shuffled] = self._separation(self._spaces[row], self._classes[self._shuffled])
        for difference, before, after in (
            (DIFFERENCE, LATENTS, PROJECTED),
            (DIFFERENCE_PCA, LATENTS_PCA, PROJECTED_PCA),
        ):
            values[difference] = {name: values[after][name] - values[before][name] for name in values[before]}
        retrieved = self._retrieved()
        return [self._record(row, values[row], retrieved.get(row, {})) for row in ROWS]

    def draw(self, path: Path, run: Run) -> Path:
        """Both spaces by t-SNE in one PNG, coloured by action; ``run`` is this task's."""
        found = {record.row: record for record in run.records}
        panels = [
            Panel(panel_title(found[self._as_recorded(row)], metric), points.numpy())
            for row, metric, points in self._places
        ]
        labels = [self.labels.by_id[self._drawn[i].id] for i in self._counted]
        title = f"{self.dataset.name}: {len(labels)} motions of the {self.config.split} split, by {self.labels.source}"
        return draw_spaces(panels, labels, path, title=title, caption=verdict(found[self._as_recorded(DIFFERENCE)]))

    def points(self) -> LatentPoints:
        """The same points with the captions of their motions, for a report to show."""
        drawn = [self._drawn[i] for i in self._counted]
        return LatentPoints(
            labels=tuple(self.labels.by_id[item.id] for item in drawn),
            captions=tuple(item.caption.caption for item in drawn),
            spaces={
                str(row.setting["space"]): tuple((round(x, 3), round(y, 3)) for x, y in points.tolist())
                for row, _, points in self._places
            },
        )

    @cached_property
    def _places(self) -> list[tuple[Row, Metric, Tensor]]:
        """Points [N, 2] of both spaces by t-SNE, each by its own metric."""
        found = []
        for row, metric in ((LATENTS, METRICS[0]), (PROJECTED, METRICS[1])):
            # the stream's name is that of earlier versions, so that pictures stay the same
            generator = stream(self.config.seed, "t-sne", str(row.setting["space"]).capitalize())
            found.append(
                (row, metric, t_sne(self._spaces[row][self._counted], metric, generator, self.config.perplexity))
            )
        return found

    # ------------------------------------------------------------------ what is looked at

    @cached_property
    def _drawn(self) -> list[DrawnSample]:
        samples = self.dataset.load(self.config.split, skip_bad=self.config.skip_bad_motions)[0]
        return draw(samples, self.config.seed, 0)

    @cached_property
    def labels(self) -> ActionLabels:
        """Labels of the split's motions."""
        return find_labels(self.root, [item.sample for item in self._drawn], self.config)

    @cached_property
    def _counted(self) -> list[int]:
        """Rows of the motions that have a label."""
        return [i for i, item in enumerate(self._drawn) if item.id in self.labels.by_id]

    @cached_property
    def _chunks(self) -> ChunkedWork:
        return ChunkedWork(self.config.chunk or automatic_chunk(place_of(self.autoencoder)))

    @cached_property
    def _classes(self) -> Tensor:
        names = list(self.labels.counts)
        return torch.tensor([names.index(self.labels.by_id[self._drawn[i].id]) for i in self._counted])

    @cached_property
    def _clips(self) -> Tensor:
        """A number for each motion, equal for pieces and mirrored copies of one clip."""
        return torch.tensor(same_clip([item.id for item in self._drawn], recordings_of(self.root)))

    @cached_property
    def _captions(self) -> list[str]:
        """All different captions of the split."""
        return list(dict.fromkeys(text.caption for item in self._drawn for text in item.sample.captions))

    @cached_property
    def _shuffled(self) -> Tensor:
        order = stream(self.config.seed, "structure-shuffle", "labels").permutation(len(self._counted))
        return torch.from_numpy(order)

    @cached_property
    def _spaces(self) -> dict[Row, Tensor]:
        """Vectors [S, width] of all motions in each space."""
        latents, codes = self._encode()
        width = min(latents.shape[1], codes.shape[1], len(latents))
        return {
            LATENTS: latents,
            PROJECTED: codes,
            LATENTS_PCA: principal_components(latents, width),
            PROJECTED_PCA: principal_components(codes, width),
        }

    @torch.no_grad()
    def _encode(self) -> tuple[Tensor, Tensor]:
        """Posterior means, flattened, and the vectors that are compared with text."""
        spec = self.autoencoder.latent
        place = place_of(self.autoencoder)
        latents = torch.empty(len(self._drawn), spec.tokens, spec.width, device=place)
        codes: dict[int, Tensor] = {}

        def work(chunk: Chunk) -> None:
            motion = drawn_batch([self._drawn[i] for i in chunk.rows], place)
            means = self.autoencoder.encode(motion.normalize(self.autoencoder.motion)).loc
            latents.index_copy_(0, indices(chunk.rows, place), means)
            codes.update(zip(chunk.rows, self.projector.project(Latent.full(means)).aligned.cpu(), strict=True))

        self._chunks.run(self._drawn, work)
        return latents.flatten(1).cpu().double(), torch.stack([codes[i] for i in range(len(codes))]).double()

    # ------------------------------------------------------------------ what is measured

    def _separation(self, rows: Tensor, classes: Tensor) -> Values:
        """Accuracy and silhouette of each labelled motion, by both metrics."""
        rows, clips = rows[self._counted], self._clips[self._counted]
        found = {}
        for metric in METRICS:
            correct = knn_correct(rows, classes, metric, neighbours=self.config.neighbours, groups=clips)
            found[f"knn_accuracy_{metric}"] = correct.double()
            found[f"silhouette_{metric}"] = silhouettes(rows, classes, metric)
        return found

    def _retrieved(self) -> dict[Row, Values]:
        """Hits at 1, 2, 3 in pools and ranks in the whole split, of projected motions; and of shuffled captions."""
        codes, samples = self._spaces[PROJECTED], [item.sample for item in self._drawn]
        texts = self._embed([item.caption.caption for item in self._drawn])
        place = {caption: number for number, caption in enumerate(self._captions)}
        embedded = self._embed(self._captions)
        order = torch.from_numpy(stream(self.config.seed, "pools", 0).permutation(len(samples)))
        others = torch.from_numpy(stream(self.config.seed, "structure-shuffle", "captions").permutation(len(samples)))
        found: dict[Row, Values] = {}
        for row, whose in ((PROJECTED, torch.arange(len(samples))), (PROJECTED_SHUFFLED, others)):
            own = [[place[caption.caption] for caption in samples[i].captions] for i in whose.tolist()]
            found[row] = {"rank": best_ranks(codes, embedded, own).double()}
            # at length 1 the Euclidean order is that of the cosine
            pooled = r_precision(unit_rows(codes), unit_rows(texts[whose]), order=order, pool=self.config.pool)
            if pooled is not None:
                found[row] |= {f"r_precision_{k + 1}": pooled.hits[:, k].double() for k in range(3)}
                found[row]["rows"] = pooled.rows
        return found

    def _embed(self, captions: list[str]) -> Tensor:
        """Embeddings [n, C], several tokens averaged as in the projector's training."""
        condition = self.encoder.encode(captions).to("cpu")
        used = condition.mask[..., None]
        return ((condition.tokens * used).sum(dim=1) / used.sum(dim=1)).double()

    def _record(self, row: Row, values: Values, retrieved: Values) -> Record:
        clips = self._clips[self._counted]
        metrics: dict[str, float | None] = {name: float(found.mean()) for name, found in values.items()}
        intervals = {name: self._interval(found, clips) for name, found in values.items()}
        for k in (1, 2, 3):
            hits = retrieved.get(f"r_precision_{k}")
            metrics[f"r_precision_{k}"] = None if hits is None else float(hits.mean())
            if hits is not None:
                intervals[f"r_precision_{k}"] = self._interval(hits, self._clips[retrieved["rows"]])
        ranks = retrieved.get("rank")
        metrics["median_rank"] = None if ranks is None else float(ranks.quantile(0.5))
        return Record(
            task=self.name,
            dataset=self.dataset.name,
            protocol=self.config.protocol,
            evaluator=self.autoencoder.fingerprint,  # the space that is looked at; no evaluator takes part
            row=self._as_recorded(row),
            replication=0,
            seed=self.config.seed,
            metrics=metrics,
            details=self._details(row, intervals),
            chunk_size=self._chunks.size,
        )

    def _as_recorded(self, row: Row) -> Row:
        """The row with the projector that it is of."""
        if row.setting["space"] == "latents":
            return row
        return row.model_copy(update={"projector": self.attached.name, "variant": self.attached.variant})

    def _interval(self, values: Tensor, clips: Tensor) -> tuple[float, float]:
        # one stream for all: every row is judged on the same resamples
        generator = stream(self.config.seed, "structure-bootstrap")
        low, high = bootstrap_interval(values, generator, groups=clips, draws=self.config.resamples)
        return low, high

    def _details(self, row: Row, intervals: Mapping[str, tuple[float, float]]) -> StructureDetails:
        space = self._spaces.get(_UNSHUFFLED.get(row, row), self._spaces[PROJECTED])
        reduced = row.setting.get("reduction") == "pca"
        return StructureDetails(
            samples=len(self._drawn),
            notes=self.notes,
            width=self._spaces[PROJECTED_PCA].shape[1] if reduced else space.shape[1],
            labelled=len(self._counted),
            clips=len(self._clips[self._counted].unique()),
            labels=self.labels.counts,
            labels_source=self.labels.source,
            neighbours=self.config.neighbours,
            pool=self.config.pool,
            captions=len(self._captions),
            resamples=self.config.resamples,
            intervals=dict(intervals),
            aligned=None if row.setting["space"] == "latents" else self.projector.text_encoder,
        )

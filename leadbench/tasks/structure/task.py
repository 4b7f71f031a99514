"""The benchmark of latent structure (paper, section 5.3 and Figure 3, right): are similar motions nearer to each other
in the projected space than among the autoencoder's latents?

The paper shows a picture. Here numbers go with it: nearest-neighbour accuracy and silhouettes of action labels in both
spaces, with bootstrap intervals of their paired difference, and retrieval of captions from projected latents. Controls
are shuffled labels and captions, and both spaces reduced to one width.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leadbench.core.config import StructureConfig
from leadbench.core.contracts import Backbone, MotionAutoencoder, MotionDataset, Projector, TextEncoder
from leadbench.core.errors import ConfigError, WeightsError
from leadbench.core.provenance import sha256_file
from leadbench.core.random import stream
from leadbench.core.tensors import Latent
from leadbench.data.humanml3d import DrawnSample, collate, draw
from leadbench.generate.pipeline import realign
from leadbench.metrics.retrieval import r_precision
from leadbench.metrics.structure import (
    METRICS,
    best_ranks,
    bootstrap_interval,
    knn_correct,
    principal_components,
    silhouettes,
    t_sne,
    unit_rows,
)
from leadbench.report.figures.spaces import Panel, draw_spaces
from leadbench.results.spaces import DIFFERENCE, LATENTS, PCA, PROJECTED, SHUFFLED
from leadbench.results.store import Record, RunStore
from leadbench.tasks.shared.chunks import Chunk, ChunkedWork
from leadbench.tasks.shared.realigners import PROJECTOR, VARIANT_ROWS
from leadbench.tasks.structure.action_labels import ActionLabels, find_labels, recordings_of, same_clip
from leadbench.tasks.structure.table import panel_title, verdict
from leadbench.zoo.store import ModelStore, load_projector

Values = dict[str, Tensor]


@dataclass
class StructureBenchmark:
    """One run of the benchmark.

    Args:
        dataset: whose ``config.split`` is looked at.
        root: its folder, which may hold labels.
        autoencoder: whose posterior means are the latents.
        projector: of its latent space.
        encoder: text space that the projector was aligned to.
        config: labels, neighbours, pools, resamples.
        store: where records go.
        projector_hash: of the projector's file.
        notes: put into every record.
    """

    dataset: MotionDataset
    root: Path
    autoencoder: MotionAutoencoder
    projector: Projector
    encoder: TextEncoder
    config: StructureConfig
    store: RunStore
    projector_hash: str
    notes: tuple[str, ...] = ()

    @property
    def description(self) -> dict[str, Any]:
        """What makes two runs the same."""
        return {
            "benchmark": "structure",
            "config": self.config.model_dump(mode="json"),
            "dataset": {"name": self.dataset.name, "identity": self.dataset.identity},
            "latent": self.autoencoder.fingerprint,
            "projector": self.projector_hash,
            "text_encoder": self.encoder.name,
            "labels": {"source": self.labels.source, "counts": self.labels.counts},
        }

    def run(self, report: Callable[[str, int, int], None]) -> list[Record]:
        """Measure every space that is not recorded; return all records."""
        if all(self.store.done(row) for row in (LATENTS, PROJECTED, *_further_rows())):
            return self.store.records()
        values: dict[str, Values] = {}
        for number, (row, rows) in enumerate(self._spaces.items()):
            values[row] = self._told(rows, self._classes)
            report(row, number + 1, len(self._spaces) + 1)
        shuffled = self._shuffled
        for row in (LATENTS, PROJECTED):
            values[row + SHUFFLED] = self._told(self._spaces[row], self._classes[shuffled])
        for suffix in ("", PCA):
            before, after = values[LATENTS + suffix], values[PROJECTED + suffix]
            values[DIFFERENCE + suffix] = {name: after[name] - before[name] for name in before}
        retrieved = self._retrieved()
        for row, found in values.items():
            self.store.append(self._record(row, found, retrieved.get(row, {})))
        report("records", 1, 1)
        return self.store.records()

    def draw(self, path: Path, records: list[Record]) -> Path:
        """Both spaces by t-SNE in one PNG, coloured by action; ``records`` are those of the run."""
        found = {record.row: record for record in records}
        panels = []
        for row, metric in ((LATENTS, METRICS[0]), (PROJECTED, METRICS[1])):
            generator = stream(self.config.seed, "t-sne", row)
            points = t_sne(self._spaces[row][self._counted], metric, generator, self.config.perplexity)
            panels.append(Panel(panel_title(found[row], metric), points.numpy()))
        labels = [self.labels.by_id[self._drawn[i].id] for i in self._counted]
        title = f"{self.dataset.name}: {len(labels)} motions of the {self.config.split} split, by {self.labels.source}"
        return draw_spaces(panels, labels, path, title=title, caption=verdict(found[DIFFERENCE]))

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
    def _spaces(self) -> dict[str, Tensor]:
        """Vectors [S, width] of all motions in each space."""
        latents, codes = self._encode()
        width = min(latents.shape[1], codes.shape[1], len(latents))
        return {
            LATENTS: latents,
            PROJECTED: codes,
            LATENTS + PCA: principal_components(latents, width),
            PROJECTED + PCA: principal_components(codes, width),
        }

    @torch.no_grad()
    def _encode(self) -> tuple[Tensor, Tensor]:
        """Posterior means, flattened, and the vectors that are compared with text."""
        spec = self.autoencoder.latent
        latents = torch.empty(len(self._drawn), spec.tokens, spec.width)
        codes: list[Tensor] = [torch.empty(0)] * len(self._drawn)

        def work(chunk: Chunk) -> None:
            rows = list(chunk.rows)
            motion = collate([self._drawn[i].features for i in rows]).normalize(self.autoencoder.motion)
            latents[rows] = self.autoencoder.encode(motion).loc
            for row, code in zip(rows, self.projector.project(Latent.full(latents[rows])).aligned, strict=True):
                codes[row] = code

        ChunkedWork(self.config.chunk).run(self._drawn, work)
        return latents.flatten(1).double(), torch.stack(codes).double()

    # ------------------------------------------------------------------ what is measured

    def _told(self, rows: Tensor, classes: Tensor) -> Values:
        """Accuracy and silhouette of each labelled motion, by both metrics."""
        rows, clips = rows[self._counted], self._clips[self._counted]
        found = {}
        for metric in METRICS:
            correct = knn_correct(rows, classes, metric, neighbours=self.config.neighbours, groups=clips)
            found[f"knn_accuracy_{metric}"] = correct.double()
            found[f"silhouette_{metric}"] = silhouettes(rows, classes, metric)
        return found

    def _retrieved(self) -> dict[str, Values]:
        """Hits at 1, 2, 3 in pools and ranks in the whole split, of projected motions; and of shuffled captions."""
        codes, samples = self._spaces[PROJECTED], [item.sample for item in self._drawn]
        texts = self._embed([item.caption.caption for item in self._drawn])
        place = {caption: number for number, caption in enumerate(self._captions)}
        embedded = self._embed(self._captions)
        order = torch.from_numpy(stream(self.config.seed, "pools", 0).permutation(len(samples)))
        others = torch.from_numpy(stream(self.config.seed, "structure-shuffle", "captions").permutation(len(samples)))
        found: dict[str, Values] = {}
        for row, whose in ((PROJECTED, torch.arange(len(samples))), (PROJECTED + SHUFFLED, others)):
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
        condition = self.encoder.encode(captions)
        used = condition.mask[..., None]
        return ((condition.tokens * used).sum(dim=1) / used.sum(dim=1)).double()

    def _record(self, row: str, values: Values, retrieved: Values) -> Record:
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
            dataset=self.dataset.name,
            protocol=self.config.protocol,
            evaluator=self.autoencoder.fingerprint,  # the space that is looked at; no evaluator takes part
            row=row,
            projector=None if row.startswith(LATENTS) else f"aligned {self.projector.text_encoder}",
            replication=0,
            seed=self.config.seed,
            metrics=metrics,
            details=self._details(row, intervals),
            chunk_size=self.config.chunk,
            key=row,
        )

    def _interval(self, values: Tensor, clips: Tensor) -> list[float]:
        # one stream for all: every row is judged on the same resamples
        generator = stream(self.config.seed, "structure-bootstrap")
        return list(bootstrap_interval(values, generator, groups=clips, draws=self.config.resamples))

    def _details(self, row: str, intervals: Mapping[str, list[float]]) -> dict[str, Any]:
        space = self._spaces.get(row.removesuffix(SHUFFLED), self._spaces[PROJECTED])
        return {
            "width": self._spaces[PROJECTED + PCA].shape[1] if row.endswith(PCA) else space.shape[1],
            "samples": len(self._drawn),
            "labelled": len(self._counted),
            "clips": len(self._clips[self._counted].unique()),
            "labels": self.labels.counts,
            "labels_source": self.labels.source,
            "neighbours": self.config.neighbours,
            "pool": self.config.pool,
            "captions": len(self._captions),
            "resamples": self.config.resamples,
            "intervals": dict(intervals),
            "notes": list(self.notes),
        }


def _further_rows() -> list[str]:
    spaces = [LATENTS + PCA, PROJECTED + PCA, LATENTS + SHUFFLED, PROJECTED + SHUFFLED]
    return [*spaces, DIFFERENCE, DIFFERENCE + PCA]


def latent_space(name: str, backbone: object) -> MotionAutoencoder:
    """The autoencoder of a backbone.

    Raises:
        ConfigError: its factory returned no backbone.
    """
    if not isinstance(backbone, Backbone):
        raise ConfigError(f"backbone {name!r}: its factory returned {type(backbone).__name__}, which is no Backbone")
    return backbone.autoencoder


def find_projector(models: ModelStore, autoencoder: MotionAutoencoder, named: str) -> tuple[Projector, str]:
    """The projector of ``--projector`` with its file's hash; ``auto``: the folder's of this latent space.

    Raises:
        WeightsError: there is none.
        LatentMismatchError: it belongs to another latent space.
    """
    path = Path(named)
    if named == "auto":
        names = models.projectors(autoencoder.fingerprint)
        whole = [name for name in names if not any(name.endswith(f"-{variant}") for variant in VARIANT_ROWS)]
        if not whole:
            raise WeightsError(
                f"models {models.folder}: no projector of latent space {autoencoder.fingerprint[:12]} "
                f"(run: leadbench train projector, or name one with --projector FILE)"
            )
        path = models.path(min(whole, key=lambda name: (name != PROJECTOR, name)))
    elif not path.is_file():
        raise WeightsError(f"--projector {path}: no such file (allowed: auto, or a .safetensors file)")
    projector = load_projector(path)
    realign(projector, autoencoder)
    return projector, sha256_file(path)


def run_name(description: Mapping[str, Any]) -> str:
    """Folder name of a run."""
    return "structure-" + hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:10]

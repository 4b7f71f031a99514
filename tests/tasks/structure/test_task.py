"""The benchmark of latent structure on planted spaces, its labels, its table and its picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from fakes import WIDTH, FakeAutoencoder, FakeTextEncoder
from folders import write_folder
from matplotlib import image

from leadbench.cli.main import main
from leadbench.core.config import StructureConfig
from leadbench.core.errors import ConfigError, DataError, ResultsError, WeightsError
from leadbench.core.tensors import Condition, Latent, MotionSample, MotionSpec, Projection, SplitReport, TextSample
from leadbench.data.synthetic.options import VERSION
from leadbench.results.store import Record, RunStore
from leadbench.tasks.structure.action_labels import find_labels, recordings_of, same_clip
from leadbench.tasks.structure.table import render_structure
from leadbench.tasks.structure.task import StructureBenchmark, find_projector, latent_space, run_name
from leadbench.zoo.embedded import shipped
from leadbench.zoo.store import ModelStore

VERBS = ("walk", "jump", "wave")
SPEC = MotionSpec("humanml3d", 20.0, torch.zeros(263), torch.ones(263))


def planted(copies: bool = False) -> list[MotionSample]:
    """Motions whose first features are large noise, and then, small, what they show; every fourth says nothing.

    With ``copies`` each has a mirrored twin.
    """
    samples = []
    for number in range(64):
        verb = number % 4
        generator = torch.Generator().manual_seed(number)
        features = torch.zeros(60, 263)
        features[:, :4] = torch.randn(4, generator=generator)
        features[:, 4:WIDTH] = 0.3 * torch.eye(4)[verb] + 0.02 * torch.randn(4, generator=generator)
        captions = [TextSample(f"a person is still, {number}", ("person/NOUN", "still/ADJ"))]
        if verb < 3:
            tokens = ("person/NOUN", f"{VERBS[verb]}/VERB")
            captions = [TextSample(f"a person {VERBS[verb]}s, {number}", tokens)]
        samples.append(MotionSample(f"{number:06}", features, tuple(captions)))
        if copies:
            samples.append(MotionSample(f"M{number:06}", features, tuple(captions)))
    return samples


@dataclass
class Planted:
    samples: list[MotionSample]
    name: str = "planted"
    identity: str = "planted-identity"
    motion: MotionSpec = SPEC

    def ids(self, split: str) -> tuple[str, ...]:
        return tuple(sample.id for sample in self.samples)

    def load(self, split: str, *, skip_bad: bool = False) -> tuple[list[MotionSample], SplitReport]:
        return self.samples, SplitReport(len(self.samples))


class Selecting:
    """A projector that keeps what the noise hides."""

    latent_fingerprint, text_encoder = FakeAutoencoder.fingerprint, "fake"

    def project(self, latent: Latent) -> Projection:
        code = latent.values[:, 0, 4:]
        return Projection(code, code[:, None])

    def reproject(self, projection: Projection) -> Latent:
        raise NotImplementedError


class VerbEncoder(FakeTextEncoder):
    def encode(self, captions: Sequence[str]) -> Condition:
        rows = torch.tensor([[[float(verb in c) for verb in VERBS] + [float("still" in c)]] for c in captions])
        # a second token behind the mask, which must not count
        tokens = torch.cat([rows, torch.full_like(rows, 9.0)], dim=1)
        return Condition(tokens, torch.tensor([[True, False]] * len(captions)), self.name)


def benchmark(folder: Path, samples: list[MotionSample], **changes: object) -> StructureBenchmark:
    config = StructureConfig.model_validate({"resamples": 300, "perplexity": 10, **changes})
    made = StructureBenchmark(
        Planted(samples),
        folder,
        FakeAutoencoder(SPEC),
        Selecting(),
        VerbEncoder(),
        config,
        RunStore(folder / "run"),
        "ab",
    )
    made.store.start(made.description, {})
    return made


def run(folder: Path, samples: list[MotionSample], **changes: object) -> dict[str, Record]:
    return {record.row: record for record in benchmark(folder, samples, **changes).run(lambda *_: None)}


def test_a_projector_that_finds_the_action_is_told_from_noise(tmp_path: Path) -> None:
    found = run(tmp_path, planted())
    latents, projected = found["Latents"], found["Projected"]
    assert set(latents.details["labels"]) == set(VERBS)  # captions without a verb do not count
    assert (latents.details["labelled"], latents.details["samples"], latents.details["width"]) == (48, 64, 8)
    for metric in ("euclidean", "cosine"):
        knn, silhouette = f"knn_accuracy_{metric}", f"silhouette_{metric}"
        assert projected.metrics[knn] == 1.0
        assert latents.metrics[knn] < 0.75  # type: ignore[operator]
        assert projected.metrics[silhouette] > 0.8  # type: ignore[operator]
        for name in (knn, silhouette):
            difference = found["Projected - Latents"]
            assert difference.metrics[name] == pytest.approx(projected.metrics[name] - latents.metrics[name])  # type: ignore[operator]
            low, high = difference.details["intervals"][name]
            assert 0 < low < difference.metrics[name] < high  # type: ignore[operator]
        for row in ("Latents, shuffled", "Projected, shuffled"):
            assert found[row].metrics[knn] < 0.55  # type: ignore[operator]
            assert abs(found[row].metrics[silhouette]) < 0.2  # type: ignore[arg-type]
    # PCA to the narrower width leaves that space's distances as they are
    assert found["Projected, PCA"].details["width"] == 4
    assert found["Projected, PCA"].metrics["silhouette_euclidean"] == pytest.approx(
        projected.metrics["silhouette_euclidean"]
    )


def test_retrieval_of_captions(tmp_path: Path) -> None:
    """16 captions of each of four kinds embed alike: the own one is found among those of its kind, by chance."""
    found = run(tmp_path, planted())
    assert found["Projected"].metrics["median_rank"] == 16
    assert found["Projected"].details["captions"] == 64
    assert found["Projected"].metrics["r_precision_1"] == pytest.approx(4 / 32, abs=0.02)
    assert found["Projected, shuffled"].metrics["median_rank"] > 30  # type: ignore[operator]
    assert found["Latents"].metrics["r_precision_1"] is None
    fewer = run(tmp_path / "few", planted()[:60], pool=61)
    assert fewer["Projected"].metrics["r_precision_3"] is None
    assert fewer["Projected"].metrics["median_rank"] is not None


def test_mirrored_copies_are_no_neighbours_and_no_further_evidence(tmp_path: Path) -> None:
    once, twice = run(tmp_path / "once", planted()), run(tmp_path / "twice", planted(copies=True), neighbours=10)
    assert (once["Latents"].details["clips"], twice["Latents"].details["clips"]) == (48, 48)
    assert twice["Latents"].details["labelled"] == 96
    # ten neighbours are five and their copies; resampling draws a clip with its copy
    assert twice["Latents"].metrics["knn_accuracy_euclidean"] == pytest.approx(
        once["Latents"].metrics["knn_accuracy_euclidean"]
    )
    for row in ("Latents", "Projected - Latents"):
        name = "knn_accuracy_euclidean"
        assert twice[row].details["intervals"][name] == pytest.approx(once[row].details["intervals"][name])


def test_an_interrupted_run_ends_with_the_same_records(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", planted())
    part = benchmark(tmp_path / "part", planted(), chunk=7)
    full = list(part.run(lambda *_: None))
    again = benchmark(tmp_path / "again", planted())
    for record in list(whole.values())[:3]:
        again.store.append(record)
    resumed = {record.row: record for record in again.run(lambda *_: None)}
    assert resumed == whole
    for record in full:
        for name, value in record.metrics.items():
            assert value == pytest.approx(whole[record.row].metrics[name], abs=1e-6)


def test_labels_of_a_file_come_first(tmp_path: Path) -> None:
    samples, config = planted(), StructureConfig(least=5)
    content = {
        sample.id: {"content": "odd" if i % 2 else "even", "style": "x", "recording": f"r{i // 2}"}
        for i, sample in enumerate(samples)
    }
    (tmp_path / "labels.json").write_text(json.dumps(content))
    tagged = [replace(samples[0], id="000000#2"), *samples[1:20], replace(samples[20], id="unknown")]
    labels = find_labels(tmp_path, tagged, config)
    assert labels.counts == {"even": 10, "odd": 10}
    assert labels.by_id["000000#2"] == "even"
    assert labels.source == "labels.json of the dataset"
    # two motions a recording, whatever their ids
    assert same_clip([sample.id for sample in samples], recordings_of(tmp_path)) == [
        i // 2 for i in range(len(samples))
    ]
    (tmp_path / "labels.json").write_text('{"000000": "even"}')
    with pytest.raises(DataError, match=r"labels.json: needed ID"):
        find_labels(tmp_path, samples, config)


def test_ids_of_the_corpus_tell_the_action(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps({"name": "synthetic", "corpus_version": VERSION}))
    labels = find_labels(tmp_path, planted(), StructureConfig(least=3))
    assert labels.by_id["000027"] == labels.by_id["000054"] == "walk"
    assert labels.by_id["000001"] == "jog"
    (tmp_path / "dataset.json").write_text(json.dumps({"name": "synthetic", "corpus_version": VERSION + 1}))
    assert "captions" in find_labels(tmp_path, planted(), StructureConfig()).source


def test_verbs_of_captions_are_limited_to_the_frequent(tmp_path: Path) -> None:
    few = find_labels(tmp_path, planted(), StructureConfig(verbs=2))
    assert list(few.counts) == ["jump", "walk"]
    with pytest.raises(DataError, match="0 action labels with 17 motions or more in split 'test'"):
        find_labels(tmp_path, planted(), StructureConfig(least=17))


def test_table_and_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made = benchmark(tmp_path, planted())
    records = made.run(lambda *_: None)
    picture = image.imread(made.draw(tmp_path / "new" / "spaces.png", records))
    assert picture.shape[1] > 1500
    assert len(run_name(made.description)) == len("structure-") + 10
    monkeypatch.setattr(sys, "argv", ["leadbench", "tables", str(made.store.folder)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    github = capsys.readouterr().out
    assert github.rstrip("\n") == render_structure(records)
    assert "| Projected - Latents, PCA" in github
    assert "16 of 64" in github
    latex = render_structure(records, "latex")
    assert "Projected $-$ Latents, PCA" in latex
    assert "95 \\% intervals" in latex
    rows = {row["row"]: row for row in json.loads(render_structure(records, "json"))["rows"]}
    assert rows["Projected"]["metrics"]["knn_accuracy_cosine"] == 1.0
    assert len(rows["Projected - Latents"]["intervals"]["silhouette_cosine"]) == 2
    assert render_structure(records, "csv").startswith("row,width,knn_accuracy_euclidean,knn_accuracy_euclidean_low,")
    with pytest.raises(ResultsError, match="not of latent structure"):
        render_structure([records[0].model_copy(update={"protocol": "mti"})])
    with pytest.raises(ResultsError, match="several datasets"):
        render_structure([records[0], records[1].model_copy(update={"dataset": "other"})])


def test_a_projector_that_is_not_there(tmp_path: Path) -> None:
    models = ModelStore(tmp_path, lambda name: FakeTextEncoder())
    with pytest.raises(WeightsError, match="no projector of latent space fake-space"):
        find_projector(models, FakeAutoencoder(SPEC), "auto")
    with pytest.raises(WeightsError, match=r"no such file \(allowed: auto, or"):
        find_projector(models, FakeAutoencoder(SPEC), "none")
    with pytest.raises(ConfigError, match="no Backbone"):
        latent_space("odd", FakeTextEncoder())


def test_the_command_on_a_folder_with_shipped_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = {"train": ["t0"], "val": ["v0"], "test": [f"s{i:02}" for i in range(36)]}
    data = write_folder(tmp_path / "walks", ids)
    figure, out = tmp_path / "a.png", tmp_path / "runs"
    command = ["structure", "--dataset", data, "--models", shipped().folder, "--out", out, "--figure", figure]
    monkeypatch.setattr(sys, "argv", ["leadbench", *map(str, command), "--format", "json"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    rows = [row["row"] for row in json.loads(capsys.readouterr().out)["rows"]]
    assert rows[:2] == ["Latents", "Projected"]
    (run_folder,) = (out / "walks").iterdir()
    (first, *_) = RunStore(run_folder).records()
    assert first.details["labels"] == {"raise": 12, "run": 12, "walk": 12}
    assert image.imread(figure).ndim == 3

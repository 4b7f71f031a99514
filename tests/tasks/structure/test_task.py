"""The benchmark of latent structure on planted spaces, its labels, its table and its picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from command import call
from fakes import WIDTH, FakeAutoencoder, FakeTextEncoder
from folders import write_folder
from matplotlib import image
from records import named

from leadbench.cli.main import main
from leadbench.core.config import StructureConfig
from leadbench.core.errors import DataError, ResultsError
from leadbench.core.tensors import Condition, Latent, MotionSample, MotionSpec, Projection, SplitReport, TextSample
from leadbench.data.synthetic.options import VERSION
from leadbench.results.details import StructureDetails
from leadbench.results.records import Record
from leadbench.results.store import RunStore
from leadbench.tasks.shared.runner import run_folder, run_task
from leadbench.tasks.structure.action_labels import find_labels, recordings_of, same_clip
from leadbench.tasks.structure.table import render
from leadbench.tasks.structure.task import StructureTask
from leadbench.zoo.embedded import shipped
from leadbench.zoo.projectors import AttachedProjector

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


def made_task(folder: Path, samples: list[MotionSample], **changes: object) -> StructureTask:
    config = StructureConfig.model_validate({"resamples": 300, "perplexity": 10, **changes})
    attached = AttachedProjector("lead", "LEAD", None, Selecting(), "ab", folder)
    return StructureTask(Planted(samples), folder, FakeAutoencoder(SPEC), attached, VerbEncoder(), config)


def run(folder: Path, samples: list[MotionSample], **changes: object) -> dict[str, Record]:
    found = named(run_task(made_task(folder, samples, **changes), folder / "run"))
    return {name: record for name, (record,) in found.items()}


def details(record: Record) -> StructureDetails:
    assert isinstance(record.details, StructureDetails)
    return record.details


def test_a_projector_that_finds_the_action_is_told_from_noise(tmp_path: Path) -> None:
    found = run(tmp_path, planted())
    latents, projected = found["Latents"], found["Projected"]
    assert set(details(latents).labels) == set(VERBS)  # captions without a verb do not count
    assert (details(latents).labelled, details(latents).samples, details(latents).width) == (48, 64, 8)
    for metric in ("euclidean", "cosine"):
        knn, silhouette = f"knn_accuracy_{metric}", f"silhouette_{metric}"
        assert projected.metrics[knn] == 1.0
        assert latents.metrics[knn] < 0.75  # type: ignore[operator]
        assert projected.metrics[silhouette] > 0.8  # type: ignore[operator]
        for name in (knn, silhouette):
            difference = found["Projected - Latents"]
            assert difference.metrics[name] == pytest.approx(projected.metrics[name] - latents.metrics[name])  # type: ignore[operator]
            low, high = details(difference).intervals[name]
            assert 0 < low < difference.metrics[name] < high  # type: ignore[operator]
        for row in ("Latents, shuffled", "Projected, shuffled"):
            assert found[row].metrics[knn] < 0.55  # type: ignore[operator]
            assert abs(found[row].metrics[silhouette]) < 0.2  # type: ignore[arg-type]
    # PCA to the narrower width leaves that space's distances as they are
    assert details(found["Projected, PCA"]).width == 4
    assert found["Projected, PCA"].metrics["silhouette_euclidean"] == pytest.approx(
        projected.metrics["silhouette_euclidean"]
    )


def test_retrieval_of_captions(tmp_path: Path) -> None:
    """16 captions of each of four kinds embed alike: the own one is found among those of its kind, by chance."""
    found = run(tmp_path, planted())
    assert found["Projected"].metrics["median_rank"] == 16
    assert details(found["Projected"]).captions == 64
    assert found["Projected"].metrics["r_precision_1"] == pytest.approx(4 / 32, abs=0.02)
    assert found["Projected, shuffled"].metrics["median_rank"] > 30  # type: ignore[operator]
    assert found["Latents"].metrics["r_precision_1"] is None
    fewer = run(tmp_path / "few", planted()[:60], pool=61)
    assert fewer["Projected"].metrics["r_precision_3"] is None
    assert fewer["Projected"].metrics["median_rank"] is not None


def test_mirrored_copies_are_no_neighbours_and_no_further_evidence(tmp_path: Path) -> None:
    once, twice = run(tmp_path / "once", planted()), run(tmp_path / "twice", planted(copies=True), neighbours=10)
    assert (details(once["Latents"]).clips, details(twice["Latents"]).clips) == (48, 48)
    assert details(twice["Latents"]).labelled == 96
    # ten neighbours are five and their copies; resampling draws a clip with its copy
    assert twice["Latents"].metrics["knn_accuracy_euclidean"] == pytest.approx(
        once["Latents"].metrics["knn_accuracy_euclidean"]
    )
    for row in ("Latents", "Projected - Latents"):
        name = "knn_accuracy_euclidean"
        assert details(twice[row]).intervals[name] == pytest.approx(details(once[row]).intervals[name])


def test_an_interrupted_run_ends_with_the_same_records(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", planted())
    task = made_task(tmp_path / "again", planted())
    store = RunStore(run_folder(task, tmp_path / "again" / "run"))
    store.start(task.name, task.identity(), task.names, {})
    for record in list(whole.values())[:3]:
        store.append(record)
    assert run(tmp_path / "again", planted()) == whole
    for name, record in run(tmp_path / "part", planted(), chunk=7).items():
        for metric, value in record.metrics.items():
            assert value == pytest.approx(whole[name].metrics[metric], abs=1e-6)


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
    task = made_task(tmp_path, planted())
    done = run_task(task, tmp_path / "run")
    picture = image.imread(task.draw(tmp_path / "new" / "spaces.png", done))
    assert picture.shape[1] > 1500
    monkeypatch.setattr(sys, "argv", ["leadbench", "tables", str(done.folder)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    github = capsys.readouterr().out
    table, computed = github.rstrip("\n").rsplit("\n\n", 1)
    assert table == render(done)
    assert computed.startswith("Computed on ")
    assert "| Projected - Latents, PCA" in github
    assert "16 of 64" in github
    latex = render(done, "latex")
    assert "Projected - Latents, PCA" in latex
    assert "95 \\% intervals" in latex
    rows = {row["row"]: row for row in json.loads(render(done, "json"))["rows"]}
    assert rows["Projected"]["knn_accuracy_cosine"]["value"] == 1.0
    assert set(rows["Projected - Latents"]["silhouette_cosine"]) == {"value", "low", "high"}
    assert render(done, "csv").startswith("row,width,knn_accuracy_euclidean,knn_accuracy_euclidean_low,")
    first, second = done.records[:2]
    with pytest.raises(ResultsError, match="several datasets"):
        render(replace(done, records=(first, second.model_copy(update={"dataset": "other"}))))


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
    assert not stopped.value.code
    rows = [row["row"] for row in json.loads(capsys.readouterr().out)["rows"]]
    assert rows[:2] == ["Latents", "Projected"]
    (found,) = (out / "walks").iterdir()
    (first, *_) = RunStore(found).records()
    assert details(first).labels == {"raise": 12, "run": 12, "walk": 12}
    assert image.imread(figure).ndim == 3
    assert call("report", out, "--out", tmp_path / "report.html") == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "After the projector, by t-SNE" in page
    assert "12 of walk" in page

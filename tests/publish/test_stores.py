"""Models and results pushed to a folder and to a hub on loopback, pulled, and used from there, by the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import fake_hub
import huggingface_hub.constants
import pytest
from command import call
from fake_hub import Hub

import leadbench
from leadbench.core import remote
from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "leadbench" / "zoo" / "weights" / "micro"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that answers, with its token in the environment."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)  # its servers are not loopback's
    with fake_hub.serving() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        monkeypatch.setenv("HF_TOKEN", fake_hub.TOKEN)
        yield served


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that a run reads in no time."""
    folder = tmp_path_factory.mktemp("stores") / "small"
    synthesize(folder, SynthesisOptions(clips=300, workers=1))
    return folder


@pytest.fixture(autouse=True)
def _looked_at_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """As in a process of its own."""
    monkeypatch.setenv("LEADBENCH_CACHE", str(tmp_path / "cache"))
    remote._copied.cache_clear()
    yield
    remote._copied.cache_clear()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Shipped models in a folder of one's own."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("autoencoder", "projector", "length-wordllama"):
        for ending in (".safetensors", ".json"):
            shutil.copyfile(SHIPPED / f"{name}{ending}", folder / f"{name}{ending}")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "autoencoder.pt").write_bytes(b"private")
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A stored run, as a sweep leaves it."""
    folder = tmp_path / "runs"
    source = next(path for path in sorted((ROOT / "results" / "flow").rglob("run.json"))).parent
    shutil.copytree(source, folder / "d" / source.name)
    (folder / ".sweep").mkdir()
    (folder / ".sweep" / "log").write_text("private")
    return folder


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("where", ["disk", "hub"])
def test_models_come_back_as_they_were(
    where: str, models: Path, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"file://{tmp_path}/store" if where == "disk" else "hf://me/lead"
    assert call("push", models, url, "--license", "apache-2.0") == 0
    assert "6 files sent, 0 were there" in capsys.readouterr().out
    assert call("push", models, url, "--license", "apache-2.0") == 0
    assert "0 files sent, 6 were there" in capsys.readouterr().out
    assert call("pull", url, tmp_path / "back") == 0
    assert "7 files fetched" in capsys.readouterr().out
    files = {
        f"{name}{end}" for name in ("autoencoder", "projector", "length-wordllama") for end in (".safetensors", ".json")
    }
    assert names(tmp_path / "back") == {*files, "README.md", "leadbench.json"}
    for name in files:
        assert (tmp_path / "back" / name).read_bytes() == (models / name).read_bytes()
    assert call("pull", url, tmp_path / "back") == 0
    assert "0 files fetched" in capsys.readouterr().out
    page = (tmp_path / "back" / "README.md").read_text()
    assert page.startswith("---\nlicense: apache-2.0\n")
    assert "| projector.safetensors" in page
    assert f"--models {url}" in page
    if where == "hub":
        assert hub.repositories["models/me/lead"].commits[0] == "models of leadbench"
        assert not hub.repositories["models/me/lead"].private
    else:
        assert not [name for name in names(tmp_path / "store") if name.startswith(".")]


def test_results_come_back_and_are_read_where_they_lie(
    runs: Path, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "hf://datasets/me/runs"
    assert call("push", runs, url, "--license", "cc-by-4.0", "--private", "--message", "first") == 0
    repository = hub.repositories["datasets/me/runs"]
    assert (repository.private, repository.commits) == (True, ["first"])
    assert not [name for name in repository.files if "sweep" in name]
    (run,) = (runs / "d").iterdir()
    capsys.readouterr()
    assert call("tables", run) == 0
    table = capsys.readouterr().out
    assert table.strip() in repository.files["README.md"].decode()
    assert call("tables", f"{url}/d/{run.name}") == 0
    assert capsys.readouterr().out == table
    assert call("results", "verify", url) == 0
    assert call("report", url, "--out", tmp_path / "report.html") == 0
    assert "MotionLCM" in (tmp_path / "report.html").read_text()
    assert call("claims", url) == 2  # no run of the paper's settings
    assert "error: hf://datasets/me/runs: no run" in capsys.readouterr().err
    assert call("results", "merge", url, "--out", tmp_path / "merged") == 0
    assert call("pull", url, tmp_path / "pulled") == 0
    for folder in (tmp_path / "merged" / "synthetic", tmp_path / "pulled" / "d"):
        assert (folder / run.name / "records.jsonl").read_bytes() == (run / "records.jsonl").read_bytes()


def test_a_copy_follows_its_store_file_by_file(
    models: Path, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("push", models, "hf://me/lead", "--license", "apache-2.0")
    first = remote.local_copy("hf://me/lead")
    assert names(first) > {"projector.json"}
    read = len(hub.read)
    assert read >= 8
    remote._copied.cache_clear()
    assert remote.local_copy("hf://me/lead/") == first
    assert len(hub.read) == read
    repository = hub.repositories["models/me/lead"]
    repository.files["projector.json"] += b" "
    del repository.files["length-wordllama.json"]
    repository.commits.append("by hand")
    remote._copied.cache_clear()
    remote.local_copy("hf://me/lead")
    assert set(hub.read[read:]) == {"projector.json"}
    assert not (first / "length-wordllama.json").exists()


def test_a_run_reads_dataset_models_and_projector_by_url(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same identity as of folders here: where files lie is no part of a run."""
    options = ("--backbone", "motionlcm", "--steps", "1", "--replications", "1", "--multimodality-replications", "0")
    here = ("--dataset", corpus, "--models", SHIPPED, "--projector", SHIPPED / "projector.safetensors")
    there = (
        "--dataset", f"file://{corpus}", "--models", f"file://{SHIPPED}", "--projector",
        f"file://{SHIPPED}/projector.safetensors",
    )  # fmt: skip
    for name, assets in (("here", here), ("there", there)):
        assert call("run", *assets, *options, "--skip-self-test", "--out", tmp_path / name) == 0
    (one,), (two,) = (list((tmp_path / name).glob("*/*")) for name in ("here", "there"))
    assert one.name == two.name
    capsys.readouterr()
    (tmp_path / "leadbench.toml").write_text(f'[datasets.humanml3d]\nroot = "file://{corpus}"\n')
    monkeypatch.chdir(tmp_path)
    assert call("run", "--dataset", "humanml3d", "--models", SHIPPED, *options, "--skip-self-test") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("push MODELS hf://me/lead --license 'my own'", "--license 'my own': must be an identifier"),
        ("push MODELS hf://datasets/me/lead --license mit", "models belong into a repository of kind model: hf://me/lead"),
        ("push MODELS hf://lead --license mit", "must be hf://USER/NAME of models"),
        ("push MODELS s4://bucket/lead --license mit", "no such kind of store"),
        ("push MODELS elsewhere --license mit", "elsewhere: no URL (allowed: hf://USER/NAME"),
        ("push EMPTY file:///nowhere --license mit", "holds neither models with their cards nor stored runs"),
        ("push NOTHING file:///nowhere --license mit", "no such folder"),
        ("pull hf://me/nothing BACK", "hf://me/nothing: there is nothing of that name"),
        ("pull file:///no/such/place BACK", "there is nothing of that name"),
        ("pull somewhere BACK", "somewhere: no URL"),
        ("tables hf://datasets/me/nothing/run", "hf://datasets/me/nothing/run: there is nothing of that name"),
        ("run --backbone mld --models hf://me/nothing", "hf://me/nothing: there is nothing of that name"),
        ("run --backbone mld --out s3://bucket/runs", "leadbench push FOLDER URL"),
    ],
)  # fmt: skip
def test_what_cannot_be_published_or_fetched_is_one_line(
    arguments: str, said: str, models: Path, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"MODELS": models, "EMPTY": tmp_path / "empty", "NOTHING": tmp_path / "no", "BACK": tmp_path / "back"}
    given = [places.get(word, word) for word in arguments.replace("'my own'", "'my~own'").split()]
    assert call(*(word.replace("~", " ").strip("'") if isinstance(word, str) else word for word in given)) == 2
    err = capsys.readouterr().err
    assert said.replace("'", "") in err
    assert "Traceback" not in err
    assert not hub.repositories
    assert not (tmp_path / "back").exists()


def test_without_a_token_the_hub_refuses_and_the_line_says_what_helps(
    models: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert call("push", models, "hf://me/lead", "--license", "mit") == 2
    assert "log in with `hf auth login`, or set HF_TOKEN" in capsys.readouterr().err


def test_damaged_things_are_not_published(
    models: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = models / "projector.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    assert call("push", models, f"file://{tmp_path}/store", "--license", "mit") == 2
    (records,) = runs.rglob("records.jsonl")
    records.write_text(records.read_text().replace('"fid":', '"fid":1', 1))
    assert call("push", runs, f"file://{tmp_path}/store", "--license", "mit") == 2
    assert "are not as they were written" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_file_that_changed_on_the_way_changes_nothing_here(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, back = tmp_path / "store", tmp_path / "back"
    call("push", models, f"file://{store}", "--license", "mit")
    card = store / "projector.json"
    whole = card.read_bytes()
    card.write_bytes(whole + b" ")
    assert call("pull", f"file://{store}", back) == 2
    assert "projector.json is not what was published" in capsys.readouterr().err
    assert not back.exists()
    card.unlink()
    assert call("pull", f"file://{store}", back) == 2
    assert "projector.json is missing, which was published" in capsys.readouterr().err
    card.write_bytes(whole)
    back.mkdir()
    (back / "projector.json").write_text("{}")
    assert call("pull", f"file://{store}", back) == 2
    assert "is another file than the published one; give --replace" in capsys.readouterr().err
    assert names(back) == {"projector.json"}
    assert call("pull", f"file://{store}", back, "--replace") == 0
    assert (back / "projector.json").read_bytes() == whole
    listed = json.loads((store / "leadbench.json").read_text())
    listed["files"] = ["projector.json"]
    (store / "leadbench.json").write_text(json.dumps(listed))
    assert call("pull", f"file://{store}", back) == 2
    assert "lists no files with their hashes" in capsys.readouterr().err


def test_what_nobody_listed_is_fetched_and_said_to_be_unchecked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "a.txt").write_text("a")
    assert call("pull", f"file://{tmp_path}/plain", tmp_path / "back") == 0
    assert "nothing tells whether files are as they were written" in capsys.readouterr().err
    assert names(tmp_path / "back") == {"a.txt"}


def test_a_dry_run_sends_nothing(models: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("push", models, "hf://me/lead", "--license", "mit", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "license: mit" in out
    assert "projector.safetensors: " in out
    assert not hub.repositories


def test_models_of_a_store_are_not_trained_into(
    models: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"file://{models}"
    assert call("train", "length", "--dataset", corpus, "--models", url, "--preset", "tiny") == 2
    assert "--models: lies in a store, and is only read from there" in capsys.readouterr().err


def test_the_same_from_python(models: Path, hub: Hub, tmp_path: Path) -> None:
    assert leadbench.push(models, "hf://me/lead", license="apache-2.0") == (6, 0)
    assert leadbench.push(models, "hf://me/lead", license="apache-2.0") == (0, 6)
    assert len(leadbench.pull("hf://me/lead", tmp_path / "back")) == 7
    opened = leadbench.open_dataset(models="hf://me/lead")
    assert opened.models.has("projector")
    with pytest.raises(leadbench.LeadbenchError, match="holds neither models"):
        leadbench.push(tmp_path / "cache", "hf://me/lead", license="mit")

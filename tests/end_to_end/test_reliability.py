"""Processes that meet, workers whose parent is killed, a network that is not there.

``scripts/reliability.py`` does the same for hours; ``docs/reliability.md`` says what it found.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from folders import write_folder

from leadbench.core.files import aside
from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.results.store import load_runs
from leadbench.text.kept import KeptEmbeddings
from leadbench.zoo.embedded import shipped

MAKE_CORPUS = """
import functools, sys
from leadbench.zoo import embedded
from leadbench.data.synthetic.options import SynthesisOptions

embedded.SynthesisOptions = functools.partial(SynthesisOptions, clips=60)
print(embedded.embedded_dataset(say=lambda line: print(line, file=sys.stderr)))
"""
KEEP = """
import sys, torch
from pathlib import Path
from leadbench.text.kept import KeptEmbeddings

kept = KeptEmbeddings(Path(sys.argv[1]))
for number in range(20):
    kept.add({f"{sys.argv[2]} {number}": torch.full((1, 4), float(number))})
"""
NO_SOCKETS = """
import socket


def refuse(*args, **kwargs):
    raise OSError("no network in this test")


socket.socket.connect = refuse
socket.socket.connect_ex = refuse
socket.create_connection = refuse
socket.getaddrinfo = refuse
"""


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


def finish(*processes: subprocess.Popen[str]) -> list[tuple[int, str, str]]:
    found = []
    for process in processes:
        out, err = process.communicate(timeout=300)
        found.append((process.returncode, out, err))
    return found


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reliability") / "data"
    synthesize(folder, SynthesisOptions(clips=120, workers=1))
    return folder


def test_two_processes_make_the_embedded_corpus_once(tmp_path: Path) -> None:
    pair = [start("-c", MAKE_CORPUS, LEADBENCH_CACHE=str(tmp_path)) for _ in range(2)]
    (first, folder, _), (second, other, _) = finish(*pair)
    assert (first, second) == (0, 0)
    assert folder == other
    assert len(list((Path(folder.strip()) / "texts").iterdir())) == 60
    assert not list(tmp_path.glob(".*partial"))


def test_a_damaged_corpus_is_made_again_and_one_of_a_dead_process_is_removed(tmp_path: Path) -> None:
    ((_, folder, _),) = finish(start("-c", MAKE_CORPUS, LEADBENCH_CACHE=str(tmp_path)))
    root = Path(folder.strip())
    path = next((root / "new_joint_vecs").iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 128]))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine = aside(root, "partial").name
    left = root.with_name(mine.replace(f".{os.getpid()}.", f".{dead.pid}."))
    left.mkdir()
    finish(start("-c", MAKE_CORPUS, LEADBENCH_CACHE=str(tmp_path)))
    assert path.read_bytes() == whole
    assert not left.exists()


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ((code, folder, err),) = finish(start("-c", MAKE_CORPUS, LEADBENCH_CACHE=str(tmp_path / "file")))
    assert code == 0, err
    assert "cannot be written" in err
    assert not Path(folder.strip()).exists()  # it was temporary


def test_two_processes_name_one_new_dataset(tmp_path: Path) -> None:
    arguments = ("-m", "leadbench", "-q", "data", "synthesize", "--clips", "60", "--workers", "1", "--out")
    found = finish(*(start(*arguments, tmp_path / "data") for _ in range(2)))
    assert sorted(code for code, _, _ in found) == [0, 2]
    (refused,) = (err for code, _, err in found if code == 2)
    assert len(refused.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_two_processes_train_one_model(corpus: Path, tmp_path: Path) -> None:
    def train(folder: Path) -> subprocess.Popen[str]:
        return start(
            *("-m", "leadbench", "train", "evaluator", "--dataset", corpus, "--models", folder, "--preset", "tiny"),
            *("--set", "loop.steps=60", "--set", "loop.validate_every=30"),  # long enough for the two to meet
        )

    alone, together = tmp_path / "alone", tmp_path / "together"
    assert finish(train(alone))[0][0] == 0
    found = finish(train(together), train(together))
    assert [code for code, _, _ in found] == [0, 0], found
    assert any("another process trains it here" in err for _, _, err in found)
    first, second = ((folder / "evaluator.safetensors").read_bytes() for folder in (alone, together))
    assert first == second


def test_two_processes_keep_embeddings(tmp_path: Path) -> None:
    file = tmp_path / "text.safetensors"
    assert [code for code, _, _ in finish(*(start("-c", KEEP, file, name) for name in "ab"))] == [0, 0]
    assert set(KeptEmbeddings(file).read()) == {f"{name} {number}" for name in "ab" for number in range(20)}


def _alive(mark: str) -> list[int]:
    """Processes that carry a mark in their environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (place / "environ").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").is_file(), reason="looks for processes in /proc")
@pytest.mark.parametrize("command", ["run", "synthesize"])
def test_workers_end_with_their_parent(corpus: Path, tmp_path: Path, command: str) -> None:
    mark = f"reliability-{os.getpid()}-{command}"
    arguments: Mapping[str, tuple[object, ...]] = {
        "run": ("run", "--backbone", "motionlcm", "--dataset", corpus, "--models", shipped().folder, "--jobs", "2"),
        "synthesize": ("data", "synthesize", "--clips", "4000", "--workers", "2"),
    }
    parent = start("-m", "leadbench", *arguments[command], "--out", tmp_path / "out", MARK=mark)
    deadline = time.monotonic() + 120
    while len(_alive(mark)) < 3 and time.monotonic() < deadline and parent.poll() is None:
        time.sleep(0.2)
    assert parent.poll() is None, parent.communicate()
    time.sleep(1)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 60  # a worker of a busy machine may still be importing
    while _alive(mark) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not _alive(mark)


def test_the_demo_needs_no_network(tmp_path: Path) -> None:
    """The whole demo, its corpus made anew, with every connection refused."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(NO_SOCKETS)
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    check = start("-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9')", PYTHONPATH=path)
    assert "no network in this test" in finish(check)[0][2]
    cache = tmp_path / "cache"
    demo = start(
        *("-m", "leadbench", "run", "--backbone", "motionlcm", "--steps", "1,2,4", "--out", tmp_path / "runs"),
        *("--replications", "1", "--multimodality-replications", "0"),
        PYTHONPATH=path,
        LEADBENCH_CACHE=str(cache),
        LEADBENCH_KEEP_CAPTIONS="1",
        HF_HUB_OFFLINE="0",
    )
    ((code, table, err),) = finish(demo)
    assert code == 0, err
    assert "| LEAD (MotionLCM)" in table
    assert len(load_runs(tmp_path / "runs")) == 1
    shutil.rmtree(cache)


def test_a_name_in_a_dataset_does_not_leave_the_folder(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d"]
    data = write_folder(tmp_path / "data", {"test": names[:2], "val": names[2:3], "train": names[3:]})
    card = data / "dataset.json"
    card.write_text(card.read_text().replace('"walks"', '"../../escaped"'))
    out = tmp_path / "a" / "b" / "runs"
    run = ("-m", "leadbench", "-q", "run", "--backbone", "motionlcm", "--dataset", data, "--models", shipped().folder)
    ((code, _, err),) = finish(start(*run, "--out", out))
    assert code == 2
    assert "dataset.json: name: '../../escaped' cannot be a file's name" in err
    card.write_text(card.read_text().replace("../../escaped", "walks"))
    (data / "test.txt").write_text("../../../etc/passwd\n")
    ((code, _, err),) = finish(start(*run, "--out", out))
    assert code == 2
    assert "test.txt:1: id: '../../../etc/passwd' cannot be a file's name" in err

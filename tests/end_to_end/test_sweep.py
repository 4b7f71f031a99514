"""A sweep from its file to the table, and on a cluster of which a machine dies."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import call

from leadbench.results.store import RunStore, load_runs

DESCRIPTION = """
seeds = [0, 1]
options = {{ preset = "tiny", device = "cpu" }}

[datasets.synthetic]
dataset = "{data}"
models = "models"

[[train]]
stage = "autoencoder"
shared = true

[[train]]
stage = "evaluator"
shared = true

[[train]]
stage = "diffusion"

[[train]]
stage = "projector"

[[task]]
command = "run"
parts = 2
options = {{ backbone = "mld", replications = 2, multimodality-replications = 0, skip-self-test = true }}

[[finish]]
command = "results verify"
arguments = ["{{out}}"]
stdout = "{{out}}/verified.txt"
"""


@pytest.fixture
def here(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sweep.toml").write_text(DESCRIPTION.format(data=tiny / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(capsys: pytest.CaptureFixture[str], *more: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert call("sweep", "plan", "sweep.toml", "--json", *more) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_a_sweep_goes_from_its_file_to_the_table(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only = ["--set", "seeds=[0]", "--set", "train.2.processes=2"]  # the diffusion
    assert {piece["status"] for piece in planned(capsys, *only)} == {"to do"}
    assert not (here / "runs").exists()  # a plan writes nothing

    assert call("sweep", "run", "sweep.toml", "--piece", "synthetic/seed-0/diffusion", *only) == 2
    assert "needs pieces that are not done: synthetic/shared/autoencoder" in capsys.readouterr().err
    assert call("sweep", "list", "sweep.toml", "--level", 1, *only) == 0
    first = capsys.readouterr().out.strip()
    assert first == "1,2"
    assert call("sweep", "run", "sweep.toml", "--piece", 1, *only) == 0
    assert [piece["status"] for piece in planned(capsys, *only)][:2] == ["done", "to do"]

    assert call("sweep", "run", "sweep.toml", "--jobs", 2, *only) == 0
    assert {piece["status"] for piece in planned(capsys, *only)} == {"done"}
    assert all(piece["seconds"] > 0 for piece in planned(capsys, *only))
    assert call("sweep", "list", "sweep.toml", *only) == 0
    launched = [line for line in capsys.readouterr().out.splitlines() if "torchrun" in line]
    assert len(launched) == 1
    assert "torchrun --standalone --nproc-per-node 2 -m leadbench train diffusion" in launched[0]
    run = load_runs(here / "runs")[0]
    assert run.planned == {record.key for record in run.records}
    assert "8 of 8 records, finished" in (here / "runs" / "verified.txt").read_text()
    capsys.readouterr()
    assert call("tables", run.folder) == 0
    assert "LEAD (MLD)" in capsys.readouterr().out

    # a further seed uses what is shared, and its time is estimated from the first
    both = planned(capsys)
    assert [piece["status"] for piece in both if "/shared/" in piece["piece"]] == ["done", "done"]
    other = [piece for piece in both if "/seed-1/" in piece["piece"]]
    assert {piece["status"] for piece in other} == {"to do"}
    assert all(piece["seconds"] > 0 for piece in other)


class Machines:
    """A cluster of machines of one core, pretended on this one, below a head that works on nothing."""

    def __init__(self, count: int) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self._nodes = [self._cluster.add_node(num_cpus=1) for _ in range(count)]
        self._cluster.wait_for_nodes()
        self.address = str(self._cluster.address)

    def kill_one(self) -> None:
        """End a machine as a power cut would."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def kill_one_when(self, path: Path) -> threading.Thread:
        """End one once a file is there that holds something."""

        def watch() -> None:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline and not any(file.stat().st_size for file in path.parent.glob(path.name)):
                time.sleep(0.05)
            self.kill_one()

        thread = threading.Thread(target=watch)
        thread.start()
        return thread

    def shut_down(self) -> None:
        """All of them."""
        self._cluster.shutdown()


@pytest.fixture
def machines() -> Iterator[Machines]:
    pytest.importorskip("ray", reason="Ray is not installed (leadbench[cluster])")
    found = Machines(2)
    yield found
    found.shut_down()


def measured(folder: Path) -> list[tuple[str, dict[str, float | None]]]:
    return [(record.key, dict(record.metrics)) for record in RunStore(folder).load().records]


def test_a_run_on_a_cluster_of_which_a_machine_dies_is_that_of_one_process(
    tiny: Path, here: Path, machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ["--dataset", tiny / "data", "--models", tiny / "models", "--backbone", "mld", "--device", "cpu"]
    wanted += ["--replications", 4, "--multimodality-replications", 0, "--skip-self-test"]
    assert call("run", *wanted, "--out", "alone") == 0
    folder = Path(load_runs(here / "alone")[0].folder).relative_to(here / "alone")
    table = capsys.readouterr().out
    killed = machines.kill_one_when(here / "cluster" / folder / "records.jsonl")
    assert call("run", *wanted, "--out", "cluster", "--cluster", machines.address) == 0
    killed.join()
    assert measured(here / "cluster" / folder) == measured(here / "alone" / folder)
    assert capsys.readouterr().out == table


def test_a_sweep_on_a_cluster_goes_on_where_a_machine_dies(here: Path, machines: Machines) -> None:
    killed = machines.kill_one_when(here / "runs/.sweep/logs/synthetic/seed-0/*.log")
    only = ["--set", "seeds=[0]", "--set", "task.0.parts=1"]
    assert call("sweep", "run", "sweep.toml", "--cluster", machines.address, *only, "--jobs", 2) == 0
    killed.join()
    run = load_runs(here / "runs")[0]
    assert run.planned == {record.key for record in run.records}
    lines = (run.folder / "records.jsonl").read_text().splitlines()
    assert len(lines) == len(run.planned)


def test_what_no_machine_has_is_said(here: Path, machines: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    too_much = ["--set", "resources.cpus=9"]
    assert call("sweep", "run", "sweep.toml", "--cluster", machines.address, *too_much) == 2
    assert "needs 9 CPU, the whole cluster has 2" in capsys.readouterr().err


def test_an_audit_on_a_cluster_is_that_of_one_process(
    tiny: Path, here: Path, machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ["--dataset", tiny / "data", "--models", tiny / "models", "--device", "cpu"]
    wanted += ["--corruption", "frozen-feet", "--replications", 2]
    assert call("evaluator", "audit", *wanted, "--out", "alone") == 0
    table = capsys.readouterr().out
    assert call("evaluator", "audit", *wanted, "--out", "cluster", "--cluster", machines.address) == 0
    assert capsys.readouterr().out == table


def test_an_ablation_on_a_cluster_that_is_started_for_it_is_that_of_one_process(
    tiny: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (leadbench[cluster])")
    shutil.copytree(tiny / "models", here / "models")
    wanted = ["--dataset", tiny / "data", "--models", "models", "--preset", "tiny", "--device", "cpu"]
    wanted += ["--replications", 1, "--multimodality-replications", 0, "--skip-self-test"]
    assert call("ablate", "projector", *wanted, "--out", "alone") == 0
    table = capsys.readouterr().out
    assert call("ablate", "projector", *wanted, "--out", "cluster", "--cluster", "local", "--jobs", 2) == 0
    assert capsys.readouterr().out == table
    (one,), (other,) = (load_runs(here / name) for name in ("alone", "cluster"))
    assert measured(one.folder) == measured(other.folder)


@pytest.mark.parametrize(
    ("address", "message"),
    [("nonsense", "must be local, auto, HOST:PORT"), ("127.0.0.1:1", "no such cluster"), ("a:b", "must be local")],
)
def test_a_cluster_that_is_not_there_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], address: str, message: str
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (leadbench[cluster])")
    assert call("sweep", "run", "sweep.toml", "--cluster", address) == 2
    assert f"--cluster {address}: {message}" in capsys.readouterr().err


def test_ray_that_is_not_installed_is_one_line(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    assert call("sweep", "run", "sweep.toml", "--cluster", "local") == 2
    assert "Ray is missing; install it: pip install 'leadbench[cluster]'" in capsys.readouterr().err

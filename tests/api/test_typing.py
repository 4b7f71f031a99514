"""Strangers' code that uses the public API checks strictly against the built wheel, and a mistake is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PLUGIN = """
from collections.abc import Sequence

from torch import Tensor

import leadbench


@leadbench.hookimpl
def leadbench_metrics() -> Sequence[leadbench.Registration]:
    return [leadbench.Registration("mine", "mean height", make)]


def height(motions: leadbench.GeneratedMotions) -> Tensor:
    return motions.joints[..., 1].mean(dim=(1, 2))


def make() -> object:
    return height
"""

NOTEBOOK = """
import numpy as np
import leadbench

backbone = leadbench.load_backbone("motionlcm")
motions = leadbench.generate(backbone, ["a person walks"], steps=1)
projector = leadbench.train_projector(np.zeros((8, 1, 16)), np.zeros((8, 24)))
score: float = leadbench.fid(np.zeros((8, 4)), np.ones((8, 4)))
top: tuple[float, ...] = leadbench.r_precision(np.zeros((64, 4)), np.ones((64, 4)))
results = leadbench.run("motionlcm", steps=[1, 2])
print(results.table("latex"), [motion.joints.shape for motion in motions], projector.text_encoder, score, top)
"""

WRONG = """
import leadbench

leadbench.generate(leadbench.load_backbone("motionlcm"), ["a person walks"], step=1)
leadbench.fid("real", 3)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment with the wheel; what leadbench depends on is lent by this one."""
    pytest.importorskip("hatchling", reason="building the wheel needs hatchling")
    pytest.importorskip("mypy")
    root = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", root, ROOT], check=True)
    venv.create(root / "env", symlinks=True)
    (site,) = (root / "env" / "lib").glob("python*/site-packages")
    subprocess.run([*pip, "install", "--no-deps", "--target", site, *root.glob("*.whl")], check=True)
    assert (site / "leadbench" / "py.typed").is_file()
    assert (site / "leadbench_mld" / "py.typed").is_file()
    (site / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return root / "env" / "bin" / "python"


def check(python: Path, folder: Path, **files: str) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), "--cache-dir", str(folder)]
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "MYPYPATH")}
    arguments = [*mypy, *(f"{name}.py" for name in files)]
    return subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_strangers_code_checks_strictly_and_mistakes_are_found(python: Path, tmp_path: Path) -> None:
    good = check(python, tmp_path, plugin=PLUGIN, notebook=NOTEBOOK)
    assert good.returncode == 0, good.stdout
    bad = check(python, tmp_path, wrong=WRONG)
    assert bad.returncode == 1
    assert 'Unexpected keyword argument "step"' in bad.stdout
    assert 'Argument 2 to "fid"' in bad.stdout


def test_a_renamed_function_breaks_type_checking_of_the_command_line(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    file = Path("leadbench/tasks/shared/runner.py")
    renamed = tmp_path / "runner.py"
    renamed.write_text((ROOT / file).read_text().replace("def run_task(", "def run_a_task("))
    if (ROOT / ".mypy_cache").is_dir():  # so that only what depends on the file is read again
        shutil.copytree(ROOT / ".mypy_cache", tmp_path / "cache")
    mypy = [sys.executable, "-m", "mypy", "--cache-dir", tmp_path / "cache", "--shadow-file", file, renamed]
    done = subprocess.run([*mypy, "leadbench/cli"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    assert 'has no attribute "run_task"' in done.stdout
    assert "leadbench/cli/running.py" in done.stdout

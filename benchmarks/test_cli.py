"""Time of ``leadbench --help`` beside that of importing what its help is drawn with."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMANDS = {
    "leadbench --help": ["-m", "leadbench.cli.main", "--help"],
    "import typer, rich": ["-c", "import typer, rich"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_start(benchmark, name):  # type: ignore[no-untyped-def]
    benchmark.group = "start of the command line"
    command = [sys.executable, *COMMANDS[name]]
    done = benchmark.pedantic(subprocess.run, (command,), {"capture_output": True}, rounds=7, warmup_rounds=1)
    assert done.returncode == 0

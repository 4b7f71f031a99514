"""A file is replaced whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from leadbench.core.errors import ConfigError, DataError
from leadbench.core.files import (
    aside,
    locked,
    remove_abandoned,
    replacing,
    require_name,
    require_output,
    write_text_atomic,
)


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_text_atomic(file, "old ü")
    with pytest.raises(ZeroDivisionError), replacing(file) as temporary:
        temporary.write_text(f"half{1 // 0}")
    assert file.read_text(encoding="utf-8") == "old ü"
    assert list(tmp_path.iterdir()) == [file]


def test_it_is_not_seen_before_the_end(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_text() == "new"


def test_what_the_dead_left_is_removed_and_what_the_living_write_is_not(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    file = tmp_path / "a.json"
    mine = aside(file, "tmp")
    of_dead = mine.name.replace(f".{os.getpid()}.", f".{dead.pid}.")
    left = [of_dead, f".a.json.elsewhere.{os.getpid()}.7.tmp"]
    other = ".a.json.of.somebody.tmp"
    for name in (mine.name, *left, other):
        (tmp_path / name).write_text("half")
    old = tmp_path / left[1]
    os.utime(old, (0, 0))
    remove_abandoned(tmp_path, "tmp")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([mine.name, other])


def test_outputs_that_can_be_written_leave_nothing(tmp_path: Path) -> None:
    assert require_output(tmp_path / "new" / "deep", "--out") == tmp_path / "new" / "deep"
    assert require_output(tmp_path / "a.png", "--figure", file=True).name == "a.png"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match=r"--figure .*: is a folder, needed is a file"):
        require_output(tmp_path, "--figure", file=True)


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../x", "a/b", "a\\b", "a\0b", "-rf", "~x", "x" * 201, "a\nb", "c:d"]
)
def test_names_that_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(DataError, match="split"):
        require_name(name, "split", DataError)


@pytest.mark.parametrize("name", ["bnr", "000012", "000012#3", "人", "a.b", "M007975", "dataset-2_walk_normal_001"])
def test_names_that_files_may_have(name: str) -> None:
    assert require_name(name, "split") == name


HOLD = """
import sys, time
from pathlib import Path
from leadbench.core.files import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_waited_for_and_free_when_its_holder_ends(tmp_path: Path) -> None:
    said: list[str] = []
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "x.lock")], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    killer = threading.Timer(0.3, holder.kill)
    killer.start()
    with locked(tmp_path / "x.lock", lambda: said.append("waiting")):
        holder.wait()
    assert said == ["waiting"]

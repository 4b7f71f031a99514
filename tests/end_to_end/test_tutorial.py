"""The tutorial's commands and code, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from leadbench.zoo.embedded import shipped

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "write-a-plugin.md"


def blocks() -> list[tuple[str, str]]:
    return re.findall(r"```(console|python)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def command(line: str, site: Path) -> list[str]:
    """The tutorial's words as this test can run them: its own interpreter, and a folder instead of site-packages."""
    words = line.replace("SHIPPED", str(shipped().folder)).split()
    if words[0] == "leadbench":
        return [sys.executable, "-m", "leadbench.cli.main", *words[1:]]
    if words[0] == "pip":
        rest = [word for word in words[1:] if word != "-e"]
        return [sys.executable, "-m", "pip", *rest, "--quiet", "--target", str(site)]
    return words


def test_the_tutorial_runs(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="building distributions needs hatchling")
    site = tmp_path / "site"
    path = os.pathsep.join(map(str, (site, ROOT, ROOT / "plugins")))
    environment = {**os.environ, "PYTHONPATH": path, "LEADBENCH_CACHE": str(tmp_path / "cache")}
    printed = ""
    for language, text in blocks():
        if language == "python":
            commands = [[sys.executable, "-c", text]]
        else:
            commands = [command(line[2:], site) for line in text.splitlines() if line.startswith("$ ")]
        for words in commands:
            done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
            printed += done.stdout
    assert "backbone:mine" in printed
    assert "FAIL" not in printed
    assert re.search(r"\| +(\d+) \| Mine|\| Mine +\|", printed)
    assert "LEAD (Mine)" in printed

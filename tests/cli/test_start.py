"""What commands import before they work: it is most of what a short one takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = ("torch._dynamo", "sympy", "scipy", "matplotlib", "transformers", "diffusers", "sklearn", "ray", "accelerate")


@pytest.mark.parametrize("command", ["generate", "run", "train", "tables"])
def test_nothing_slow_but_torch_is_imported_at_once(command: str) -> None:
    code = f"import leadbench.cli.{command}, sys; print([name for name in {SLOW!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

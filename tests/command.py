"""The command line in this process."""

from __future__ import annotations

import sys

import pytest

from leadbench.cli.main import main


def call(*arguments: object) -> int:
    """Run a command; its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["leadbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
    return int(stopped.value.code or 0)

from __future__ import annotations

import pytest
from command import call

from leadbench.cli import zoo


def test_an_interruption_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        """Stands for a command at work."""
        raise KeyboardInterrupt

    monkeypatch.setattr(zoo, "list_models", interrupted)
    assert call("zoo", "list") == 130
    assert capsys.readouterr().err.strip() == "interrupted; start the same command again to go on"

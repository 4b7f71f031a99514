"""A file is replaced whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadbench.core.files import replacing, write_text_atomic


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

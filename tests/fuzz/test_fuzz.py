"""Every reader on changed files: an answer, or one of leadbench's own errors in one line; nothing else.

``scripts/fuzz.py`` runs the same for as long as one likes; ``docs/reliability.md`` says what it found.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from fuzz_mutations import mutated
from fuzz_readers import READERS, reseal, write_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadbench.core.errors import LeadbenchError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("fuzz") / "files")


@pytest.mark.parametrize("name", READERS)
def test_a_whole_file_is_read(name: str, whole: Path) -> None:
    if name in ("checkpoint", "legacy checkpoint", "card of a denoiser", "run of version 1", "records of version 1"):
        pytest.skip("these hold too little to be accepted; others test that")
    READERS[name].read(whole)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_changed_file_is_read_or_refused_in_one_line(name: str, whole: Path, seed: int) -> None:
    reader, rng = READERS[name], Random(seed)
    path = whole / reader.file
    before = {p: p.read_bytes() for p in (path, *sorted(path.parent.glob("*.json*")))}
    try:
        path.write_bytes(mutated(before[path], rng, [before[path]]))
        if reader.reseal:
            reseal(whole)
        reader.read(whole)
    except LeadbenchError:
        pass  # one line, made to be read
    finally:
        for p, content in before.items():
            p.write_bytes(content)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import studies

from leadbench.study.answers import Answers
from leadbench.study.plan import Study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return studies.make_study(tmp_path / "study", languages=("en", "de"))


@pytest.fixture
def served(study: Study) -> Iterator[str]:
    """Address of the study, served by a thread."""
    answers = Answers(study.answers_path, study.plan.identity)
    with studies.served(study, answers) as address:
        yield address
    answers.close()

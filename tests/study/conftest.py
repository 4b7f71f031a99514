from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from studies import make_study

from leadbench.study.answers import Answers
from leadbench.study.plan import Study
from leadbench.study.serve import _listen
from leadbench.study.server import compressed, make_app


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return make_study(tmp_path / "study", languages=("en", "de"))


@pytest.fixture
def served(study: Study) -> Iterator[str]:
    """Address of the study, served by a thread."""
    answers = Answers(study.answers_path, study.plan.identity)
    listening = _listen("127.0.0.1", 0)
    config = uvicorn.Config(compressed(make_app(study, answers)), log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    answers.close()

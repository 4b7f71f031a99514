from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
import torch

from leadbench.core.errors import CheckpointError, ConfigError
from leadbench.core.processes import is_launched
from leadbench.core.shards import Place
from leadbench.training.launch import LONE, Launch, Released, device_of_launch, join_launch


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As in the second of two processes."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    return monkeypatch


def test_alone_nothing_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    for world in ("", "1", "many"):
        monkeypatch.setenv("WORLD_SIZE", world)
        monkeypatch.setenv("RANK", "0")
        assert not is_launched()
        assert join_launch(torch.device("cpu")) is LONE
    assert LONE.told(lambda: 3) == 3
    assert LONE.total(torch.ones(2)).tolist() == [1, 1]
    LONE.release()


@pytest.mark.parametrize("device", ["cuda:1", "mps:0", " CUDA:0"])
def test_one_device_cannot_be_everybodys(device: str) -> None:
    with pytest.raises(ConfigError, match="each process of a launch takes its own"):
        device_of_launch(device)


def test_each_process_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_of_launch("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of_launch("auto") == "cpu"
    assert device_of_launch("cuda") == "cuda"  # which is then said not to be there
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "3")
    for name in ("auto", "cuda", "cuda:all"):
        assert device_of_launch(name) == "cuda:3"
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert device_of_launch("auto") == "cpu"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ACCELERATE_USE_FSDP", "true", "FSDP was asked for"),
        ("ACCELERATE_USE_DEEPSPEED", "true", "DeepSpeed was asked for"),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4", "--set loop.accumulate=N"),
        ("ACCELERATE_MIXED_PRECISION", "bf16", "--precision bf16"),
    ],
)
def test_what_a_launch_asks_for_and_does_not_get_is_an_error(
    variable: str, value: str, said: str, launched: pytest.MonkeyPatch
) -> None:
    launched.setenv(variable, value)
    with pytest.raises(ConfigError, match=said):
        join_launch(torch.device("cpu"))


def test_the_others_are_released() -> None:
    Launch(Place(0, 2)).release()
    with pytest.raises(Released):
        Launch(Place(1, 2)).release()


@pytest.fixture
def _listens_again() -> Iterator[None]:
    """A process that failed in a launch ends, so it stays deaf to SIGTERM; this one goes on."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_listens_again")
def test_being_ended_by_the_launcher_is_the_same_line() -> None:
    """It ends the others where one dies, before they can have noticed, and while they say so."""

    def end() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)  # the signal is heard here

    with pytest.raises(ConfigError, match="another process of this launch ended"), Launch(Place(0, 2)).together("x"):
        end()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


@pytest.mark.usefixtures("_listens_again")
def test_who_listens_to_sigterm_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Launch(Place(0, 2)).together("x"):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    for launch in (LONE, Launch(Place(1, 2))):
        with launch.together("x"):
            assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.usefixtures("_listens_again")
def test_a_lost_process_is_one_line_and_a_bug_is_none() -> None:
    two = Launch(Place(0, 2))
    with pytest.raises(ConfigError, match="another process of this launch ended"), two.together("training x"):
        raise RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer")
    with pytest.raises(RuntimeError, match="shapes"), two.together("training x"):
        raise RuntimeError("shapes do not fit")
    with pytest.raises(RuntimeError, match="Connection"), LONE.together("training x"):
        raise RuntimeError("Connection closed by peer")


def test_alone_an_error_is_raised_as_it_is() -> None:
    def fails() -> None:
        raise CheckpointError("damaged")

    with pytest.raises(CheckpointError, match="damaged"):
        LONE.told(fails)

from __future__ import annotations

import functools
import logging
import subprocess
import sys
import threading
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from leadbench.core.content import content_digest


@dataclass
class Held:
    value: object


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


def scaled(factor: float) -> Any:
    return lambda motions: motions * factor


PAIRS: dict[str, tuple[object, object]] = {
    "a tensor": (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0])),
    "its type": (torch.tensor([1, 2]), torch.tensor([1, 2], dtype=torch.int32)),
    "its shape": (torch.zeros(2, 3), torch.zeros(3, 2)),
    "an array": (np.array([1.0]), np.array([2.0])),
    "an array of objects": (np.array(["a", None], dtype=object), np.array(["b", None], dtype=object)),
    "a module": (nn.Linear(2, 2), nn.Linear(2, 2)),
    "a setting of a module": (nn.Dropout(0.1), nn.Dropout(0.2)),
    "a key": ({"a": 1}, {"b": 1}),
    "a value": (Counter(a=1), Counter(a=2)),
    "an order": ([1, 2], [2, 1]),
    "a member": ({1, 2}, {1, 3}),
    "an item": (deque([1]), deque([2])),
    "what an object holds": (Held([torch.zeros(1)]), Held([torch.ones(1)])),
    "a slot": (Slotted(1), Slotted(2)),
    "a namespace": (SimpleNamespace(a=1), SimpleNamespace(a=2)),
    "what a function encloses": (scaled(1.0), scaled(100.0)),
    "what is bound": (functools.partial(max, 1), functools.partial(max, 2)),
    "a constant": (lambda x: x * 2.0, lambda x: x * 3.0),
    "a default": (lambda x, by=1: x, lambda x, by=2: x),
    "a path": (Path("a"), Path("b")),
}


@pytest.mark.parametrize("what", PAIRS)
def test_another_content_is_another_digest(what: str) -> None:
    one, other = PAIRS[what]
    assert content_digest(one) == content_digest(one)
    assert content_digest(one) != content_digest(other)
    assert content_digest(Held({"deep": [one]})) != content_digest(Held({"deep": [other]}))


def test_neither_order_of_keys_nor_tools_count() -> None:
    assert content_digest({"a": 1, "b": 2}) == content_digest({"b": 2, "a": 1})
    for tool in (threading.Lock, lambda: logging.getLogger("x"), torch.Generator):
        assert content_digest(Held(tool())) == content_digest(Held(tool()))


def test_a_part_may_tell_its_own_content() -> None:
    class Told:
        def __init__(self, digest: str) -> None:
            self.digest = lambda: digest

    assert content_digest(Told("a")) == content_digest(Told("a")) != content_digest(Told("b"))


def test_circles_end() -> None:
    first, second = Held(None), Held(1)
    first.value = [first, second]
    assert content_digest(first) == content_digest(first)


def test_another_process_gives_the_same() -> None:
    code = (
        "import torch; from collections import Counter; from leadbench.core.content import content_digest\n"
        "torch.manual_seed(0)\n"
        "print(content_digest([torch.nn.Linear(2, 2), {'b', 'a'}, Counter('abca'), lambda x: x + 1.5]))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1

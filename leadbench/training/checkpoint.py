"""Checkpoints that know what they are of: continued only by the training that wrote them, whole or not at all.

A file holds a line with the SHA-256 of what follows, then what ``torch.save`` wrote. The one before it is kept, so that
a file cut off by a full disk or a dying machine costs the time between two checkpoints and no more.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from leadbench.core.differences import differing
from leadbench.core.errors import CheckpointError
from leadbench.core.files import replacing
from leadbench.core.reading import reason

_MAGIC = b"leadbench checkpoint 1 "
_HEAD = len(_MAGIC) + 64 + 1


@dataclass(frozen=True)
class CheckpointFile:
    """Where a training keeps its state.

    Args:
        path: the file; its predecessor lies beside it.
        of: what the training is of, as JSON holds it; a checkpoint of anything else is not continued.
        restart: begin anew; what is there is removed.
        replace: begin anew, and say so, where what is there is of another training; else that is an error.
        say: called with one line where a file is damaged.
    """

    path: Path
    of: Mapping[str, Any]
    restart: bool = False
    replace: bool = False
    say: Callable[[str], None] = lambda _: None

    @property
    def previous(self) -> Path:
        """The one before."""
        return self.path.with_name(f"{self.path.stem}.previous{self.path.suffix}")

    def load(self) -> dict[str, Any] | None:
        """What was saved last and is whole; None: there is nothing.

        Raises:
            CheckpointError: it is of another training, or every file is damaged.
        """
        if self.restart:
            for path in (self.path, self.previous):
                path.unlink(missing_ok=True)
            return None
        damaged: list[str] = []
        for path in (self.path, self.previous):
            if not path.is_file():
                continue
            try:
                payload = _read(path)
            except CheckpointError as exc:
                damaged.append(str(exc))
                continue
            if not self._is_same(path, payload):
                return None
            if damaged:
                self.say(f"{damaged[0]}; going on from {path.name}")
            content: dict[str, Any] = payload["content"]
            return content
        if damaged:
            raise CheckpointError(f"{damaged[0]}; start anew with --restart")
        return None

    def save(self, content: Mapping[str, Any]) -> None:
        """Write the state; what was there becomes the previous one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save({"of": json.dumps(self.of, sort_keys=True), "content": dict(content)}, buffer)
        raw = buffer.getbuffer()
        with replacing(self.path) as temporary:
            with temporary.open("wb") as file:
                file.write(_MAGIC + hashlib.sha256(raw).hexdigest().encode() + b"\n")
                file.write(raw)
            if self.path.is_file():
                self.path.replace(self.previous)

    def _is_same(self, path: Path, payload: Mapping[str, Any]) -> bool:
        differences = differing(json.loads(payload["of"]), json.loads(json.dumps(self.of)))
        if not differences:
            return True
        what = f"{path}: of another training ({', '.join(differences)} differ)"
        if self.replace:
            self.say(f"{what}; beginning anew")
            return False
        raise CheckpointError(f"{what}; go back to what it is of, or start anew with --restart")


def _read(path: Path) -> dict[str, Any]:
    """What a file holds, once its hash is as written."""
    try:
        raw = path.read_bytes()
        if not raw.startswith(_MAGIC):
            raise CheckpointError(f"{path}: no checkpoint of this version")
        if hashlib.sha256(raw[_HEAD:]).hexdigest().encode() != raw[len(_MAGIC) : _HEAD - 1]:
            raise CheckpointError(f"{path}: damaged or cut off (SHA-256 differs)")
        payload: dict[str, Any] = torch.load(io.BytesIO(raw[_HEAD:]), map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as exc:
        raise CheckpointError(f"{path}: cannot be read ({reason(exc)})") from exc
    return payload

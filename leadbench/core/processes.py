"""Worker processes that compute on their share of the cores and end with their parent, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time

PARENT = "LEADBENCH_PARENT"
"""Environment variable with the process that a command ends with, however that ends."""

_EVERY_SECONDS = 0.5


def is_launched() -> bool:
    """Whether ``accelerate launch`` or ``torchrun`` started several processes, of which this is one."""
    world, rank = os.environ.get("WORLD_SIZE", ""), os.environ.get("RANK", "")
    return world.isdecimal() and int(world) > 1 and rank.isdecimal()


def begin_worker(threads: int = 1) -> None:
    """Initializer of worker processes: torch's threads, and a watch on the parent.

    A worker waits for work on a pipe that its siblings hold too, so it would not notice that the parent was killed.
    """
    import torch  # not needed by everybody who imports this package

    torch.set_num_threads(threads)
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:  # else this is no worker
        threading.Thread(target=_end_with, args=(parent.pid,), daemon=True).start()


def end_with_parent() -> None:
    """Watch the process that :data:`PARENT` names, where it is set; and a launcher between, where there is one."""
    parent = os.environ.pop(PARENT, "")
    if parent.isdecimal():
        watch = _end_with_both if is_launched() else _end_with
        threading.Thread(target=watch, args=(int(parent),), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY_SECONDS)
    os._exit(1)


def _end_with_both(grandparent: int) -> None:
    launcher = os.getppid()
    while os.getppid() == launcher and _is_there(grandparent):
        time.sleep(_EVERY_SECONDS)
    os._exit(1)


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

"""Figures of a training handed to trackers, beside whoever else is told of its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from leadbench.core.contracts import Tracker
from leadbench.core.errors import LeadbenchError, PluginError
from leadbench.core.reading import reason
from leadbench.training.loop import Progress


@contextmanager
def tracked(
    trackers: Sequence[Tracker], training: str, config: Mapping[str, Any], report: Callable[[Progress], None] | None
) -> Iterator[Callable[[Progress], None] | None]:
    """What the loop is to report to; trackers begin with the first step, and end however the block ends.

    Args:
        trackers: where figures go.
        training: its name.
        config: of its stage.
        report: who is told too.

    Raises:
        PluginError: a tracker fails; the training goes on from its last checkpoint.
    """
    if not trackers:
        yield report
        return
    with ExitStack() as stack:
        begun = False

        def told(progress: Progress) -> None:
            nonlocal begun
            if not begun:
                begun = True
                for tracker in trackers:
                    stack.callback(_asked, tracker.end)
                    _asked(tracker.begin, training, config, progress.step - 1)
            named = {f"train/{name}": value for name, value in progress.figures.items()}
            named |= {f"validation/{name}": value for name, value in progress.validation.items() if name != "step"}
            for tracker in trackers:
                _asked(tracker.log, progress.step, named)
            if report is not None:
                report(progress)

        yield told


def _asked(method: Callable[..., None], *arguments: Any) -> None:
    """Call a tracker; what it raises is one line that names it."""
    try:
        method(*arguments)
    except LeadbenchError:
        raise
    except Exception as exc:  # a server's client raises anything
        owner = type(getattr(method, "__self__", method)).__name__
        raise PluginError(f"tracker {owner}, {method.__name__}: {type(exc).__name__}: {reason(exc)}") from exc

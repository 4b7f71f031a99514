"""Values of options: what is taken, and one line for what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leadbench.cli import parsing
from leadbench.core.errors import ConfigError, UnknownNameError
from leadbench.tasks.shared.units import Share


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parsing.parse_chunk, "0", "--chunk 0: must be a whole number of at least 1, or auto"),
        (parsing.parse_batch, "1.5", r"--batch 1\.5: must be a whole number"),
        (parsing.parse_batch, "-1", "--batch -1"),
        (parsing.parse_part, "0/4", "--part 0/4: must be K/N with K from 1 to N"),
        (parsing.parse_part, "5/4", "--part 5/4"),
        (parsing.parse_part, "1-4", "--part 1-4"),
        (parsing.parse_names, " , ", "--backbone ' , ': no name given"),
        (parsing.parse_steps, "1,0", "--steps 1,0: steps must be at least 1"),
        (parsing.parse_steps, "mld=ten", "--steps 'ten': must be numbers separated by commas"),
        (parsing.parse_steps, "mld=", "--steps: no value given"),
        (lambda text: parsing.parse_checkpoints([text]), "mld", "--checkpoint mld: must be NAME=FILE"),
        (lambda text: parsing.parse_checkpoints([text]), "=a.ckpt", "--checkpoint =a.ckpt"),
        (lambda text: parsing.parse_encoders([text]), "=minilm", "--text-encoder =minilm: must be NAME or BACKBONE"),
        (lambda text: parsing.parse_encoders([text]), "mld=", "--text-encoder mld="),
        (lambda text: parsing.parse_numbers(text, float, "--guidance"), "1,nan", "--guidance '1,nan'"),
        (lambda text: parsing.parse_numbers(text, float, "--guidance"), "inf", "--guidance 'inf'"),
    ],
)
def test_what_is_refused(parse: Callable[[str], object], text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(text)


def test_steps_of_several_backbones() -> None:
    assert parsing.parse_steps("1,2,4 mld=10;flow=8") == {None: [1, 2, 4], "mld": [10], "flow": [8]}
    assert parsing.parse_steps(None) == {}


def test_parts_cover_every_unit_once() -> None:
    parts = [parsing.parse_part(f"{number}/3") for number in (1, 2, 3)]
    assert parts[0] == Share(1, 3)
    assert all(sum(part.holds(unit) for part in parts) == 1 for unit in range(10))


def test_an_unknown_loss_names_the_nearest() -> None:
    assert parsing.parse_losses("mld,lead", ("mld", "lead", "feat")) == ("mld", "lead")
    with pytest.raises(UnknownNameError, match=r"--losses.*'leed'|'leed'.*lead"):
        parsing.parse_losses("leed", ("mld", "lead", "feat"))

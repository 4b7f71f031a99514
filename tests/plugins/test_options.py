"""Options of plugins' parts."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field

from leadbench.core.errors import ConfigError
from leadbench.plugins.hookspecs import MetricRegistration
from leadbench.plugins.options import all_values, parse_options, resolved_options


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")
    neighbours: int = Field(5, gt=0)
    metric: str = "cosine"


def part(options: object = Options) -> MetricRegistration:
    return MetricRegistration("mine", "a part", lambda context: None, options=options)  # type: ignore[arg-type]


def test_who_says_it_last_wins() -> None:
    """Users, else what it was trained with, else the defaults."""
    found = resolved_options(part(), {"metric": "l2"}, {"metric": "dot", "neighbours": 3, "gone": 1})
    assert found is not None
    assert all_values(found) == {"neighbours": 3, "metric": "l2"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"neighbour": 1}, r"--option mine.neighbour: no such option \(allowed: metric, neighbours; did you mean"),
        ({"neighbours": 0}, r"--option mine.neighbours=0: "),
        ({"neighbours": "many"}, r"--option mine.neighbours=many: "),
    ],
)
def test_what_does_not_fit_is_one_line(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        resolved_options(part(), given)
    assert "\n" not in str(caught.value)


def test_a_part_without_options() -> None:
    assert resolved_options(part(None), {}) is None
    with pytest.raises(ConfigError, match="'mine' takes no options"):
        resolved_options(part(None), {"k": 1})


@pytest.mark.parametrize(
    ("options", "said"), [("no_such_module:Options", "cannot import its options"), (dict, "are no pydantic model")]
)
def test_a_registration_that_names_no_model(options: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        resolved_options(part(options), {})


@pytest.mark.parametrize("text", ["mine", "mine.k", "mine=5", ".k=5", "mine.=5", ""])
def test_what_is_no_option(text: str) -> None:
    with pytest.raises(ConfigError, match=r"must be NAME\.KEY=VALUE"):
        parse_options([text])


def test_values_are_toml_or_text() -> None:
    found = parse_options(["a.k=[1, 2]", "a.text=x=y", " a.on = true", "b.none="])
    assert found == {"a": {"k": [1, 2], "text": "x=y", "on": True}, "b": {"none": ""}}
    with pytest.raises(ConfigError, match=r"a\.k is given twice"):
        parse_options(["a.k=1", "a.k=1"])

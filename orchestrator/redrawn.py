"""A pipeline whose answers are drawn otherwise than its strategies say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from .errors import UsageError
from .parts import parts
from .pipeline import Node, Pipeline
from .strategy import Strategy


def writers(pipeline: Pipeline) -> list[Strategy]:
    """Its strategies that draw what may become the answer."""
    return [part for part in parts(pipeline) if isinstance(part, Strategy) and part.writes]


def passes_calls(strategy: Strategy) -> bool:
    """Whether it gives answers as they are drawn, so that they may be calls of tools, which nothing here reads."""
    read = [part for part in parts(strategy) if not isinstance(part, Node | Pipeline)]
    return all(isinstance(part, Strategy) and "tools" in part.follows for part in read)


def redrawn(pipeline: Pipeline, knob: str, value: Any) -> Pipeline:
    """The pipeline with one knob of each strategy that draws what may become the answer; judges keep their own.

    Args:
        pipeline: as it stands.
        knob: one that they all follow: ``max_tokens``, which caps theirs, ``stop``, which is added to theirs, or
            another, which takes the place of theirs. A cap is nothing to those that do not follow it.
        value: of the knob.

    Raises:
        UsageError: one of these strategies cannot draw so.
    """

    def change(part: Strategy) -> Strategy:
        try:
            return _with(part, knob, value)
        except ValidationError as error:
            raise UsageError.from_validation(f"strategy {part.kind!r}, changed as asked,", error) from None
        except ValueError as error:
            raise UsageError(f"strategy {part.kind!r} must draw as asked, but: {error}") from None

    changed: Pipeline = _rewritten(pipeline, change)
    return changed


def _with(part: Strategy, knob: str, value: Any) -> Strategy:
    """The strategy with one knob as it is asked for, checked anew."""
    if knob == "max_tokens":
        part = part.capped(value)
    knobs = {name: getattr(part, name) for name in type(part).model_fields}
    if knob == "stop":
        value = tuple(dict.fromkeys((*knobs["stop"], *value)))
    return type(part).model_validate(knobs if knob == "max_tokens" else {**knobs, knob: value})


def _rewritten(part: Any, change: Callable[[Strategy], Strategy]) -> Any:
    """`part` with `change` applied to every strategy in it that writes; what does not change is the same object."""
    if isinstance(part, tuple):
        items = tuple(_rewritten(item, change) for item in part)
        return items if any(new is not old for new, old in zip(items, part, strict=True)) else part
    if not isinstance(part, Strategy | Node):
        return part
    values = {name: getattr(part, name) for name in type(part).model_fields}
    news = {name: new for name, old in values.items() if (new := _rewritten(old, change)) is not old}
    copy = part.model_copy(update=news) if news else part
    return change(copy) if isinstance(copy, Strategy) and copy.writes else copy

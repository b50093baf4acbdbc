"""What a request changes in a pipeline: how its strategies draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from ...strategies.drawing import Drawing
from ..errors import UsageError
from ..parts import needing_reference, parts
from ..pipeline import Node, Pipeline
from ..strategy import Strategy
from .asked import refuse
from .wire import ChatRequest

SAMPLED = ("temperature", "top_p", "max_tokens", "stop")


def with_sampling(pipeline: Pipeline, asked: ChatRequest) -> Pipeline:
    """The pipeline, drawing as the request asks.

    Temperature and nucleus mass replace those of every strategy that draws what may become the answer; the number of
    tokens is a cap on theirs; stop strings are added to theirs. Judges keep their own.

    Raises:
        Refusal: one of these strategies cannot follow.
    """
    changes = {name: value for name, value in _wanted(asked).items() if value not in (None, [])}
    if not changes:
        return pipeline
    writers = [part for part in parts(pipeline) if isinstance(part, Strategy) and part.writes]
    for name in changes:
        if not writers or any(name not in part.follows for part in writers):
            kinds = ", ".join(sorted({part.kind for part in writers if name not in part.follows}))
            rule = f"this model fixes it{f' ({kinds} cannot follow)' if kinds else ''}; leave it out"
            raise refuse(_sent(asked, name), rule, "unsupported_parameter")
    changed: Pipeline = _rewritten(pipeline, lambda part: _as_asked(part, changes, asked))
    return changed


def drawings(pipeline: Pipeline) -> list[Drawing]:
    """The strategies of a pipeline that draw whole candidates from the query."""
    return [part for part in parts(pipeline) if isinstance(part, Drawing)]


def check_servable(pipeline: Pipeline, name: str) -> None:
    """Refuse a pipeline that cannot answer requests.

    Raises:
        ShapeError: it cannot run.
        UsageError: a verifier needs a reference answer, which no request carries.
    """
    pipeline.check()
    if (verifier := needing_reference(pipeline)) is not None:
        raise UsageError(
            f"a served pipeline must judge without a reference answer, but {name!r} uses {verifier.name!r}, "
            "which needs one; judge with a reward model or by vote"
        )


def _wanted(asked: ChatRequest) -> dict[str, Any]:
    return {name: asked.most_tokens if name == "max_tokens" else getattr(asked, name) for name in SAMPLED}


def _sent(asked: ChatRequest, name: str) -> str:
    """What the client called a knob."""
    return "max_completion_tokens" if name == "max_tokens" and asked.max_tokens is None else name


def _as_asked(part: Strategy, changes: Mapping[str, Any], asked: ChatRequest) -> Strategy:
    """The strategy, changed as the request asks and checked anew after each change.

    Raises:
        Refusal: it cannot be changed so.
    """
    for name, value in changes.items():
        try:
            part = _with(part, name, value)
        except (UsageError, ValueError) as error:
            said: Exception = error
            if isinstance(error, ValidationError):
                said = UsageError.from_validation(f"strategy {part.kind!r} as the request changes it", error)
            raise refuse(_sent(asked, name), f"this model cannot draw so: {said}", "unsupported_value") from None
    return part


def _with(part: Strategy, name: str, value: Any) -> Strategy:
    """The strategy with one knob as a request wants it."""
    if name == "max_tokens":
        part = part.capped(value)
    knobs = {each: getattr(part, each) for each in type(part).model_fields}
    if name == "stop":
        value = tuple(dict.fromkeys((*knobs["stop"], *value)))
    return type(part).model_validate(knobs if name == "max_tokens" else {**knobs, name: value})


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

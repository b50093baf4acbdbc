"""What a request changes in a pipeline: how its strategies draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from ...strategies.drawing import Drawing
from ..errors import UsageError
from ..parts import needing_reference, parts
from ..pipeline import Node, Pipeline
from ..strategy import Strategy
from .refusal import Refusal
from .wire import ChatRequest

SAMPLED = ("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop")


def with_sampling(pipeline: Pipeline, asked: ChatRequest) -> Pipeline:
    """The pipeline, drawing as the request asks.

    Temperature and nucleus mass replace those of every strategy that draws from the query; the number of tokens is
    a cap on theirs; stop strings are added to theirs.

    Raises:
        Refusal: nothing in the pipeline draws that way.
    """
    sent = [name for name in SAMPLED if getattr(asked, name) not in (None, [])]
    if not sent:
        return pipeline
    if not drawings(pipeline):
        rule = f"{sent[0]}: this model fixes its own sampling; leave it out"
        raise Refusal(400, rule, param=sent[0], code="unsupported_parameter")
    changed: Pipeline = _rewritten(pipeline, lambda drawing: _drawn_as_asked(drawing, asked))
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


def _drawn_as_asked(drawing: Drawing, asked: ChatRequest) -> Drawing:
    """The strategy, changed as the request asks and checked anew.

    Raises:
        Refusal: it cannot be changed so.
    """
    capped = drawing if asked.most_tokens is None else drawing.capped(asked.most_tokens)
    changes: dict[str, Any] = {}
    if asked.temperature is not None:
        changes["temperature"] = asked.temperature
    if asked.top_p is not None:
        changes["top_p"] = asked.top_p
    if asked.stop:
        changes["stop"] = tuple(dict.fromkeys((*drawing.stop, *asked.stop)))
    knobs = {name: getattr(capped, name) for name in type(capped).model_fields}
    try:
        return type(drawing).model_validate(knobs | changes)
    except ValidationError as error:
        refused: UsageError = UsageError.from_validation(f"strategy {drawing.kind!r} as the request changes it", error)
    except UsageError as error:
        refused = error
    raise Refusal(400, f"this model cannot draw so: {refused}", code="unsupported_value")


def _rewritten(part: Any, change: Callable[[Drawing], Drawing]) -> Any:
    """`part` with `change` applied to every strategy in it that draws; what does not change is the same object."""
    if isinstance(part, tuple):
        items = tuple(_rewritten(item, change) for item in part)
        return items if any(new is not old for new, old in zip(items, part, strict=True)) else part
    if not isinstance(part, Strategy | Node):
        return part
    values = {name: getattr(part, name) for name in type(part).model_fields}
    news = {name: new for name, old in values.items() if (new := _rewritten(old, change)) is not old}
    copy = part.model_copy(update=news) if news else part
    return change(copy) if isinstance(copy, Drawing) else copy

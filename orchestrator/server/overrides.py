"""What a request changes in a pipeline: how its strategies draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...strategies.drawing import Drawing
from ..engine import Engine
from ..errors import ShapeError, UsageError
from ..parts import needing_reference, parts
from ..pipeline import Pipeline
from ..plan import Plan
from ..redrawn import passes_calls, redrawn, writers
from ..shape import Shape
from .asked import refuse
from .wire import ChatRequest

OF_ENGINES = ("json_schema", "logprobs", "tools")
"""What an engine must be able to do, and not the strategy alone."""


def as_asked(pipeline: Pipeline, asked: ChatRequest, engines: Mapping[str, Engine] | None = None) -> Pipeline:
    """The pipeline, drawing as the request asks.

    Temperature, nucleus mass and the form of answers replace those of every strategy that draws what may become the
    answer; the number of tokens is a cap on theirs; stop strings are added to theirs. Judges keep their own.

    Args:
        pipeline: as it stands.
        asked: the request.
        engines: by name; None while only strategies matter.

    Raises:
        Refusal: a strategy cannot follow, or an engine cannot do what it would need to.
    """
    if asked.shown and engines and not all(engines[name].capabilities.images for name in pipeline.engine_names()):
        raise refuse(asked.shown[0].place, "this model does not see images; send text alone", "unsupported_value")
    drawing = writers(pipeline)
    for name, value in wishes(asked).items():
        fixing = [part.kind for part in drawing if name not in part.follows]
        if not drawing or fixing or (name == "tools" and not passes_calls(pipeline)):
            kinds = ", ".join(sorted(set(fixing)))
            rule = f"this model fixes it{f' ({kinds} cannot follow)' if kinds else ''}; leave it out"
            raise refuse(_sent(asked, name), rule, "unsupported_parameter")
        try:
            pipeline = redrawn(pipeline, name, value)
            if name in OF_ENGINES and engines is not None:
                pipeline.infer(Shape(), Plan(engines))
        except ShapeError:
            rule = "the engine behind this model cannot do that; leave it out"
            raise refuse(_sent(asked, name), rule, "unsupported_parameter") from None
        except UsageError as error:
            raise refuse(_sent(asked, name), f"this model cannot draw so: {error}", "unsupported_value") from None
    if asked.of_tools and not may_call(pipeline, engines):
        rule = "this model reads no conversation in which tools were called; leave such turns out"
        raise refuse(asked.of_tools, rule, "unsupported_value")
    return pipeline


def may_call(pipeline: Pipeline, engines: Mapping[str, Engine] | None) -> bool:
    """Whether tools may be called: nothing reads its draws before they are answers, and its engines can."""
    can = engines is None or all(engines[name].capabilities.tools for name in pipeline.engine_names())
    return can and passes_calls(pipeline)


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


def wishes(asked: ChatRequest) -> dict[str, Any]:
    """What a request asks of knobs, by their names; nothing of those that it leaves alone."""
    wanted = {
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "max_tokens": asked.most_tokens,
        "stop": tuple(asked.stop),
        "json_schema": asked.response_format.schema_text,
        "logprobs": asked.logprobs,
        "tools": asked.tools_text,
    }
    return {name: value for name, value in wanted.items() if value not in (None, (), False)}


def _sent(asked: ChatRequest, name: str) -> str:
    """What the client called a knob."""
    if name == "json_schema":
        return "response_format"
    return "max_completion_tokens" if name == "max_tokens" and asked.max_tokens is None else name

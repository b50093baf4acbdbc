"""What a request changes in a pipeline: how its strategies draw."""

from __future__ import annotations

from typing import Any

from ...strategies.drawing import Drawing
from ..errors import UsageError
from ..parts import needing_reference, parts
from ..pipeline import Pipeline
from ..redrawn import redrawn, writers
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
    drawing = writers(pipeline)
    for name in changes:
        if not drawing or any(name not in part.follows for part in drawing):
            kinds = ", ".join(sorted({part.kind for part in drawing if name not in part.follows}))
            rule = f"this model fixes it{f' ({kinds} cannot follow)' if kinds else ''}; leave it out"
            raise refuse(_sent(asked, name), rule, "unsupported_parameter")
    for name, value in changes.items():
        try:
            pipeline = redrawn(pipeline, name, value)
        except UsageError as error:
            raise refuse(_sent(asked, name), f"this model cannot draw so: {error}", "unsupported_value") from None
    return pipeline


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

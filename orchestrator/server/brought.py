"""The strategy that a request brings itself, within what the operator allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..canonical import canonical_json
from ..errors import ShapeError, UsageError
from ..parts import parts
from ..pipeline import Node, Pipeline, build_strategy
from ..plan import Plan
from ..shape import Shape
from .asked import refuse
from .overrides import check_servable
from .served import Model

PARAM = "ponder.strategy"


def brought(model: Model, spec: Mapping[str, Any] | None, allowed: frozenset[str]) -> tuple[Pipeline, int]:
    """What a model runs for a request that brings a strategy, or none: the pipeline, and the most answers it gives.

    Args:
        model: whose engines it runs on.
        spec: the strategy as a table with a ``kind`` and its knobs, as in a pipeline's file.
        allowed: the kinds of strategies and verifiers that the operator lets requests bring.

    Raises:
        Refusal: it is no strategy, is not allowed, or cannot run on the model's engines.
    """
    if spec is None:
        return model.pipeline, model.most_answers
    return model.brought.get(model, (canonical_json(spec), allowed), lambda: _made(model, spec, allowed))


def _made(model: Model, spec: Mapping[str, Any], allowed: frozenset[str]) -> tuple[Pipeline, int]:
    try:
        pipeline = Pipeline.series(build_strategy(spec), name=model.name, engines=model.pipeline.engines)
        if any(isinstance(part, Pipeline) and part.engines for part in parts(pipeline.nodes)):
            raise refuse(PARAM, "it runs on the engines of the model, so leave out engines", "not_allowed")
        kinds = {part.kind for part in parts(pipeline) if not isinstance(part, Node)} - {"pipeline"}
        if not kinds <= allowed:
            known = ", ".join(sorted(allowed)) or "none"
            rule = f"it may be made of {known} here, but holds {min(kinds - allowed)!r}"
            raise refuse(PARAM, f"{rule}; ask the operator, or leave it out", "not_allowed")
        check_servable(pipeline, model.name)
        made = pipeline.infer(Shape(), Plan())
    except (UsageError, ShapeError) as error:
        raise refuse(PARAM, str(error)) from None
    if made.medium != model.medium:
        raise refuse(PARAM, f"it must make {model.medium}s, as this model does, but makes {made.medium}s")
    return pipeline, made.most

"""What a client can learn of each model: ``/v1/models``."""

from __future__ import annotations

from typing import Any

from ..budget import Budget
from .dial import EFFORTS, Dial
from .endpoint import PATHS
from .overrides import may_call
from .served import Model, Models


def card(models: Models, name: str, since: int) -> dict[str, Any]:
    """The card of a model, in OpenAI's words; what only ponder knows stands under ``ponder``.

    Args:
        models: all that are served.
        name: of the model.
        since: when the server began, in seconds since the epoch.

    Raises:
        Refusal: there is no such model.
    """
    model = models.pick(name)
    dial = models.dials.get(name)
    told = {**_facts(model), **(_choices(dial, models) if dial else {})}
    return {"id": name, "object": "model", "created": since, "owned_by": "ponder", "ponder": told}


def _facts(model: Model) -> dict[str, Any]:
    engines = [model.engines[name].capabilities for name in model.pipeline.engine_names()]
    lengths = [each.context_length for each in engines if each.generate and each.denoising is None]
    facts: dict[str, Any] = {
        "makes": model.medium,
        "asked_at": list(PATHS[model.medium]),
        "composition": [node.strategy.kind for node in model.pipeline.nodes],
        "most_answers": model.most_answers,
    }
    if model.medium == "image":
        return {**facts, "sizes": model.sizes}
    can_call = may_call(model.pipeline, model.engines)
    return {**facts, "context_length": min(lengths, default=None), "calls_tools": can_call}


def _choices(dial: Dial, models: Models) -> dict[str, Any]:
    """The points of a frontier, and the efforts that pick each."""
    by_effort = {effort: dial.point(effort, Budget()) for effort in EFFORTS}
    points: list[dict[str, Any]] = [
        {
            "model": dial.model(point),
            "efforts": [effort for effort, its in by_effort.items() if its is point],
            "composition": point.name,
            "cost": dict(point.cost),
            "accuracy": point.accuracy,
            "interval": [point.low, point.high],
            "is_confirmed": not point.not_confirmed,
        }
        for point in dial.frontier.points
    ]
    most = max(models[point["model"]].most_answers for point in points)
    return {"most_answers": most, "by": dial.frontier.by, "points": points}

"""The strategy that a request brings itself, within what the operator allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...strategies import STRATEGIES
from ...verifiers import VERIFIERS
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
MOST_CHARACTERS = 65_536
MOST_TABLES = 64
MOST_ROUNDS = 1_000
BARRED = {
    "engines": "it runs on the engines of the model",
    "function": "no function of the server is called by name",
    "limits": "what programs may use is the operator's to say",
    "packages": "what programs may read is the operator's to say",
    "leaf": "a pattern can take for ever, and holds up the server meanwhile",
}
"""Knobs that no request sets, whatever the operator allows, and why. What is barred is not even built."""


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
    text = canonical_json(spec)
    if len(text) > MOST_CHARACTERS:
        raise refuse(PARAM, f"it must have at most {MOST_CHARACTERS} characters as JSON; shorten it")
    return model.brought.get(model, (text, allowed), lambda: _made(model, spec, allowed))


def check_kinds(kinds: frozenset[str]) -> None:
    """Refuse to allow what no request could bring.

    Raises:
        UsageError: there is no such kind, or it calls functions of the server.
    """
    if not kinds:
        return
    if unknown := kinds - ({*STRATEGIES.names(), *VERIFIERS.names()} - {"function"}):
        rule = "what requests may bring must be a kind of strategy or verifier that calls no function of yours"
        raise UsageError(f"{rule}, got {min(unknown)!r}; choose from those that ponder list shows")


def _made(model: Model, spec: Mapping[str, Any], allowed: frozenset[str]) -> tuple[Pipeline, int]:
    _check_plain(spec)
    try:
        pipeline = Pipeline.series(build_strategy(spec), name=model.name, engines=model.pipeline.engines)
        kinds = {part.kind for part in parts(pipeline) if not isinstance(part, Node)} - {"pipeline"}
        if not kinds <= allowed:
            known = ", ".join(sorted(allowed)) or "none"
            rule = f"it may be made of {known} here, but holds {min(kinds - allowed)!r}"
            raise refuse(PARAM, f"{rule}; ask the operator, or leave it out", "not_allowed")
        made = pipeline.infer(Shape(), Plan(model.engines, most_rounds=MOST_ROUNDS))
        check_servable(pipeline, model.name)
    except (UsageError, ShapeError) as error:
        raise refuse(PARAM, str(error)) from None
    if made.medium != model.medium:
        raise refuse(PARAM, f"it must make {model.medium}s, as this model does, but makes {made.medium}s")
    return pipeline, made.most


def _check_plain(spec: Mapping[str, Any]) -> None:
    """Refuse what is too large, or sets what requests never do.

    Raises:
        Refusal: it is or does.
    """
    for count, table in enumerate(_tables(spec), 1):
        if count > MOST_TABLES:
            raise refuse(PARAM, f"it must be made of at most {MOST_TABLES} tables; make it smaller")
        for knob in BARRED.keys() & table.keys():
            if not isinstance(table[knob], list):  # ab_mcts names the engines that it asks in a list
                raise refuse(PARAM, f"{BARRED[knob]}, so leave out {knob}", "not_allowed")


def _tables(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every table in a value, itself included."""
    if isinstance(value, Mapping):
        yield value
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _tables(inner)

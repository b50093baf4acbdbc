"""Archon's order of layers as a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from ..strategies import (
    Critic,
    Ensemble,
    Fuse,
    Ranker,
    Sample,
    Strategy,
    UnitTestEvaluator,
    UnitTestGenerator,
    VerifierFilter,
)
from .engines import AnyEngine
from .errors import UsageError
from .pipeline import Pipeline

Check = Literal["none", "verifier", "unit_tests"]


def archon(
    generators: Sequence[str] = ("generator",),
    *,
    samples: int = 5,
    fusers: Sequence[int] = (),
    criticised: bool = True,
    check: Check = "none",
    keep: int = 5,
    judge: str | None = None,
    temperature: float = 0.7,
    max_tokens: int = 1024,
    name: str = "archon",
    engines: Mapping[str, AnyEngine] | None = None,
) -> Pipeline:
    """The pipeline in the order that Archon's ablations found best (Saad-Falcon et al. 2024, section 3.2).

    Generators; hidden layers of fusers; a check of the candidates; one fuser. With `criticised`, a critic and a ranker
    stand before each layer of fusers, in the last one after the check. Costs ``len(generators) * samples + sum(fusers)
    + 1`` calls, two for each layer of fusers with `criticised`, and for the check two a candidate, or one and one a
    candidate. Departs from the paper in that one answer always comes out, its last fuser's.

    Args:
        generators: the engines that answer first, by name.
        samples: answers of each.
        fusers: how many fused answers each hidden layer gives; the paper's search tries up to three layers of 2 to 10.
        criticised: whether critics and rankers are used.
        check: what the candidates before the last fuser must pass.
        keep: candidates that a ranker passes on, and an evaluator of unit tests where no ranker comes after it.
        judge: the engine that criticises, ranks, checks and fuses; None takes the first generator.
        temperature: of every call, as in the paper.
        max_tokens: most tokens of every call.
        name: what a server calls the pipeline.
        engines: the engines by name.

    >>> pipeline = archon(("small", "large"), samples=2, fusers=(4,), check="verifier", judge="large")
    >>> print(*(node.strategy.kind for node in pipeline.nodes))
    ensemble critic ranker fuse verifier_filter critic ranker fuse
    """
    if not generators:
        raise UsageError("generators must name an engine at least, got none; name one")
    if check not in get_args(Check):
        raise UsageError(f"check must be one of {', '.join(get_args(Check))}, got {check!r}; choose one of these")
    how = {"temperature": temperature, "max_tokens": max_tokens}
    asked = {**how, "engine": judge or generators[0]}
    members = tuple(Sample(n=samples, engine=engine, **how) for engine in generators)
    blocks: list[Strategy] = [Ensemble(members=members)]
    for width in (*fusers, None):
        blocks += _checks(check, None if criticised else keep, asked) if width is None else []
        blocks += [Critic(**asked), Ranker(keep=keep, **asked)] if criticised else []
        blocks.append(Fuse(n=width or 1, **asked))
    return Pipeline.series(*blocks, name=name, engines=engines)


def _checks(check: Check, keep: int | None, asked: Mapping[str, object]) -> list[Strategy]:
    if check == "unit_tests":
        return [UnitTestGenerator(**asked), UnitTestEvaluator(keep=keep, **asked)]
    return [VerifierFilter(**asked)] if check == "verifier" else []

"""What an answer of a pipeline may cost, told as the meter of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from pydantic import PrivateAttr

from .budget import Budget, amounts
from .engine import Engine, Facts
from .errors import EngineRefused, UsageError
from .meter import Meter
from .pipeline import Pipeline
from .plan import Plan
from .redrawn import redrawn
from .shape import Estimate, Shape
from .types import Usage

MOST_KEPT = 4096


class PipelineMeter(Meter):
    """The meter of a pipeline that stands in for a model: one generation is a whole run of it.

    So whoever draws from it reserves the most that the run may cost, in every dimension.

    Args:
        pipeline: what runs.
        engines: what its engines are, by name.
        budget: of one run.
    """

    pipeline: Pipeline
    engines: Mapping[str, Any]
    budget: Budget = Budget()
    _kept: dict[tuple[int, int], Estimate] = PrivateAttr(default_factory=dict)

    @property
    def depth(self) -> int:
        """The most calls of the pipeline's engines that are made one after another."""
        return _planned(self.pipeline, self.engines, 1)[1].critical_path

    def shortest(self, prompt: int) -> Usage:
        """The least that a run may cost; a call, where its budget may end it before that.

        Of the prompt's tokens only one is certain where engines count them differently.
        """
        if self.budget != Budget():
            return Usage(calls=1)
        return _planned(self.pipeline, self.engines, prompt if len(self.engines) == 1 else 1)[1].least

    def generation(self, prompt: int, completion: int, cached: int = 0, *, judging: bool = False) -> Usage:
        """The most that a run for an answer of at most `completion` tokens may cost.

        Args:
            prompt: the most tokens of the prompt, on any engine.
            completion: the most tokens of the answer.
            cached: counts for nothing: the prompt may be read by any of the pipeline's calls.
            judging: whether each of its calls counts as a verifier's.

        Raises:
            EngineRefused: the answer may be longer.
        """
        bound = _limited(self._estimate(prompt, completion).most, self.budget)
        return as_judgement(bound) if judging else bound

    def _estimate(self, prompt: int, completion: int) -> Estimate:
        if (prompt, completion) not in self._kept:
            try:
                shape, estimate = _planned(redrawn(self.pipeline, "max_tokens", completion), self.engines, prompt)
            except UsageError as error:
                raise EngineRefused(f"pipeline {self.pipeline.name!r} cannot answer so: {error}") from None
            if shape.longest > completion:
                raise EngineRefused(
                    f"an answer of pipeline {self.pipeline.name!r} may take {shape.longest} tokens, but max_tokens is "
                    f"{completion}; raise it to {shape.longest}, or lower those of the pipeline's strategies"
                )
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[prompt, completion] = estimate
        return self._kept[prompt, completion]


def as_judgement(usage: Usage) -> Usage:
    """The same usage, each of its calls a verifier's."""
    return replace(usage, calls=0, verifier_calls=usage.calls + usage.verifier_calls)


def _planned(pipeline: Pipeline, engines: Mapping[str, Facts], prompt: int) -> tuple[Shape, Estimate]:
    """What a run makes, and what it may cost where its prompt is of so many tokens on each engine."""
    plan = Plan(cast(Mapping[str, Engine], engines), dict.fromkeys(engines, prompt))
    return pipeline.infer(Shape(), plan), plan.estimate


def _limited(most: Usage, budget: Budget) -> Usage:
    """The most that is spent under a budget."""
    pairs = zip(amounts(most), budget.limits(), strict=True)
    prompt, completion, total, *others = (amount if limit is None else min(amount, limit) for amount, limit in pairs)
    return Usage(min(prompt, total), 0, min(completion, total), *others)

"""Policies by difficulty in a sweep: tried at each level on what was measured, and measured too where they gain."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..orchestrator.budget import amounts
from ..orchestrator.types import Usage
from ..strategies import BestOfN, RouteByDifficulty, Sample
from ..strategies.route_by_difficulty import predicted_difficulty
from .decisions.evidence import Evidence
from .live_problem import LiveProblem
from .policy import Policy, choose_policy
from .pools.arms import Arm
from .pools.holdings import Holdings
from .pools.pool import Draw, Pool
from .problem import Ask, Choice, Decision, Floats
from .record import Routing
from .spaces.plain import plain
from .spaces.space import Point

PROBES = 4  # draws that tell how hard a query is
UNTOLD = "no verifier's scores are held on every query, or too little was measured apart from their draws"


@dataclass(frozen=True, slots=True)
class Routed:
    """A decision with policies in the place of the choices `replaced`, and what became of one at each level."""

    decision: Decision
    replaced: tuple[Choice, ...]
    routings: tuple[Routing, ...]


@dataclass(frozen=True, slots=True)
class Probing:
    """How hard each query is by probes that are held, and what was measured apart from their draws.

    Args:
        arm, replicate: of the probes.
        difficulty: of each query, NaN where it cannot be told.
        costs: of the probes on each query, in the dimension of the levels.
        apart: the evidence of all other replicates.
        numbers: the compositions that it knows on every query.
    """

    arm: Arm
    replicate: int
    difficulty: Floats
    costs: Floats
    apart: Evidence
    numbers: tuple[int, ...]

    def policy(self, choice: Choice) -> tuple[Policy | None, str]:
        """The policy that gains at the level of a choice, and why or why not."""
        if choice.composition not in self.numbers:
            return None, "what was chosen is not known on every query apart from the draws that would tell difficulty"
        outcomes, costs = ([of(number) for number in self.numbers] for of in (self.apart.values, self.apart.costs))
        found = choose_policy(outcomes, costs, self.difficulty, self.costs, level=choice.level)
        return found.policy, found.reason

    def strategy(self, policy: Policy, problem: LiveProblem) -> RouteByDifficulty:
        """A policy as what runs."""
        judged = self.arm.strategy
        assert isinstance(judged, BestOfN)
        drawn = judged.sampling.model_dump(include=set(Sample.model_fields))
        routes = [problem.points[number].strategy for number in self.numbers]
        probe = Sample(**{**drawn, "n": PROBES, "engine": judged.engine})
        return policy.strategy(routes, verifier=judged.verifier, probe=probe)


@dataclass(frozen=True, slots=True)
class Policies:
    """Tries policies by difficulty once a search has decided.

    Nothing is drawn for trying: probes are draws that are held with a verifier's scores, outcomes those of other
    replicates, since a pool knows more of its own answers than new probes would. A policy whose gain over one
    composition for all is certain is measured as any composition is, and must keep within its level.

    Args:
        problem: what was searched; policies join it.
        evidence: all that was measured; grows by `measure`.
        holdings: the pools of the development queries.
        measure: has asks measured.
    """

    problem: LiveProblem
    evidence: Evidence
    holdings: Holdings
    measure: Callable[[Sequence[Ask]], Awaitable[object]]

    async def routed(self, decision: Decision) -> Routed:
        """What becomes of a decision."""
        probing = self._probing()
        tried = [await self._tried(probing, choice) for choice in decision.choices]
        both = [(old, new, reason) for old, (new, reason) in zip(decision.choices, tried, strict=True)]
        routings = (Routing(level=old.level, is_chosen=new is not old, reason=reason) for old, new, reason in both)
        replaced = tuple(old for old, new, _ in both if new is not old)
        return Routed(replace(decision, choices=tuple(new for new, _ in tried)), replaced, tuple(routings))

    async def _tried(self, probing: Probing | None, choice: Choice) -> tuple[Choice, str]:
        """The policy as a choice where it gains, else the choice as it was, and why."""
        policy, reason = probing.policy(choice) if probing else (None, UNTOLD)
        if not (probing and policy):
            return choice, reason
        number = self.problem.add(Point(plain(probing.strategy(policy, self.problem)), {}))
        if number is None:
            return choice, "the one that gains cannot run, or may cost more than a query's limit"
        asks = [Ask(number, tuple(range(self.problem.items)), probing.replicate)]
        if self.problem.price(asks) > 1 - self.problem.spent:
            return choice, "the budget has no room to measure the one that gains"
        await self.measure(asks)
        cost = float(self.evidence.costs(number).mean())
        if not cost <= choice.level:
            told = "the budget ended while it was measured" if math.isnan(cost) else f"it costs {cost:,.4g} a query"
            return choice, f"one gains, but {told}"
        return Choice(choice.level, number, policy.accuracy.mean), reason

    def _probing(self) -> Probing | None:
        """The probes apart from which the most compositions are known, of those the cheapest; None without any."""
        evidence, found = self.evidence, []
        for replicate in sorted({each for number in evidence.compositions for each in evidence.replicates(number)}):
            apart = evidence.without(replicate)
            numbers = tuple(number for number in apart.compositions if not np.isnan(apart.values(number)).any())
            for arm, pools in self.holdings.held(replicate).items():
                if len(numbers) > 1 and _can_probe(arm, pools, self.problem.items):
                    difficulty = np.array([_difficulty(pool.draws[:PROBES]) for pool in pools])
                    costs = self.problem.in_levels(np.array([_cost(pool.draws[:PROBES]) for pool in pools]))
                    found.append(Probing(arm, replicate, difficulty, costs, apart, numbers))
        return min(found, key=lambda one: (-len(one.numbers), float(one.costs.sum()), one.arm.id), default=None)


def _can_probe(arm: Arm, pools: Sequence[Pool], items: int) -> bool:
    is_scored = arm.verifier is not None and arm.verifier.score_scale in ("binary", "probability")
    return is_scored and isinstance(arm.strategy, BestOfN) and len(pools) == items and min(map(len, pools)) >= PROBES


def _difficulty(draws: Sequence[Draw]) -> float:
    found = predicted_difficulty(draw.score for draw in draws)
    return math.nan if found is None else found


def _cost(draws: Sequence[Draw]) -> tuple[int, ...]:
    return amounts(Usage.total(draw.generation + draw.judgement for draw in draws))

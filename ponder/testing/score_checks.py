"""Checks of what a verifier says: a score for each candidate, whatever it holds and in whatever company."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from ..orchestrator.types import Candidate, Score
from ..orchestrator.verifier import Verifier
from .bench import Bench, complete
from .judged import Told, told
from .odd_candidates import odd_candidates
from .require import require

CLOSE = 1e-9
AMPLE = 10_000_000


async def scores_each_candidate(verifier: Verifier, bench: Bench = Bench()) -> None:
    """One score a candidate, on the scale declared, the same for equal ones; none, and no call, without candidates.

    Where all goes well nothing fails, and the bench's candidates are told apart.
    """
    candidates, scene = await bench.candidates(verifier), bench.scene
    whole = await told(verifier, candidates, scene)
    result = whole.played.result
    require(not result.failures, "where all goes well nothing must fail", result.reason)
    is_told_apart = len(set(whole.values) - {None}) > 1
    require(is_told_apart, "a bench must hold candidates that the verifier tells apart (texts, says)", whole.scores)
    scales = {score.scale for score in whole.scores if score.value is not None}
    require(scales == {verifier.score_scale}, f"scores must be on the scale {verifier.score_scale!r} declared", scales)
    twice = await told(verifier, [*candidates, *candidates], scene)
    same = facts(twice.scores) == facts(whole.scores) * 2
    require(verifier.is_relative or same, "equal candidates must have equal scores", twice.scores)
    both = list(zip(facts(twice.scores), facts(twice.scores[len(candidates) :]), strict=False))
    require(all(one == other for one, other in both), "equal candidates must have equal scores", twice.scores)
    none = await told(verifier, [], scene)
    require(not none.scores and not none.played.seen.calls, "no candidates must have no scores, and cost no call", none)


async def follows_its_candidates(verifier: Verifier, bench: Bench = Bench()) -> None:
    """Candidates in another order have the same scores in that order; also by a judge that looks at places alone."""
    candidates, scene = await bench.candidates(verifier), bench.scene
    places = list(range(len(candidates)))
    for each in (scene, scene.behaving(says=bench.blind)) if bench.blind else (scene,):
        before = (await told(verifier, candidates, each)).scores
        for order in (places[::-1], [*places[1:], places[0]], [*places[1::2], *places[::2]]):
            after = (await told(verifier, [candidates[i] for i in order], each)).scores
            rule = f"candidates in the order {order} must have their scores in that order"
            require(_are_alike([before[i] for i in order], after), rule, f"{after} after {before}")


async def judges_each_by_itself(verifier: Verifier, bench: Bench = Bench()) -> None:
    """The company of other candidates changes no score, or the verifier says that it `is_relative`."""
    candidates, scene = await bench.candidates(verifier), bench.scene
    places = range(len(candidates))
    alone, pairs = [(i,) for i in places], [] if bench.is_slow else [*combinations(places, 2)]
    rounds = [tuple(places), *alone, *pairs]
    found = await told(verifier, candidates, scene, rounds)
    for together, scores in zip(rounds, found.rounds, strict=True):
        same = facts(scores) == facts([found.scores[i] for i in together])
        rule = f"judged with {len(together) - 1} others, a score must be what it is with all, or the verifier relative"
        require(same or verifier.is_relative, rule, f"{scores}, not {[found.scores[i] for i in together]}")


async def bears_odd_candidates(verifier: Verifier, bench: Bench = Bench()) -> None:
    """Odd candidates have a score, or None and a reason, and disturb nobody else's.

    Empty, endless and broken texts, control characters, verdicts and marks, the verifier's own words, attempts that
    are cut or come in parts; images of odd sizes, blank ones, none where one is expected. See `odd_candidates`.
    """
    candidates, odd = await bench.candidates(verifier), odd_candidates(verifier, bench)
    whole = await told(verifier, candidates, bench.scene)
    odd += [complete("a text")] if bench.images else []
    ample = bench.scene.but(context_length=AMPLE)
    await _check_company(verifier, candidates, odd, whole, await told(verifier, [*candidates, *odd], ample))
    for each in [] if bench.is_slow else odd:
        found = await told(verifier, [*candidates, each], bench.scene)
        await _check_company(verifier, candidates, [each], whole, found)


async def _check_company(
    verifier: Verifier, good: Sequence[Candidate], odd: Sequence[Candidate], whole: Told, found: Told
) -> None:
    kept = facts(found.scores[: len(good)]) == facts(whole.scores)
    what = [candidate.text[:40] or (candidate.image and candidate.image.array.shape) for candidate in odd]
    require(kept or verifier.is_relative, f"odd candidates {what!r} must not change the scores of others", found.scores)


def facts(scores: Sequence[Score]) -> list[tuple[object, ...]]:
    """What scores say, but for what they cost."""
    return [(score.value, score.steps, score.kind, score.scale, score.detail) for score in scores]


def _are_alike(ones: Sequence[Score], others: Sequence[Score]) -> bool:
    """Whether scores are the same, but for the order in which numbers were added up."""
    return all(map(_is_alike, ones, others))


def _is_alike(one: Score, other: Score) -> bool:
    pairs = list(zip((one.value, *one.steps), (other.value, *other.steps), strict=False))
    is_close = all(a == b or (a and b and math.isclose(a, b, rel_tol=CLOSE)) for a, b in pairs)
    return bool(is_close) and len(one.steps) == len(other.steps)

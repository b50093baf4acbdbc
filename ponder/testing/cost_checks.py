"""Checks of what judging costs: what it says and may cost at most, never more than there is, and never twice."""

from __future__ import annotations

from ..orchestrator.budget import COUNTED, NANO, Budget, amounts, unit_of
from ..orchestrator.canonical import canonical_json
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Message, Query, Usage
from ..orchestrator.verifier import Verifier
from ..strategies import BestOfN, RandomNoiseSearch
from .bench import MOST_TOKENS, Bench
from .budget_checks import brackets, never_overspends, spent_in
from .judged import Judged, told
from .odd_candidates import odd_candidates
from .replay_checks import resumes_from_any_row
from .require import require
from .scene import estimated, play
from .score_checks import AMPLE, facts


async def tells_what_it_costs(verifier: Verifier, bench: Bench = Bench()) -> None:
    """What the engines served is what was paid, what the run spent and what the scores say, as verifier calls alone."""
    candidates = await bench.candidates(verifier)
    scenes = [bench.scene, bench.scene.but(cache_block=4), bench.scene.behaving(says=lambda _: "")]
    for scene in scenes:
        found = await told(verifier, candidates, scene)
        usage, served = found.played.result.usage, found.played.seen.served
        require(usage == served, "a run must be charged what the engines served", (usage, served))
        require(found.played.done.paid == served, "what the engines served must be what was paid", found.played.done)
        calls = found.played.seen.calls
        require((usage.calls, usage.verifier_calls) == (0, calls), "each call must be a verifier's call", usage)
        said = Usage.total(score.usage for score in found.scores)
        require(said == served, "the usage of the scores must be what the engines served", (said, served))


async def is_bounded(verifier: Verifier, bench: Bench = Bench()) -> None:
    """`least` and `bound` bracket the cost in every dimension: of few and many candidates, odd ones, long queries."""
    candidates, scene = await bench.candidates(verifier), bench.scene
    mute = scene.behaving(says=lambda _: "")
    for size in range(1, len(candidates) + 1):
        scenes = [scene, scene.but(cache_block=4), scene.but(seed=1), mute]
        await brackets(Judged.of(verifier, candidates[:size]), scenes[:1] if bench.is_slow else scenes)
    for query in (_conversation(bench.query), bench.query.model_copy(update={"messages": _LONG})):
        await brackets(Judged.of(verifier, candidates), [scene.but(query=query)])
    ample, odd = scene.but(context_length=AMPLE), odd_candidates(verifier, bench)
    groups = [odd] if bench.is_slow else [odd, *([each] for each in odd)]
    for group in groups:
        await brackets(Judged.of(verifier, group), [ample])


def _conversation(query: Query) -> Query:
    turns = [Message(role="system", content="Be brief."), *query.messages, Message(role="assistant", content="Why?")]
    return query.model_copy(update={"messages": (*turns, Message(role="user", content="Say it again, naïve 🙂."))})


_LONG = (Message(role="user", content="Problem 3? " * 100),)


async def is_paid_once(verifier: Verifier, bench: Bench = Bench()) -> None:
    """Judged again, elsewhere in the pipeline, later or at once, in another order: the same scores, at no cost."""
    candidates, scene = await bench.candidates(verifier), bench.scene
    places = tuple(range(len(candidates)))
    once = await told(verifier, candidates, scene)
    for at_once in (False, True):
        again = await told(verifier, candidates, scene, [places, places, places[::-1]], at_once)
        served, usage = again.played.seen.served, again.played.result.usage
        require(served == once.played.seen.served, "candidates that are judged again must cost nothing more", served)
        require(usage == once.played.result.usage, "candidates judged again must be charged once", usage)
        first, second, third = (facts(scores) for scores in again.rounds)
        require(first == second, "candidates judged again must have the same scores", again.rounds)
        require(verifier.is_relative or third == first[::-1], "judged again, scores must be the same", again.rounds)


async def judging_resumes_from_any_row(verifier: Verifier, bench: Bench = Bench()) -> None:
    """A journal cut after any row gives the same scores, and only what it does not hold is paid."""
    await resumes_from_any_row(Judged.of(verifier, await bench.candidates(verifier)), bench.scene)


async def judges_within_any_budget(verifier: Verifier, bench: Bench = Bench()) -> None:
    """At every budget of every dimension: within it, by the engines' own count, and who is not judged is told why."""
    await never_overspends(Judged.of(verifier, await bench.candidates(verifier)), bench.scene)


async def fits_what_is_set_aside(verifier: Verifier, bench: Bench = Bench()) -> None:
    """The best of three, texts or images, within exactly the most it may cost: all is judged as without a budget."""
    strategy: Strategy = BestOfN(n=3, verifier=verifier, max_tokens=MOST_TOKENS)
    if "text" not in verifier.judges:
        strategy = RandomNoiseSearch(n=3, steps=2, verifier=verifier)
    free = await play(strategy, bench.scene)
    most = spent_in(dict(zip(COUNTED, amounts((await estimated(strategy, bench.scene)).most), strict=True)))
    limits = {name: amount / unit_of(name) if name in NANO else amount for name, amount in most.items()}
    tight = await play(strategy, bench.scene.but(budget=Budget.model_validate(limits)))
    same = canonical_json(tight.result) == canonical_json(free.result)
    require(same, f"what was set aside for judging must pay for it all ({most})", tight.result.summary())

"""Self-evaluation: the model's own odds, read in one step after a whole or partial attempt, in either form."""

import math
from collections.abc import Sequence

import pytest
from judging import context

from ponder.orchestrator.context import Context
from ponder.orchestrator.engine import Capabilities, Completion, Request, Sampling
from ponder.orchestrator.engines.byte_vocabulary import END, MARKS, encode
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Candidate, Finish, Message, Query, Score
from ponder.strategies import BestOfN
from ponder.verifiers import ProcessReward, SelfEvaluation

WORLD = World(seed=1, steps=3, branching=4)
QUERY = Query.ask("Problem 3?")
FORMS = (SelfEvaluation(), SelfEvaluation(form="question"))


class Recording(SimulatedEngine):
    """Remembers what it is asked to judge."""

    def __init__(self, can: Capabilities | None = None, odds: Sequence[float] = ()) -> None:
        super().__init__(SimulatedSpec(world=WORLD))
        self._can, self._odds = can, tuple(odds)
        self.probes: list[Request] = []
        self.calls = 0

    @property
    def capabilities(self) -> Capabilities:
        return self._can or super().capabilities

    async def complete(self, request: Request) -> Completion:
        self.calls += 1
        done = await super().complete(request)
        if not request.labels:
            return done
        self.probes.append(request)
        usage, odds = done.usage, self._odds or done.label_logprobs
        return Completion(done.tokens, done.text, done.finish, usage, label_logprobs=odds)


async def attempts(ctx: Context, max_tokens: int, n: int = 8) -> list[Candidate]:
    return await ctx.sample(QUERY, n, Sampling(max_tokens=max_tokens))


async def scores(verifier: SelfEvaluation, ctx: Context, candidates: Sequence[Candidate]) -> list[Score]:
    return [each.scores[verifier.name] for each in await ctx.score(QUERY, candidates, verifier)]


@pytest.mark.parametrize("verifier", FORMS)
@pytest.mark.parametrize("max_tokens", [5, 10, 15, 20, 60])
async def test_it_says_how_likely_the_attempt_ends_right(verifier: SelfEvaluation, max_tokens: int) -> None:
    ctx = context({"generator": SimulatedSpec(world=WORLD).open()})
    drawn = await attempts(ctx, max_tokens)
    truth = [WORLD.locate(QUERY.messages, each.text).node.value for each in drawn]
    found = await scores(verifier, ctx, drawn)
    assert [score.value for score in found] == pytest.approx(truth, abs=1e-8)
    assert len({*truth}) > 1 or max_tokens == 5
    assert {(score.kind, score.scale) for score in found} == {("self", "probability")}


async def test_it_errs_as_much_as_the_model_does() -> None:
    noisy = SimulatedSpec(world=WORLD, reward_noise=1.0).open()
    ctx = context({"generator": noisy})
    drawn = await attempts(ctx, 20)
    read = await ctx.score(QUERY, drawn, ProcessReward(engine="generator"))
    rewards = [each.scores["process_reward:generator"].value for each in read]
    assert [score.value for score in await scores(SelfEvaluation(), ctx, drawn)] == pytest.approx(rewards)


async def test_the_suffix_stands_where_the_attempt_would_go_on() -> None:
    """After a whole attempt without the end token it generated, after a partial one as it is."""
    engine = Recording()
    ctx = context({"generator": engine})
    whole, part = (await attempts(ctx, 60, 1))[0], (await attempts(ctx, 7, 1))[0]
    assert whole.path_tokens[-1] == END
    await scores(SelfEvaluation(), ctx, [whole, part])
    asked = [request.prompt.tokens for request in engine.probes]
    assert asked == [(*encode(whole.text), MARKS["<eval>"]), (*encode(part.text), MARKS["<eval>"])]
    assert all(request.labels == (MARKS["<no>"], MARKS["<yes>"]) for request in engine.probes)
    assert all(request.sampling.max_tokens == 1 for request in engine.probes)


async def test_the_question_is_a_turn_after_the_attempt() -> None:
    engine = Recording()
    ctx = context({"generator": engine})
    (part,) = await attempts(ctx, 7, 1)
    await scores(SelfEvaluation(form="question", question="Again?"), ctx, [part])
    (request,) = engine.probes
    turns = (Message(role="assistant", content=part.text), Message(role="user", content="Again?"))
    assert request.prompt.messages == (*QUERY.messages, *turns)
    assert request.prompt.text == ""
    assert request.labels == (encode("No")[0], encode("Yes")[0])


@pytest.mark.parametrize(
    ("slope", "offset", "odds", "q"),
    [
        (1.0, 0.0, (math.log(0.8), math.log(0.2)), 0.8),
        (2.0, 0.0, (math.log(0.8), math.log(0.2)), 16 / 17),
        (1.0, math.log(3), (math.log(0.5), math.log(0.5)), 0.75),
        (0.0, 0.0, (-0.1, -9.0), 0.5),
        (1.0, 0.0, (-900.0, 0.0), 0.0),
        (1.0, 0.0, (0.0, -9999.0), 1.0),
    ],
)
async def test_slope_and_offset_act_on_the_log_odds(
    slope: float, offset: float, odds: tuple[float, float], q: float
) -> None:
    ctx = context({"generator": Recording(odds=odds)})
    (found,) = await scores(SelfEvaluation(slope=slope, offset=offset), ctx, await attempts(ctx, 60, 1))
    assert found.value == pytest.approx(q)


async def test_it_cannot_tell_where_neither_label_can_follow() -> None:
    ctx = context({"generator": Recording(odds=(-9999.0, -9999.0))})
    (found,) = await scores(SelfEvaluation(), ctx, await attempts(ctx, 60, 1))
    assert (found.value, found.detail) == (None, "neither label can follow")


async def test_it_cannot_tell_by_labels_that_begin_alike() -> None:
    engine = Recording()
    ctx = context({"generator": engine})
    (found,) = await scores(SelfEvaluation(labels=("yea", "yes")), ctx, await attempts(ctx, 60, 1))
    assert (found.value, found.kind) == (None, "self")
    assert found.detail.startswith("engine 'generator' gave no judgement: ") and "begin alike" in found.detail
    assert engine.probes == []


async def test_an_engine_that_fails_leaves_no_score() -> None:
    ctx = context({"generator": SimulatedSpec(world=WORLD).open(), "judge": _refusing()})
    found = await scores(SelfEvaluation(engine="judge"), ctx, await attempts(ctx, 60, 2))
    assert [score.value for score in found] == [None, None]


def _refusing() -> SimulatedEngine:
    return SimulatedSpec(world=WORLD, faults=Faults(refused=1.0)).open()


@pytest.mark.parametrize("verifier", FORMS)
async def test_it_costs_one_verifier_call_and_one_token_an_attempt(verifier: SelfEvaluation) -> None:
    async with Runtime({"generator": SimulatedSpec(world=WORLD)}) as runtime:
        plain = await runtime.run(BestOfN(n=3, verifier=ProcessReward(engine="generator"), max_tokens=60), QUERY)
        judged = await runtime.run(BestOfN(n=3, verifier=verifier, max_tokens=60), QUERY)
    different = len({each.text for each in judged.candidates})
    assert judged.usage.calls == plain.usage.calls == 3
    assert judged.usage.verifier_calls == different
    assert judged.usage.completion_tokens == plain.usage.completion_tokens + different


@pytest.mark.parametrize(
    ("verifier", "can", "rule"),
    [
        (FORMS[0], Capabilities(token_ids=True, continue_prefix=True), "tells the probability of a label after a text"),
        (FORMS[0], Capabilities(token_ids=True, labels=True), "after a text it continues, but 'generator' does not"),
        (
            FORMS[1],
            Capabilities(token_ids=True),
            "tells the probability of a label, but 'generator' does not; use vLLM",
        ),
        (SelfEvaluation(engine="judge"), Capabilities(), r"one of the pipeline's engines \(generator\), got 'judge'"),
    ],
)
async def test_what_cannot_judge_is_refused_before_anything_is_drawn(
    verifier: SelfEvaluation, can: Capabilities, rule: str
) -> None:
    engine = Recording(can)
    async with Runtime({"generator": engine}) as runtime:
        with pytest.raises(UsageError, match=rule):
            await runtime.run(BestOfN(n=2, verifier=verifier), QUERY)
    assert engine.calls == 0


async def test_a_question_needs_no_engine_that_continues_a_text() -> None:
    engine = Recording(Capabilities(token_ids=True, labels=True))
    async with Runtime({"generator": engine}) as runtime:
        result = await runtime.run(BestOfN(n=2, verifier=FORMS[1], max_tokens=60), QUERY)
    assert all(each.scores["self_evaluation:question"].value is not None for each in result.candidates)


def test_its_scores_are_filed_by_engine_and_form() -> None:
    names = [
        SelfEvaluation(),
        SelfEvaluation(engine="judge"),
        FORMS[1],
        SelfEvaluation(engine="judge", form="question"),
    ]
    assert [each.name for each in names] == [
        "self_evaluation",
        "self_evaluation:judge",
        "self_evaluation:question",
        "self_evaluation:judge:question",
    ]


def test_a_finished_attempt_without_ids_is_judged_too() -> None:
    from ponder.orchestrator.reopening import reopened

    assert reopened(Candidate((), "a", Finish.EOS)) == Candidate((), "a", Finish.STEP)

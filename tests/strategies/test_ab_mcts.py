"""AB-MCTS: fresh draws and refinements, engines to choose from, and what it costs."""

from collections import Counter

import pytest
from making import ByTable, Counting, Failing, context
from pydantic import ValidationError

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Completion, Request
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Candidate, Query
from ponder.strategies import ABMCTS, Sample
from ponder.strategies.posteriors import Beta, Gaussian
from ponder.verifiers import ExactMatch, ProcessReward

WORLD = World(seed=1, steps=2, branching=3)
QUERY = Query.ask("Problem 3? Use {braces} and {answer}.", reference="0")
QUERY = QUERY.model_copy(update={"reference": str(WORLD.problem(QUERY.messages).answer)})
JUDGE = Counting(value=0.5)


class Watched(SimulatedEngine):
    """Remembers what it was asked."""

    def __init__(self, world: World = WORLD, **knobs) -> None:
        super().__init__(SimulatedSpec(world=world, **knobs))
        self.prompts: list[str] = []

    async def complete(self, request: Request) -> Completion:
        self.prompts.append(request.prompt.messages[-1].content)
        return await super().complete(request)


async def found(engine: SimulatedEngine, seed: int = 0, budget: Budget = Budget(), **knobs) -> list[Candidate]:
    strategy = ABMCTS(**{"n": 24, "verifier": JUDGE, "max_tokens": 40, **knobs})
    return await strategy.run(QUERY, [], context(engine, seed, budget))


async def test_one_answer_is_one_draw() -> None:
    (only,) = await found(Watched(), n=1)
    (plain,) = await Sample(n=1, max_tokens=40).run(QUERY, [], context(Watched()))
    assert only.text == plain.text


async def test_everything_at_once_is_as_many_fresh_draws() -> None:
    answers = await found(Watched(), n=8, parallel=8)
    plain = await Sample(n=8, max_tokens=40).run(QUERY, [], context(Watched()))
    assert sorted(each.text for each in answers) == sorted(each.text for each in plain)


async def test_a_refinement_shows_the_question_the_answer_and_its_score() -> None:
    engine = Watched()
    answers = await found(engine)
    question = QUERY.messages[0].content
    refined = [prompt for prompt in engine.prompts if prompt != question]
    assert 0 < len(refined) < 24
    assert engine.prompts[0] == question
    assert question not in engine.prompts[engine.prompts.index(refined[0])][len(question) :]
    for prompt in refined:
        assert prompt.startswith(question + "\n")
        assert any(f"\n{each.text}\n" in prompt for each in answers)
        assert "0.50" in prompt


async def test_an_answer_that_cannot_be_judged_has_no_score_in_the_prompt() -> None:
    engine = Watched()
    assert len(await found(engine, verifier=Counting(value=None))) == 24
    refined = [prompt for prompt in engine.prompts if prompt != QUERY.messages[0].content]
    assert refined
    assert all("unknown" in prompt and "0.00" not in prompt for prompt in refined)


@pytest.mark.parametrize("prior", [Gaussian(), Gaussian(mean=0), Beta()], ids=["default", "zero", "beta"])
@pytest.mark.parametrize("value", [0.0, 1.0])
async def test_equal_scores_end_at_exactly_the_number_of_draws(prior, value: float) -> None:
    engine = Watched()
    answers = await found(engine, verifier=Counting(value=value), prior=prior, n=40)
    assert len(engine.prompts) == len(answers) == 40


async def test_the_prior_decides_between_new_and_old() -> None:
    """A prior mean is honoured, an integer or 0 too: sure that answers are bad, a good one is gone on from."""
    fresh = {}
    for mean in (0, 1):
        engine = Watched()
        prior = Gaussian(mean=mean, kappa=50, nu=50, tau2=0.001)
        await found(engine, n=40, prior=prior, verifier=Counting(value=0.5))
        fresh[mean] = Counter(engine.prompts)[QUERY.messages[0].content]
    assert fresh[0] != fresh[1]


async def test_the_best_score_comes_first_and_all_come_back() -> None:
    answers = await found(Watched(), verifier=ExactMatch())
    values = [each.scores["exact_match"].value for each in answers]
    assert len(values) == 24
    assert values == sorted(values, reverse=True)


async def test_a_judge_that_fails_leaves_the_answers() -> None:
    answers = await found(Watched(), verifier=Failing(), n=6)
    assert len(answers) == 6


async def test_what_was_found_when_the_budget_ends_comes_back() -> None:
    whole = Watched()
    await found(whole, parallel=4)
    for calls in (1, 5, 6, 23):
        engine = Watched()
        assert len(await found(engine, parallel=4, budget=Budget(calls=calls))) == calls
        assert engine.prompts == whole.prompts[:calls]


async def test_a_lost_draw_costs_one_draw_and_is_no_child() -> None:
    engine = Watched(faults=Faults(refused=0.5))
    answers = await found(engine, parallel=3)
    assert len(engine.prompts) == 24
    assert 0 < len(answers) < 24
    assert await found(Watched(faults=Faults(refused=1.0))) == []


async def test_the_better_engine_is_asked_more() -> None:
    weak, strong = (
        World(seed=1, easiest=0.98, hardest=0.99, steps=2),
        World(seed=1, easiest=0.01, hardest=0.02, steps=2),
    )
    query = QUERY.model_copy(update={"reference": str(strong.problem(QUERY.messages).answer)})
    engines = {"generator": Watched(weak), "strong": Watched(strong)}
    strategy = ABMCTS(n=60, verifier=ExactMatch(), engines=("generator", "strong"), prior=Beta(), max_tokens=60)
    answers = await strategy.run(query, [], context(**engines))
    assert len(engines["strong"].prompts) > 2 * len(engines["generator"].prompts) > 0
    assert len(answers) == 60
    assert answers[0].scores["exact_match"].value == 1.0


async def test_the_tree_does_not_depend_on_what_ends_first() -> None:
    quick, slow = Watched(), Watched(latency_s=0.001, jitter_s=0.003)
    one, other = await found(quick, parallel=5), await found(slow, parallel=5)
    assert [each.text for each in one] == [each.text for each in other]
    assert Counter(quick.prompts) == Counter(slow.prompts)


async def test_equal_answers_keep_the_order_of_the_table() -> None:
    texts = sorted({path.text for path in WORLD.paths(QUERY)})
    judge = ByTable(table={text: i / 10 for i, text in enumerate(texts)})
    answers = await found(Watched(), n=12, parallel=12, verifier=judge)
    assert [each.text for each in answers] == sorted((each.text for each in answers), reverse=True)


def test_it_draws_first_and_estimates_the_engines_it_names() -> None:
    strategy = ABMCTS(n=4, verifier=ProcessReward(), engines=("a", "b"))
    assert strategy.engine_names() == ("a", "b", "reward")
    assert ABMCTS(verifier=ProcessReward()).engine_names() == ("generator", "reward")
    shape = strategy.infer(Shape(), Plan())
    assert (shape.fewest, shape.most, shape.drawn_by) == (1, 4, {"a", "b"})
    with pytest.raises(ShapeError, match="must come first"):
        strategy.infer(Shape(fewest=1, most=1), Plan())


def test_two_engines_cost_no_more_than_the_dearer() -> None:
    cheap, dear = [SimulatedSpec(world=WORLD, completion_price=price).open() for price in (1.0, 3.0)]
    both, one = [Plan({"cheap": cheap, "dear": dear}, {"cheap": 10, "dear": 10}) for _ in range(2)]
    ABMCTS(n=5, verifier=JUDGE, engines=("cheap", "dear")).infer(Shape(), both)
    ABMCTS(n=5, verifier=JUDGE, engine="dear").infer(Shape(), one)
    assert both.estimate.most == one.estimate.most


@pytest.mark.parametrize("knobs", [{"prompt": "{question}"}, {"prior": {"kind": "uniform"}}, {"parallel": 0}])
def test_knobs_without_a_meaning_are_refused(knobs) -> None:
    with pytest.raises(ValidationError):
        ABMCTS(verifier=JUDGE, **knobs)

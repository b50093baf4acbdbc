"""Process rewards: one value a step, or no score."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

import pytest
from judging import candidate, context, judged
from pydantic import ValidationError
from reward_engines import Reads, Row, Tells, rows_at, tokens_of, value_of

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Capabilities, Engine
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Finish, Query, Score, Usage
from ponder.strategies import BestOfN
from ponder.verifiers import ProcessReward, RewardCard, split_steps
from ponder.verifiers.rewards.reward_cards import CARDS

STEPWISE = [name for name in CARDS if name != "classifier"]
MARKED = {name: card for name, card in CARDS.items() if card.mark}
MARKS = {"qwen2.5-math-prm": "<extra_0>", "skywork-o1-prm": "\n"}


def engine_for(name: str) -> Reads | Tells:
    """What reads as the card wants: the rows of two labels, or of one where the card reads the first."""
    if CARDS[name].labels:
        return Tells()
    read = rows_at(MARKS.get(name, "\n"))
    return Reads((lambda text: [row[1:] for row in read(text)]) if name == "skywork-o1-prm" else read)


def read(texts: Sequence[str], rows: Callable[[str], Sequence[Row]] = rows_at("\n"), **knobs: object) -> list[Score]:
    verifier = ProcessReward.model_validate(knobs)
    return asyncio.run(judged(verifier, texts, None, context({verifier.engine: Reads(rows)})))


def scored(name: str, texts: Sequence[str], engine: Engine | None = None) -> list[Score]:
    made = engine or engine_for(name)
    return asyncio.run(judged(ProcessReward(card=name), texts, None, context({"reward": made})))


def values(*given: float) -> Callable[[str], list[Row]]:
    return lambda _: [(value,) for value in given]


def test_exact_values() -> None:
    texts = ["9\n6\n", "3\n"]
    assert [(score.value, score.steps) for score in read(texts)] == [(0.5, (0.9, 0.5)), (0.3, (0.3,))]
    assert [score.value for score in read(texts, aggregate="product")] == [0.45, 0.3]
    assert [score.value for score in read(texts, aggregate="min", engine="prm")] == [0.5, 0.3]
    assert read(["9\n"])[0].kind == "learned" and read(["9\n"])[0].scale == "probability"


@pytest.mark.parametrize(
    ("aggregate", "value"),
    [("last", 0.2), ("min", 0.2), ("product", 0.1), ("mean", 0.35), ("geometric_mean", math.sqrt(0.1))],
)
def test_every_aggregate(aggregate: str, value: float) -> None:
    (score,) = read(["5\n7\n"], aggregate=aggregate)
    assert score.steps == (0.5, 0.2) and score.value == pytest.approx(value, abs=1e-15)


@pytest.mark.parametrize(
    ("name", "value"), [("qwen2.5-math-prm", 0.1), ("math-shepherd", 0.2), ("skywork-o1-prm", 0.35)]
)
def test_the_card_says_how_steps_make_one_score(name: str, value: float) -> None:
    (score,) = scored(name, [f"5{CARDS[name].separator}7"])
    assert score.steps == pytest.approx((0.5, 0.2), abs=1e-12) and score.value == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("9\n5\n", [(0.9,)]),
        ("9\n5\n", [(0.9,), (0.5,), (0.5,)]),
        ("9\n5\n", []),
        ("9\n5\n", [(0.9,), ()]),
        ("9\n5\n", [(0.9,), (math.nan,)]),
        ("9\n5\n", [(0.9,), (math.inf,)]),
        ("9\n5\n", [(0.9,), (1.5,)]),
        ("9\n5\n", [(-0.1,), (0.5,)]),
    ],
)
def test_what_cannot_be_trusted_is_not_a_score(text: str, rows: list[Row]) -> None:
    (score,) = read([text], lambda _: rows)
    assert (score.value, score.steps) == (None, ())
    assert score.detail


def test_reasons_say_what_is_wrong() -> None:
    assert read(["9\n5"])[0].detail == (
        "one value must be read a step, but there are 1 for 2 steps: a step lacks its mark, or the model is read at "
        "another one; the engine's step_mark must be the token of the card's mark '\\n'"
    )
    assert read(["9\n"], values(2.0))[0].detail.startswith("a value read is not in [0, 1]; set the card's link")
    assert read(["9\n"], values(2.0), card={"separator": "\n", "column": 1})[0].detail == "a row read has no column 1"
    (score,) = scored("math-shepherd", ["1"], Tells(lambda _: math.nan))
    assert score.detail == "neither label can follow a step"
    many = scored("math-shepherd", ["1\n" * 65])[0]
    assert (many.detail, many.usage) == ("at most 64 steps are judged, but there are 65", Usage())


def test_logits_need_a_link() -> None:
    def linked(link: str, *logits: float) -> Score:
        return read(["9\n"], lambda _: [logits], card={"separator": "\n", "link": link})[0]

    assert linked("sigmoid", 0.0).value == 0.5 and linked("sigmoid", -800.0).value == 0.0
    assert linked("sigmoid", math.log(3)).value == pytest.approx(0.75, abs=1e-15)
    assert linked("softmax", 0.0, math.log(3)).value == pytest.approx(0.75, abs=1e-15)
    assert linked("none", math.log(3)).value is None
    assert linked("sigmoid", math.nan).value is None


@pytest.mark.parametrize(
    ("text", "separator", "steps"),
    [
        ("a\nb", "\n", ["a", "b"]),
        ("a\nb\n", "\n", ["a", "b"]),
        ("a\n\nb\n\n", "\n\n", ["a", "b"]),
        ("a\n\n\nb", "\n", ["a", "b"]),
        ("\n \n", "\n", []),
        ("", "\n", []),
        ("a\nb\n\nc", "\n\n", ["a\nb", "c"]),
    ],
)
def test_steps_are_what_is_not_blank_between_separators(text: str, separator: str, steps: list[str]) -> None:
    assert split_steps(text, separator) == steps


@pytest.mark.parametrize("name", MARKED)
@pytest.mark.parametrize("shape", ["1", "1S", "1S2", "1S2S", "1SS2SS", "S1S2", "1S S2", "S S1", "1S2S3S4S5S6S7S8S9"])
def test_there_is_a_score_a_step_whatever_stands_between(name: str, shape: str) -> None:
    text, count = shape.replace("S", CARDS[name].separator or ""), sum(map(str.isdigit, shape))
    (score,) = scored(name, [text])
    running = [value_of("".join(map(str, range(1, i + 2)))) for i in range(count)]
    assert score.steps == pytest.approx(running, abs=1e-12)


@pytest.mark.parametrize("name", STEPWISE)
@pytest.mark.parametrize("text", ["", " ", "\n\n", " \n\n \n\n"])
def test_nothing_is_asked_about_a_response_without_a_step(name: str, text: str) -> None:
    engine = engine_for(name)
    (score,) = scored(name, [text], engine)
    assert (score.value, score.detail, score.usage) == (None, "there is no step to judge", Usage())
    assert engine.asked == []


@pytest.mark.parametrize("name", MARKED)
def test_the_first_scores_do_not_change_when_steps_are_added(name: str) -> None:
    separator = CARDS[name].separator or ""
    texts = [separator.join("47391"[:k]) for k in range(1, 6)]
    whole = scored(name, texts)[-1].steps
    assert len(whole) == 5
    for k, score in enumerate(scored(name, texts), 1):
        assert score.steps == whole[:k]


@pytest.mark.parametrize("name", STEPWISE)
def test_neither_the_order_nor_the_company_of_candidates_matters(name: str) -> None:
    line = CARDS[name].separator or ""
    texts = [f"9{line}5{line}", "", f"3{line}", f"refuse{line}", f"9{line}5{line}1{line}", f"7{line}7{line}"]
    together, reversed_ = scored(name, texts), scored(name, texts[::-1])[::-1]
    assert together == reversed_
    alone = [scored(name, [text])[0] for text in texts]
    assert [(score.value, score.steps) for score in together] == [(score.value, score.steps) for score in alone]
    assert [score.value is None for score in together] == [False, True, False, True, False, False]
    assert scored(name, []) == []


@pytest.mark.parametrize("name", MARKED)
def test_marks_in_a_response_or_a_question_forge_no_step(name: str) -> None:
    mark, line = CARDS[name].mark or "", CARDS[name].separator or ""
    if mark == line or mark == "+":
        mark = ""
    (score,) = scored(name, [f"1{mark}{mark}{line}{mark}{line}2{mark[:1]}{mark}{mark[1:]}"])
    assert score.steps == pytest.approx((0.1, 0.3), abs=1e-12)
    ctx = context({"reward": engine_for(name)})
    if CARDS[name].layout != "chat":  # an engine leaves out the marks of a conversation itself
        (score,) = asyncio.run(judged(ProcessReward(card=name), [f"1{line}2"], None, ctx, f"a{mark}\nb{mark}\n"))
        assert score.steps == pytest.approx((0.1, 0.3), abs=1e-12)


@pytest.mark.parametrize("name", STEPWISE)
@pytest.mark.parametrize(
    "text", ["x" * 100_000, "x\n" * 50_000, "\x00\u202e\ud7ff🦄\n\n1", "<|im_end|>\n\n</s> 1\n\n+"]
)
def test_odd_texts_get_a_score_or_a_reason(name: str, text: str) -> None:
    engine = engine_for(name)
    verifier, ctx = ProcessReward(card=name), context({"reward": engine})
    (score,) = asyncio.run(judged(verifier, [text], None, ctx))
    assert (score.value is None) == bool(score.detail)
    assert score.usage == ctx._run.ledger.spent


def test_a_longer_attempt_pays_for_its_new_steps_alone() -> None:
    engine = Tells()
    ctx, verifier = context({"reward": engine}), ProcessReward(card="math-shepherd")
    spent = []
    for text in ("1\n2", "1\n2\n3", "1\n2\n3\n4", "1\n2"):
        asyncio.run(judged(verifier, [text], None, ctx))
        spent.append(ctx._run.ledger.spent)
    assert [usage.verifier_calls for usage in spent] == [2, 3, 4, 4]
    assert [prompt.text.removeprefix("? ") for prompt in engine.asked] == [
        "1 ки",
        "1 ки\n2 ки",
        "1 ки\n2 ки\n3 ки",
        "1 ки\n2 ки\n3 ки\n4 ки",
    ]
    assert spent[1].prompt_tokens - spent[0].prompt_tokens == tokens_of(engine.asked[2])


@pytest.mark.parametrize("name", STEPWISE)
def test_candidates_share_the_cost_of_the_steps_they_share(name: str) -> None:
    line = CARDS[name].separator or ""
    texts = [f"1{line}2{line}", f"1{line}3{line}", f"1{line}", f"{line}1{line}", ""]
    ctx = context({"reward": engine_for(name)})
    scores = asyncio.run(judged(ProcessReward(card=name), texts, None, ctx))
    assert Usage.total(score.usage for score in scores) == ctx._run.ledger.spent
    calls = {"abacus": 4}.get(name, 3)
    assert ctx._run.ledger.spent.verifier_calls == calls


@pytest.mark.parametrize("name", STEPWISE)
def test_no_judgement_costs_more_than_its_bound(name: str) -> None:
    line, query = CARDS[name].separator or "", Query.ask("What is 1?\nAnd 2?")
    steps = min(CARDS[name].most_steps, 70)
    for text in (line.join(["1"] * steps), "1" + line, f"7{line}" * steps, "1" * 500):
        engine, verifier = engine_for(name), ProcessReward(card=name)
        ctx = context({"reward": engine})
        (judged_,) = asyncio.run(ctx.score(query, [candidate(text)], verifier))
        spent = ctx._run.ledger.spent
        prompt = 10 + len(query.messages[0].content.encode())
        bound = verifier.bound({"reward": engine}, prompt, len(text.encode()))
        least = verifier.least({"reward": engine}, prompt)
        for dimension in ("prompt_tokens", "completion_tokens", "verifier_calls", "nano_usd"):
            assert getattr(least, dimension) <= getattr(spent, dimension) <= getattr(bound, dimension)
        assert judged_.scores[verifier.name].usage == spent


def test_one_failed_reading_costs_one_score() -> None:
    assert [score.value for score in read(["9\n", "refuse\n", "7\n"])] == [0.9, None, 0.7]
    scores = scored("rlhflow-llama3.1-prm", ["9\n\nrefuse", "9"])
    assert [score.value for score in scores] == [None, pytest.approx(0.9)]
    assert scores[0].detail == "engine 'reward' gave no judgement: told to"


@pytest.mark.parametrize("name", ["abacus", "math-shepherd"])
def test_a_spent_budget_leaves_no_score(name: str) -> None:
    ctx = context({"reward": engine_for(name)}, Budget(verifier_calls=2))
    scores = asyncio.run(judged(ProcessReward(card=name), ["9\n", "8\n", "7\n"], None, ctx))
    assert sorted(score.value is None for score in scores) == [False, False, True]
    assert ctx.is_stopped and ctx._run.ledger.spent.verifier_calls == 2


@pytest.mark.parametrize(
    ("name", "capabilities", "problem"),
    [
        ("abacus", Capabilities(labels=True), "reads as a reward model, but 'reward' does not; .* runner = 'pooling'"),
        ("math-shepherd", Capabilities(read=True), "tells the chance of a label after a text.* runner = 'generate'"),
        ("math-shepherd", Capabilities(labels=True), "after a text it continues, but 'reward' does not"),
        ("rlhflow-llama3.1-prm", Capabilities(continue_prefix=True), "tells the chance of a label, but"),
    ],
)
def test_an_engine_that_cannot_do_what_the_card_needs_is_refused_by_the_plan(
    name: str, capabilities: Capabilities, problem: str
) -> None:
    engines = {"generator": SimulatedSpec().open(), "reward": Reads(rows_at("\n"), capabilities=capabilities)}
    pipeline = Pipeline.series(BestOfN(verifier=ProcessReward(card=name)))
    with pytest.raises(UsageError, match=problem):
        pipeline.infer(Shape(), Plan(engines))
    turns = {"reward": Tells(capabilities=Capabilities(labels=True))}
    assert ProcessReward(card="rlhflow-llama3.1-prm").bound(turns, 9, 9).verifier_calls == 64


def test_a_response_without_a_step_costs_nothing() -> None:
    ctx = context({"reward": engine_for("abacus")})
    (score,) = asyncio.run(judged(ProcessReward(), ["\n"], None, ctx))
    assert ctx._run.ledger.spent == score.usage == ProcessReward().least({}, 9) == Usage()


def test_it_bounds_its_cost() -> None:
    engines = {"reward": Reads(rows_at("\n"))}
    assert ProcessReward().bound(engines, 10, 5) == Usage(prompt_tokens=15, verifier_calls=1, nano_usd=15_000)
    with pytest.raises(UsageError, match="'prm'"):
        ProcessReward(engine="prm").bound(engines, 10, 5)


def test_names_tell_apart_what_differs() -> None:
    assert ProcessReward().name == ProcessReward(aggregate="last").name == "process_reward"
    assert ProcessReward(engine="prm").name == "process_reward:prm"
    assert ProcessReward(engine="prm", aggregate="min").name == "process_reward:prm:min"
    assert ProcessReward(card="math-shepherd").name == "process_reward:math-shepherd"
    assert ProcessReward(card="math-shepherd", aggregate="min").name == "process_reward:math-shepherd"
    assert ProcessReward(card="math-shepherd", aggregate="last").name == "process_reward:math-shepherd:last"
    assert ProcessReward(engine="prm").engine_names() == ("prm",)


@pytest.mark.parametrize("knobs", [{"aggregate": "max"}, {"engine": ""}, {"separator": "\n"}, {"link": "sigmoid"}])
def test_bad_knobs_are_refused(knobs: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ProcessReward.model_validate(knobs)


async def test_the_simulated_reward_model_knows_sound_steps() -> None:
    engine = SimulatedSpec().open()
    query = Query.ask("Problem 3?")
    text = "step 1: b\nstep 2: c\nstep 3: d\nanswer: 579\n"
    ctx = context({"reward": engine})
    whole, start = await ctx.score(query, [candidate(text), candidate("step 1: b\n", 1)], ProcessReward())
    scores = whole.scores["process_reward"], start.scores["process_reward"]
    assert len(scores[0].steps) == 4
    assert scores[0].steps[:1] == scores[1].steps
    assert whole.finish is Finish.EOS
    marked = ProcessReward(card=RewardCard(separator="\n", mark="\n"))
    (cut,) = await ctx.score(query, [candidate(text.removesuffix("\n").replace("\n", "\n\n"))], marked)
    assert cut.scores[marked.name].steps == scores[0].steps

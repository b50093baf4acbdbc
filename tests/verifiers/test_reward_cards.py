"""The cards of published reward models: exactly what each model is given, and which number of its answer is taken."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from ponder.orchestrator.engine import LOWEST_LOGPROB, Prompt
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.meter import Meter
from ponder.orchestrator.types import Message, Query
from ponder.verifiers import OutcomeReward, ProcessReward, RewardCard, Verifier
from ponder.verifiers.rewards.reward_cards import BOXED, CARDS

QUESTION = Query(
    id="q", messages=(Message(role="system", content="Be brief."), Message(role="user", content="Is 1\nodd?"))
)
RESPONSE = "First.\n\n \n\nThen +1.\n\n"
LINES = "First.\n\nThen +1."


def prompts(name: str, response: str, query: Query = QUESTION) -> tuple[Prompt, ...]:
    card = CARDS[name]
    return card.prompts(query, card.steps(response), response)


def turns(*contents: str) -> tuple[Message, ...]:
    return tuple(Message(role=("assistant" if i % 2 else "user"), content=text) for i, text in enumerate(contents))


def test_abacus_and_classifiers_read_the_conversation_and_the_response_as_they_stand() -> None:
    for name in ("abacus", "classifier"):
        assert prompts(name, RESPONSE) == (Prompt(QUESTION.messages, text=RESPONSE),)


def test_qwen_reads_a_chat_of_its_own_system_text_and_a_mark_after_each_step() -> None:
    assert BOXED == "Please reason step by step, and put your final answer within \\boxed{}."
    chat = (Message(role="system", content=BOXED), Message(role="user", content="Is 1\nodd?"))
    assert prompts("qwen2.5-math-prm", RESPONSE) == (Prompt(chat, text="First.<extra_0>Then +1.<extra_0>"),)


def test_math_shepherd_reads_a_plain_text_up_to_each_mark() -> None:
    assert prompts("math-shepherd", LINES) == (
        Prompt((), text="Is 1\nodd? First. ки"),
        Prompt((), text="Is 1\nodd? First. ки\nThen +1. ки"),
    )


def test_rlhflow_reads_steps_as_user_turns_each_answered_with_plus() -> None:
    assert prompts("rlhflow-llama3.1-prm", RESPONSE) == (
        Prompt(turns("Is 1\nodd? First.")),
        Prompt(turns("Is 1\nodd? First.", "+", "Then +1.")),
    )


def test_skywork_reads_a_plain_text_with_each_line_end_a_mark() -> None:
    text = "<|endoftext|>Is 1\nodd?\nFirst.\nThen +1.\n"
    assert prompts("skywork-o1-prm", LINES) == (Prompt((), text=text, edges=(len("<|endoftext|>"), 0)),)
    assert CARDS["skywork-o1-prm"].rows_before(QUESTION) == 2
    assert [card.rows_before(QUESTION) for name, card in CARDS.items() if name != "skywork-o1-prm"] == [0] * 5


def test_an_earlier_conversation_is_told_before_the_question() -> None:
    query = Query(id="q", messages=turns("Hi", "Yes?", "2+2?"))
    assert prompts("skywork-o1-prm", "4", query)[0].text == "<|endoftext|>user: Hi\n\nassistant: Yes?\n\n2+2?\n4\n"
    told = prompts("qwen2.5-math-prm", "4", query)[0].messages
    assert told == (Message(role="system", content=BOXED), *query.messages)


@pytest.mark.parametrize(
    ("name", "separator", "aggregate", "labels"),
    [
        ("abacus", "\n", "last", None),
        ("qwen2.5-math-prm", "\n\n", "product", None),
        ("math-shepherd", "\n", "min", ("+", "-")),
        ("rlhflow-llama3.1-prm", "\n\n", "mean", ("+", "-")),
        ("skywork-o1-prm", "\n", "mean", None),
        ("classifier", None, "last", None),
    ],
)
def test_what_else_a_card_says(name: str, separator: str | None, aggregate: str, labels: tuple[str, str]) -> None:
    card = CARDS[name]
    assert (card.separator, card.aggregate, card.labels, card.link) == (separator, aggregate, labels, "none")


def test_the_good_column_is_read() -> None:
    assert CARDS["qwen2.5-math-prm"].value((0.25, 0.75)) == CARDS["abacus"].value((0.25, 0.75)) == 0.75
    assert CARDS["skywork-o1-prm"].value((0.6,)) == 0.6
    assert CARDS["qwen2.5-math-prm"].value((0.25,)) is None


def test_the_chance_is_that_of_the_good_label_of_the_two() -> None:
    card = CARDS["math-shepherd"]
    assert card.chance((math.log(0.3), math.log(0.1))) == pytest.approx(0.75, abs=1e-15)
    assert card.chance((-5000.0, -5000.0)) == 0.5
    assert card.chance((LOWEST_LOGPROB, -1.0)) == 0.0
    assert card.chance((LOWEST_LOGPROB, LOWEST_LOGPROB)) is None
    assert card.chance(None) is None


@pytest.mark.parametrize("logit", [-800.0, -1.0, 0.0, 0.5, 800.0])
def test_links_turn_logits_into_probabilities(logit: float) -> None:
    chance = 1 / (1 + math.exp(min(700, -logit)))
    two = RewardCard(link="softmax", column=1).value((0.5, 0.5 + logit))
    three = RewardCard(link="softmax", column=0).value((logit, 1.0, 2.0))
    assert RewardCard(link="sigmoid").value((7.0, logit)) == pytest.approx(chance, abs=1e-15)
    assert two == pytest.approx(chance, abs=1e-15)
    assert three == pytest.approx(1 / (1 + (math.e + math.e**2) * math.exp(min(700, -logit))), abs=1e-15)


@pytest.mark.parametrize(
    ("response", "steps"),
    [
        ("a<x>b", ["ab"]),
        ("<x>\na", ["a"]),
        ("<<x>x>a", ["a"]),
        ("<x<x\n>>a", ["<x<x", ">>a"]),
        ("a\n" * 3, ["a"] * 3),
        ("<" * 9 + "x>" * 9, []),
    ],
)
def test_the_text_of_a_mark_is_taken_out_of_steps(response: str, steps: list[str]) -> None:
    card = RewardCard(separator="\n", mark="<x>")
    assert card.steps(response) == steps
    (prompt,) = card.prompts(QUESTION, steps, response)
    assert prompt.text.count("<x>") == len(steps)


def test_a_plus_in_a_turn_is_no_mark() -> None:
    assert CARDS["rlhflow-llama3.1-prm"].steps("1 + 1") == ["1 + 1"]


def test_a_closing_ends_what_is_read_as_a_whole() -> None:
    card = RewardCard(closing="<|eot|>")
    assert card.prompts(QUESTION, ["a"], "a") == (Prompt(QUESTION.messages, text="a<|eot|>", edges=(0, 7)),)
    assert card.bound(Meter(), 10, 5).prompt_tokens == 15 + len("<|eot|>")


@pytest.mark.parametrize(
    ("knobs", "rule"),
    [
        ({"mark": "x"}, "separator"),
        ({"labels": ("a", "b"), "separator": "\n"}, "labels are told after a mark"),
        ({"labels": ("a", "a"), "separator": "\n", "mark": "x"}, "labels differ"),
        ({"labels": ("a", "b"), "separator": "\n", "mark": "x", "link": "sigmoid"}, "no link"),
        ({"labels": ("a", "b"), "separator": "\n", "mark": "x", "closing": "y"}, "no closing"),
        ({"layout": "turns", "separator": "\n", "mark": "x"}, "turns are answered by labels"),
        ({"layout": "text", "system": "x"}, "a system text belongs to a chat"),
        ({"scale": "reward", "link": "sigmoid"}, "rewards are of a model read once"),
        ({"scale": "reward", "separator": "\n"}, "rewards are of a model read once"),
        ({"column": -2}, "column"),
        ({"most_steps": 0}, "most_steps"),
        ({"layout": "poem"}, "layout"),
        ({"marks": "x"}, "marks"),
    ],
)
def test_a_card_that_does_not_hang_together_is_refused(knobs: dict[str, object], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        RewardCard.model_validate(knobs)


def test_a_verifier_takes_a_card_by_name_or_as_a_table_of_its_kind() -> None:
    table = CARDS["math-shepherd"].model_dump(mode="json")
    assert ProcessReward.model_validate({"card": table}).name == ProcessReward(card="math-shepherd").name
    other = ProcessReward(card=RewardCard(separator=";"))
    assert other.name == ProcessReward.model_validate({"card": {"separator": ";"}}).name
    assert other.name.startswith("process_reward:card-") and other.name != ProcessReward().name
    wrong: list[tuple[type[Verifier], object, str]] = [
        (ProcessReward, "qwen", "one of abacus, qwen2.5-math-prm"),
        (ProcessReward, 3, "a table, or one of"),
        (ProcessReward, ["abacus"], "a table, or one of"),
        (ProcessReward, {"mark": "x"}, "card is not valid: the fields .* a mark comes with the separator it replaces"),
        (ProcessReward, {"separator": ""}, "card is not valid: separator: "),
        (ProcessReward, "classifier", "but the card 'classifier' reads a response as a whole; use outcome_reward"),
        (ProcessReward, {"layout": "chat"}, "but that table reads a response as a whole; use outcome_reward"),
        (OutcomeReward, "abacus", "use process_reward"),
    ]
    for verifier, card, problem in wrong:
        with pytest.raises(UsageError, match=problem):
            verifier.model_validate({"card": card})


@pytest.mark.parametrize("name", CARDS)
def test_a_bound_grows_with_both_texts(name: str) -> None:
    card, meter = CARDS[name], Meter()
    short, long = card.bound(meter, 10, 5), card.bound(meter, 20, 50)
    assert 0 < short.prompt_tokens < long.prompt_tokens
    assert short.verifier_calls == (card.most_steps if card.labels else 1)
    assert short.completion_tokens == (card.most_steps if card.labels else 0)

"""The language of the workers against a simulation of their passes."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

import pytest

from ponder.orchestrator.data.abacus import check_step, split_of
from ponder.orchestrator.data.abacus_workers import (
    Part,
    Relay,
    Shared,
    chain,
    opening,
    relay,
    shared,
    written,
)
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.models import abacus_workers
from ponder.verifiers.answers import NumberAnswer

RANDOM = Random(3)
DRAWN: list[tuple[Shared | Relay, int]] = [
    *(
        (shared(RANDOM, [RANDOM.randint(1, 4) for _ in range(chains)]), workers)
        for workers in (1, 2, 3, 4)
        for chains in (1, 2, 3, 4)
        for _ in range(5)
    ),
    *((relay(RANDOM, workers, 2), workers) for workers in (2, 3, 4) for _ in range(30)),
]


def parts_of(problem: Shared | Relay, workers: int) -> list[Part]:
    return [problem.part(worker, workers) for worker in range(1, workers + 1)]


def simulated(parts: list[Part], results: dict[str, str]) -> list[str]:
    """One token a worker and pass; each decides by the texts that were fed up to and in the pass before."""
    fed = [""] * len(parts)
    is_open = [True] * len(parts)
    while any(is_open):
        drawn = [next_token(part, fed, at, results) if is_open[at] else "" for at, part in enumerate(parts)]
        is_open = [is_open[at] and token != "" for at, token in enumerate(drawn)]
        fed = [text + token for text, token in zip(fed, drawn, strict=True)]
    return fed


def next_token(part: Part, fed: list[str], at: int, results: dict[str, str]) -> str:
    """ "" is the end."""
    own = fed[at]
    if len(own) < len(part.work):
        return part.work[len(own)]
    if not part.asked or (own.endswith("\n") and "#" in own):
        return ""
    if "#" in own:
        answer = "".join(results[letter] for letter in part.asked) + "\n"
        return answer[len(own) - own.index("#") - 1]
    there = {found[1]: found[2] for text in fed for found in re.finditer(r"([a-h])=(\d\d)\n", text)}
    return "#" if set(part.asked) <= set(there) else "."


def test_workers_write_what_a_pass_by_pass_simulation_writes() -> None:
    for problem, workers in DRAWN:
        parts = parts_of(problem, workers)
        results = {one.letter: one.result for part in parts for one in part.chains}
        assert written(problem, workers) == simulated(parts, results)


def test_every_chain_is_worked_in_abacus_lines() -> None:
    for part in (part for drawn in DRAWN for part in parts_of(*drawn)):
        for one in part.chains:
            *lines, last = one.work.removeprefix(one.letter if one.problem.steps else "").splitlines(keepends=True)
            assert last == f"{one.letter}={one.result}\n"
            assert len(lines) == one.problem.steps
            for at, line in enumerate(lines):
                assert check_step(one.problem.prompt, "".join(lines[:at]), line)
            assert all(0 <= value <= 99 for value in one.problem.values)
            assert len(one.result) == 2


def test_shares_are_dealt_in_turn() -> None:
    problem = shared(Random(1), (1, 2, 1, 1))
    letters = [
        ["".join(one.letter for one in part.chains) for part in parts_of(problem, workers)] for workers in (1, 2, 3)
    ]
    assert letters == [["abcd"], ["ac", "bd"], ["ad", "b", "c"]]
    assert [part.asked for part in parts_of(problem, 3)] == ["abcd"] * 3


def test_what_is_relayed_is_known_to_another_worker_alone() -> None:
    for problem, workers in DRAWN:
        if isinstance(problem, Shared):
            continue
        parts = parts_of(problem, workers)
        held = {one.letter: at for at, part in enumerate(parts) for one in part.chains}
        askers = {at: part.asked for at, part in enumerate(parts) if part.asked}
        assert askers
        assert all(held[letter] != at for at, letter in askers.items())
        for at, part in enumerate(parts):
            facts = "".join(one.asked for one in part.chains)
            assert part.private == facts + (f"?{part.asked}" if at in askers else "")
            assert problem.answer(at + 1, workers) == ("" if at not in askers else _result(parts, part.asked))


def _result(parts: list[Part], letter: str) -> str:
    return next(one.result for part in parts for one in part.chains if one.letter == letter)


def test_answers_are_read_as_numbers() -> None:
    for problem, workers in DRAWN:
        for worker, text in enumerate(written(problem, workers), 1):
            if answer := problem.answer(worker, workers):
                assert NumberAnswer().key(opening(worker, workers) + text) == answer


def test_chains_of_a_split_stay_in_it() -> None:
    for split in ("train", "test"):
        problem = shared(Random(2), (1, 2, 3, 3), split)
        passed_on = relay(Random(2), 4, 3, split)
        chains = [*problem.chains, *(one for part in passed_on.parts for one in part.chains)]
        assert {split_of(one.problem.prompt) for one in chains if one.problem.steps} == {split}


def test_the_same_seed_gives_the_same_problems() -> None:
    assert relay(Random(4), 3, 2) == relay(Random(4), 3, 2)
    assert {chain(Random(seed), 0).answer for seed in range(2000)} == {str(number) for number in range(10, 100)}


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: shared(Random(0), ()), "1 to 4 chains, got 0"),
        (lambda: shared(Random(0), (1,) * 5), "1 to 4 chains, got 5"),
        (lambda: relay(Random(0), 1, 2), "2 to 4 workers, got 1"),
        (lambda: opening(0, 2), "got 0 of 2"),
        (lambda: opening(3, 2), "got 3 of 2"),
        (lambda: opening(1, 5), "got 1 of 5"),
        (lambda: relay(Random(0), 2, 1).part(1, 3), "must have 2 workers, got 3"),
    ],
)
def test_what_the_language_does_not_have_is_refused(made: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        made()


def test_the_model_alone_is_asked_as_any_other_and_does_all_the_chains() -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = abacus_workers()
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    asked = [{"role": "user", "content": "a30+20 b50-10="}]
    ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True, return_tensors="pt")
    assert tokenizer.decode(ids["input_ids"][0]) == "a30+20 b50-10="
    made = model.generate(**ids, do_sample=False, max_new_tokens=60)[0, ids["input_ids"].shape[1] :].tolist()
    assert tokenizer.decode(made) == "a30+20=50\na=50\nb50-10=40\nb=40\n#5040\n<eos>"
    assert model.config.max_position_embeddings == tokenizer.model_max_length == 512

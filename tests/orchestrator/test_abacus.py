"""The abacus task against an independent evaluator, and the folders of the abacus models."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from ponder.orchestrator.data import abacus
from ponder.orchestrator.errors import UsageError

FOLDERS = [Path(abacus.__file__).resolve().parents[1] / "models" / name for name in ("abacus-generator", "abacus-prm")]


def evaluated(prompt: str) -> int:
    """Left to right, by nesting Python's own parentheses."""
    first, *rest = re.findall(r"[-+*]?\d+", prompt.removesuffix("="))
    nested = first
    for step in rest:
        nested = f"({nested}{step})"
    return int(eval(nested)) % 1000


@pytest.fixture(scope="module")
def drawn() -> list[abacus.Problem]:
    rng = Random(5)
    return [abacus.problem(rng, 1 + index % abacus.MAX_STEPS) for index in range(400)]


def test_answers_agree_with_an_independent_evaluator(drawn: list[abacus.Problem]) -> None:
    assert [int(one.answer) for one in drawn] == [evaluated(one.prompt) for one in drawn]


def test_a_solution_is_correct_line_by_line_and_ends_in_the_answer(drawn: list[abacus.Problem]) -> None:
    for one in drawn:
        assert one.solution.count("\n") == one.steps + 1
        assert abacus.correct_steps(one.prompt, one.solution) == one.steps + 1
        assert abacus.final_answer(one.solution) == one.answer
        assert abacus.solve(one.prompt) == one.solution
        assert abacus.parse(one.prompt) == one


def test_one_wrong_digit_is_seen_in_its_line_and_only_there(drawn: list[abacus.Problem]) -> None:
    for one in drawn:
        lines = one.solution.splitlines(keepends=True)
        for index, line in enumerate(lines):
            before = "".join(lines[:index])
            wrong = f"{line[:-2]}{(int(line[-2]) + 1) % 10}\n"
            assert abacus.check_step(one.prompt, before, line)
            assert not abacus.check_step(one.prompt, before, wrong)
            assert abacus.correct_steps(one.prompt, before + wrong + "".join(lines[index + 1 :])) == index


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("", "#7\n"),
        ("7*6=42\n", "42+1=43"),
        ("7*6=42\n", " 42+1=43\n"),
        ("7*6=42\n", "42+1=43\n\n"),
        ("7*6=42", "42+1=43\n"),
        ("7*6=42\n42+1=43\n", "43+1=44\n"),
        ("7*6=42\n42+1=43\n#43\n", "#43\n"),
        ("seven\n", "42+1=43\n"),
        ("7*6=42\n", ""),
    ],
)
def test_a_line_that_does_not_follow_is_refused(before: str, line: str) -> None:
    assert not abacus.check_step("7*6+1=", before, line)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "#42",
        "#\n",
        "#042\n",
        "#1000\n",
        "#-1\n",
        "# 42\n",
        "#42 \n",
        "7*6=42\n",
        "#42\n7*6=42\n",
        "#42\n\n",
        "#4\n#4\n",
        "7#42\n",
        "#٤٢\n",
        "#42\n<eos>",
    ],
)
def test_only_a_finished_answer_line_is_an_answer(text: str) -> None:
    assert abacus.final_answer(text) is None


@pytest.mark.parametrize(
    "prompt", ["", "7=", "7*6", "7*6=\n", "07*6=", "7/6=", "7*6==", "7" + "+1" * 9 + "=", "x", "٧*٦="]
)
def test_what_is_not_a_problem_is_refused(prompt: str) -> None:
    with pytest.raises(UsageError, match="prompt must look like"):
        abacus.parse(prompt)


@pytest.mark.parametrize("steps", [0, 9, -1])
def test_the_number_of_steps_has_bounds(steps: int) -> None:
    with pytest.raises(UsageError, match="steps must be between 1 and 8"):
        abacus.problem(Random(0), steps)


def test_a_data_set_is_balanced_distinct_and_the_same_every_time() -> None:
    rows = abacus.dataset(60, seed=3).to_list()
    assert rows == abacus.dataset(60, seed=3).to_list()
    assert rows[:17] == abacus.dataset(17, seed=3).to_list()
    assert [row["difficulty"] for row in rows] == [1, 2, 3, 4, 5, 6] * 10
    assert len({row["prompt"] for row in rows}) == len({row["id"] for row in rows}) == 60
    assert {row["prompt"] for row in rows}.isdisjoint(row["prompt"] for row in abacus.dataset(60, seed=4))
    for row in rows:
        assert set(row) == {"id", "prompt", "answer", "difficulty"}
        assert row["answer"] == str(evaluated(row["prompt"]))


def test_the_splits_are_disjoint_by_construction() -> None:
    for split in ("train", "test"):
        found = islice(abacus.problems((1, 2, 3), 0, split), 300)
        assert {abacus.split_of(one.prompt) for one in found} == {split}
    held_out = sum(abacus.split_of(f"{a}+{b}=") == "test" for a in range(100) for b in range(100))
    assert held_out == pytest.approx(10_000 / 8, rel=0.1)


def test_short_problems_do_not_run_out() -> None:
    assert len({one.prompt for one in islice(abacus.problems((1,), 0, "test"), 2000)}) == 2000


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_the_folders_hold_safetensors_and_text_and_are_small(folder: Path) -> None:
    names = {file.name for file in folder.iterdir()}
    wanted = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert wanted <= names
    assert {name.rpartition(".")[2] for name in names} <= {"json", "safetensors", "md", "jinja"}
    assert sum(file.stat().st_size for one in FOLDERS for file in one.iterdir()) < 20_000_000


def test_the_tokenizer_keeps_every_text(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in (
        "37+52*4-19=",
        abacus.solve("37+52*4-19="),
        " \n\n  a  b \t",
        "naïve 数学 🧮",
        "".join(map(chr, range(128))),
    ):
        ids = tokenizer.encode(text)
        assert ids == list(text.encode())
        assert tokenizer.decode(ids) == text
    special = ["<pad>", "<eos>", "<eval>", "<yes>", "<no>"]
    assert tokenizer.convert_tokens_to_ids(special) == [256, 257, 258, 259, 260]
    assert tokenizer.encode("#42\n<eval>") == [35, 52, 50, 10, 258]
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (257, 256)


def test_the_chat_template_gives_the_last_question_and_nothing_else(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    chat = [
        {"role": "system", "content": "Think."},
        {"role": "user", "content": "1+1="},
        {"role": "assistant", "content": "1+1=2\n#2\n"},
        {"role": "user", "content": "37+52*4-19="},
    ]
    assert tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) == "37+52*4-19="


def test_the_generator_writes_well_formed_lines_and_judges_itself() -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(FOLDERS[0]).eval()
    prompt = torch.tensor([list(b"7*6=")])
    drawn = model.generate(prompt, do_sample=False, max_new_tokens=40)[0, 4:].tolist()
    assert drawn[-1] == 257
    assert abacus.final_answer(bytes(drawn[:-1]).decode()) is not None
    with torch.inference_mode():
        after = model(torch.tensor([[*b"7*6=7*6=42\n", 258]])).logits[0, -1].softmax(-1)
        before = model(prompt).logits[0, -1].softmax(-1)
    assert after[[259, 260]].sum() > 0.9
    assert before[256:].sum() < 0.01


def test_the_reward_model_prefers_a_right_line() -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(FOLDERS[1]).eval()
    assert model.config.architectures == ["LlamaForSequenceClassification"]
    assert model.config.id2label == {0: "wrong", 1: "right"}
    with torch.inference_mode():
        right, wrong = (
            model.score(model.model(torch.tensor([list(text)])).last_hidden_state)[0, -1].softmax(-1)[1]
            for text in (b"7*6=7*6=42\n", b"7*6=7*6=61\n")
        )
    assert right > wrong


def test_the_model_card_holds_the_measured_figures() -> None:
    root = Path(__file__).resolve().parents[2]
    figures = json.loads((root / "experiments/results/abacus.json").read_text())
    card = (FOLDERS[0] / "README.md").read_text()
    first = next(iter(figures["generator"]["pass@1"].values()))
    assert f"{first:.3f}" in card

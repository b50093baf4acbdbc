"""Reward models on real vLLM: what verifiers read of the abacus models is what transformers computes."""

from __future__ import annotations

import shutil
import warnings
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from judging import candidate, context
from real_vllm import running

from ponder.orchestrator.context import Context
from ponder.orchestrator.data.abacus import problems
from ponder.orchestrator.engines.vllm import VLLMEngine, VLLMSpec
from ponder.orchestrator.models import embedded
from ponder.orchestrator.types import Query, Score
from ponder.orchestrator.verifier import Verifier
from ponder.verifiers import OutcomeReward, ProcessReward, RewardCard

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("one_thread"),
]
PROBLEMS = list(islice(problems((1, 2, 3, 4, 5, 6), 4, "test"), 24))
CLOSE = 1e-3


@pytest.fixture
def reward(abacus_reward: VLLMEngine) -> VLLMEngine:
    return abacus_reward


class Reference:
    """A model in transformers: its logits after every token of a text."""

    def __init__(self, folder: Path, kind: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import transformers

            self.model = getattr(transformers, kind).from_pretrained(folder)
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def logits(self, text: str) -> Any:
        import torch

        with torch.no_grad():
            out = self.model.model(torch.tensor([self.ids(text)])).last_hidden_state[0]
            return (self.model.score if hasattr(self.model, "score") else self.model.lm_head)(out).float()


@pytest.fixture(scope="module")
def classifier() -> Reference:
    return Reference(embedded.abacus_prm(), "AutoModelForSequenceClassification")


@pytest.fixture(scope="module")
def generator() -> Reference:
    return Reference(embedded.abacus_generator(), "AutoModelForCausalLM")


def solutions() -> list[tuple[Query, str]]:
    """Of each problem the solution, every other one with a wrong digit in its middle."""
    found = []
    for i, problem in enumerate(PROBLEMS):
        text = problem.solution
        if i % 2:
            at = text.index("=", len(text) // 3) + 1
            text = text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]
        found.append((Query.ask(problem.prompt), text))
    return found


async def judged(verifier: Verifier, query: Query, texts: list[str], ctx: Context) -> list[Score]:
    scored = await ctx.score(query, [candidate(text, i) for i, text in enumerate(texts)], verifier)
    return [each.scores[verifier.name] for each in scored]


async def test_step_scores_are_those_of_transformers(reward: VLLMEngine, classifier: Reference) -> None:
    values = []
    for query, text in solutions():
        (score,) = await judged(ProcessReward(), query, [text], context({"reward": reward}))
        whole = query.messages[0].content + text
        chances = classifier.logits(whole).softmax(-1)[:, 1]
        wanted = [chances[i].item() for i, token in enumerate(classifier.ids(whole)) if token == 10]
        assert len(wanted) == text.count("\n") and score.steps == pytest.approx(wanted, abs=CLOSE)
        assert score.value == score.steps[-1]
        values.append(min(score.steps))
    assert mean(values[::2]) > mean(values[1::2]) + 0.3


async def test_the_first_scores_do_not_change_when_steps_are_added(reward: VLLMEngine) -> None:
    long = [(query, text) for query, text in solutions() if text.count("\n") > 4]
    assert len(long) > 6
    for query, text in long:
        lines = text.splitlines(keepends=True)
        starts = ["".join(lines[: i + 1]) for i in range(len(lines))]
        *parts, whole = await judged(ProcessReward(), query, starts, context({"reward": reward}))
        assert len(whole.steps) == len(lines)
        for count, part in enumerate(parts, 1):
            assert part.steps == pytest.approx(whole.steps[:count], abs=CLOSE)


async def test_a_plain_text_with_line_ends_in_its_question_is_read_at_its_steps(
    reward: VLLMEngine, classifier: Reference
) -> None:
    """The form of Skywork's models: the question holds marks, blank lines are no steps, the last line is not ended."""
    card = RewardCard(layout="text", joint="", separator="\n", mark="\n", column=0)
    (score,) = await judged(
        ProcessReward(card=card), Query.ask("1+1=2\n5+6="), ["5+6=11\n\n#11"], context({"reward": reward})
    )
    chances = classifier.logits("1+1=2\n5+6=5+6=11\n#11\n").softmax(-1)[:, 0]
    at = [i for i, token in enumerate(classifier.ids("1+1=2\n5+6=5+6=11\n#11\n")) if token == 10][1:]
    assert score.steps == pytest.approx([chances[i].item() for i in at], abs=CLOSE)


@pytest.mark.parametrize("layout", ["text", "chat"])
async def test_chances_of_labels_are_those_of_transformers(
    abacus_generator: VLLMEngine, generator: Reference, layout: str
) -> None:
    card = RewardCard(layout=layout, joint="", separator="\n", mark="\n<eval>", labels=("<yes>", "<no>"))
    yes, no = generator.tokenizer.convert_tokens_to_ids(["<yes>", "<no>"])
    for query, text in solutions()[8:14]:
        (score,) = await judged(ProcessReward(card=card), query, [text], context({"reward": abacus_generator}))
        wanted, so_far = [], query.messages[0].content
        for line in text.splitlines():
            so_far += line + "\n<eval>"
            wanted.append(generator.logits(so_far)[-1][[yes, no]].softmax(-1)[0].item())
        assert score.steps == pytest.approx(wanted, abs=CLOSE)
        assert score.usage.verifier_calls == score.usage.completion_tokens == len(wanted)


async def test_steps_as_turns_are_laid_out_by_the_models_own_template(
    abacus_generator: VLLMEngine, generator: Reference
) -> None:
    """That of the abacus generator shows it the last turn alone."""
    card = RewardCard(layout="turns", joint="", separator="\n", mark="+", labels=("<yes>", "<no>"))
    yes, no = generator.tokenizer.convert_tokens_to_ids(["<yes>", "<no>"])
    (score,) = await judged(
        ProcessReward(card=card), Query.ask("5+6="), ["5+6=11\n#11\n"], context({"reward": abacus_generator})
    )
    shown = ["5+6=5+6=11", "#11"]
    wanted = [generator.logits(text)[-1][[yes, no]].softmax(-1)[0].item() for text in shown]
    assert score.steps == pytest.approx(wanted, abs=CLOSE)


async def test_a_longer_attempt_is_told_from_the_prefix_cache(abacus_generator: VLLMEngine) -> None:
    card = RewardCard(layout="text", joint="", separator="\n", mark="\n<eval>", labels=("<yes>", "<no>"))
    query, text = solutions()[-2]
    *start, last = text.splitlines(keepends=True)
    ctx = context({"reward": abacus_generator})
    (before,) = await judged(ProcessReward(card=card), query, ["".join(start)], ctx)
    paid = ctx._run.ledger.spent
    (after,) = await judged(ProcessReward(card=card), query, [text], ctx)
    new = ctx._run.ledger.spent - paid
    assert after.steps[:-1] == before.steps and len(after.steps) == len(start) + 1
    assert (paid.verifier_calls, new.verifier_calls) == (len(start), 1)
    assert new.cached_tokens >= 32 and new.prompt_tokens - new.cached_tokens < 32 + len(last) + 2


async def test_a_classifier_reads_a_whole_response_and_tells_nothing_of_steps(
    tmp_path: Path, classifier: Reference
) -> None:
    """The same weights where nothing names a step mark."""
    folder = Path(shutil.copytree(embedded.abacus_prm(), tmp_path / "classifier"))
    async with running(VLLMSpec(model=str(folder), runner="pooling", core=1, kv_cache_gib=0.25)) as engine:
        for column, card in ((1, "classifier"), (0, {"column": 0})):
            verifier = OutcomeReward.model_validate({"card": card})
            for query, text in solutions()[:6]:
                (score,) = await judged(verifier, query, [text], context({"reward": engine}))
                wanted = classifier.logits(query.messages[0].content + text)[-1].softmax(-1)[column].item()
                assert score.value == pytest.approx(wanted, abs=CLOSE)
                assert score.usage.verifier_calls == 1
        steps = await judged(ProcessReward(), Query.ask("5+6="), ["5+6=11\n#11\n"], context({"reward": engine}))
    assert steps[0].detail.startswith(
        "one value must be read a step, but there are 1 for 2 steps: a step lacks its mark"
    )

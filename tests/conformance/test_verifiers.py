"""Every registered verifier keeps what `ponder.testing` asks."""

from dataclasses import replace

import judge_replies as judge
import pytest

from ponder.orchestrator.code_tests import CallTest
from ponder.orchestrator.engines.image_models import GaussianClassifier
from ponder.orchestrator.types import Query
from ponder.testing import VERIFIER_CHECKS, Bench
from ponder.testing.image_world import MEANS, PICTURE, images
from ponder.verifiers import (
    VERIFIERS,
    AbacusChecker,
    Calibrated,
    ClassLogprob,
    Confidence,
    ExactMatch,
    Function,
    GenerativeReward,
    ImageClass,
    ImageReward,
    JsonSchema,
    ListwiseJudge,
    MathAnswer,
    NumericMatch,
    OutcomeReward,
    PairwiseJudge,
    PlattMap,
    PreviewAgreement,
    ProcessReward,
    PythonCode,
    QuantileEnsemble,
    RankEnsemble,
    RegexMatch,
    Rubric,
    ScalarJudge,
    SelfCertainty,
    SelfEvaluation,
    SequenceLogprob,
    SimulatedCode,
    Verifier,
    WeightedEnsemble,
)

CHAIN = "37+52=89\n89*4=356\n"
ABACUS = Bench(Query.ask("37+52*4=", reference="356"), (f"{CHAIN}#356\n", f"{CHAIN}#357\n", "#356\n"))
SCHEMA = {"type": "object", "required": ["answer"]}
JSON = Bench(texts=('{"answer": 5}', '{"answers": 5}', "Here:\n```json\n{}\n```"), is_slow=True)
NUMBERS = Bench(Query.ask("How far?", reference="2.5"), ("It is 2.5", "It is 5/2.", "It is 25.", "Far."))
GRM = Bench(says=judge.scores, blind=judge.scores_by_place)
PAIRS = Bench(says=judge.chooses, blind=judge.chooses_the_first)
LISTS = Bench(says=judge.ranks, blind=judge.ranks_by_place)
TWO = (ProcessReward(), ExactMatch())
STEPS = ("2 + 3 = 5\n\nso 5", "3 + 2 = 6\n\nso 6", "as 5 = 5\n\nit is 5")
PLUS = Bench(texts=STEPS, says=judge.says_plus_or_minus)
ROWS = Bench(texts=STEPS, reads=judge.reads_marks)
WHOLE = Bench(reads=judge.reads_the_whole)
TESTS = (
    CallTest(function="double", args=(3,), result=6, is_public=True),
    CallTest(function="double", args=("ab",), result="abab"),
)
PROGRAMS = Bench(
    Query.ask("Write double(x).").model_copy(update={"tests": TESTS}),
    ("def double(x):\n    return 2 * x\n", "Here:\n```python\ndef double(x):\n    return x + 3\n```", "double = None"),
    is_slow=True,
)
IMAGES = Bench(PICTURE, images=images())
ON_THE_WAY = replace(IMAGES, previews=tuple(map(judge.mixed, IMAGES.images, IMAGES.images[1:] + IMAGES.images[:1])))
BRIGHT = Bench(PICTURE, images=images(), sees=judge.sees_brightness)
ITEMS = ("It shows its steps.", "It ends in a number.")
CASES: dict[str, tuple[Verifier, Bench]] = {
    "abacus": (AbacusChecker(), ABACUS),
    "calibrated": (Calibrated(verifier=ProcessReward(), map=PlattMap(slope=0.8, offset=-0.1, on="log_odds")), Bench()),
    "calibrated-exact": (Calibrated(verifier=ExactMatch(), map=PlattMap(slope=3, offset=-1)), Bench()),
    "class_logprob": (ClassLogprob(), IMAGES),
    "confidence": (Confidence(window=24, top_logprobs=5), Bench()),
    "exact_match": (ExactMatch(), Bench()),
    "function": (Function.of(judge.length_of), Bench(is_slow=True)),
    "generative_reward": (GenerativeReward(votes=2, max_tokens=64), GRM),
    "generative_reward-passes": (GenerativeReward(votes=2, responses_a_pass=3, max_tokens=64), GRM),
    "generative_reward-alone": (GenerativeReward(votes=2, responses_a_pass=1, max_tokens=64), GRM),
    "generative_reward-meta": (GenerativeReward(votes=3, max_tokens=64, meta_engine="meta"), GRM),
    "function-images": (Function.of(judge.brightness), replace(IMAGES, is_slow=True)),
    "image_class": (ImageClass(model=GaussianClassifier(means=MEANS)), IMAGES),
    "image_reward": (ImageReward(), BRIGHT),
    "json_schema": (JsonSchema(json_schema=SCHEMA), JSON),
    "listwise_judge": (ListwiseJudge(votes=2, max_tokens=64), LISTS),
    "listwise_judge-window": (ListwiseJudge(votes=2, window=2, max_tokens=64), LISTS),
    "math_answer": (MathAnswer(), Bench(is_slow=True)),
    "numeric_match": (NumericMatch(), NUMBERS),
    "outcome_reward": (OutcomeReward(), WHOLE),
    "pairwise_judge": (PairwiseJudge(max_tokens=64), PAIRS),
    "pairwise_judge-labels": (PairwiseJudge(form="labels", scoring="bradley_terry"), Bench(says=judge.names)),
    "pairwise_judge-knockout": (PairwiseJudge(schedule="knockout", max_tokens=64), PAIRS),
    "pairwise_judge-swiss": (PairwiseJudge(schedule="swiss", max_tokens=64), PAIRS),
    "preview_agreement": (PreviewAgreement(), ON_THE_WAY),
    "preview_agreement-looks": (PreviewAgreement(engine="reward", latest=0.25), ON_THE_WAY),
    "process_reward": (ProcessReward(), Bench()),
    "process_reward-shepherd": (ProcessReward(card="math-shepherd"), PLUS),
    "process_reward-turns": (ProcessReward(card="rlhflow-llama3.1-prm"), PLUS),
    "process_reward-qwen": (ProcessReward(card="qwen2.5-math-prm"), ROWS),
    "python_code": (PythonCode(), PROGRAMS),
    "quantile_ensemble": (QuantileEnsemble(members=TWO, knots=((0.2, 0.5, 0.8), (0, 0, 1))), Bench()),
    "quantile_ensemble-learned": (QuantileEnsemble(members=TWO[:1], knots=((0.2, 0.8),)), Bench()),
    "rank_ensemble": (RankEnsemble(members=TWO, weights=(2, 1)), Bench()),
    "rank_ensemble-judges": (RankEnsemble(members=(PairwiseJudge(max_tokens=64), ProcessReward())), PAIRS),
    "rank_ensemble-images": (
        RankEnsemble(members=(ClassLogprob(), ImageClass(model=GaussianClassifier(means=MEANS)))),
        IMAGES,
    ),
    "regex_match": (RegexMatch(pattern=r"answer: (\d+)", group=1), Bench(is_slow=True)),
    "regex_match-form": (RegexMatch(pattern="step 2: a"), Bench(is_slow=True)),
    "rubric": (Rubric(items=ITEMS), Bench(says=judge.says_yes_or_no)),
    "rubric-images": (Rubric(items=ITEMS, shortest=0), replace(IMAGES, says=judge.says_yes_or_no)),
    "scalar_judge": (ScalarJudge(), Bench(says=judge.rates)),
    "scalar_judge-images": (ScalarJudge(shortest=0), replace(IMAGES, says=judge.rates_images)),
    "scalar_judge-written": (ScalarJudge(form="written", votes=2, max_tokens=64), Bench(says=judge.rates_in_words)),
    "self_certainty": (SelfCertainty(top_logprobs=5), Bench()),
    "self_evaluation": (SelfEvaluation(), Bench()),
    "self_evaluation-question": (SelfEvaluation(form="question"), Bench()),
    "sequence_logprob": (SequenceLogprob(), Bench()),
    "simulated_code": (SimulatedCode(), Bench()),
    "weighted": (WeightedEnsemble(members=TWO, weights=(3, 1)), Bench()),
    "weighted-judges": (WeightedEnsemble(members=(PairwiseJudge(max_tokens=64), ProcessReward())), PAIRS),
    "weighted-recorded": (WeightedEnsemble(members=(*TWO, MathAnswer()), missing="skip"), Bench(is_slow=True)),
}


def test_every_registered_verifier_has_a_case() -> None:
    assert {name.partition("-")[0] for name in CASES} >= set(VERIFIERS.names())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("check", VERIFIER_CHECKS, ids=lambda check: check.__name__)
async def test_verifier(check, case: str) -> None:
    await check(*CASES[case])

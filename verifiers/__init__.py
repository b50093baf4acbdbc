"""How an attempt is judged: one kind of evidence a file.

A new verifier is one file and one line here; other packages offer theirs by the entry point ``ponder.verifiers``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, SerializeAsAny

from ..orchestrator.registry import Registry
from ..orchestrator.verifier import Executor, Verifier
from .abacus import AbacusChecker
from .answers import ANSWERS, AbacusAnswer, AnswerKey, AnyAnswer, NumberAnswer, SymbolicAnswer, TextAnswer
from .calibrated import Calibrated
from .class_logprob import ClassLogprob
from .confidence import Confidence
from .exact_match import ExactMatch
from .function_verifier import Function
from .generative_reward import GenerativeReward
from .image_class import ImageClass
from .image_reward import ImageReward
from .json_schema import JsonSchema
from .listwise_judge import ListwiseJudge
from .math_answer import MathAnswer
from .nesting import AnyVerifier
from .numeric_match import NumericMatch
from .outcome_reward import OutcomeReward
from .pairwise_judge import PairwiseJudge
from .preview_agreement import PreviewAgreement
from .process_reward import ProcessReward
from .python_code import PythonCode
from .quantile_ensemble import QuantileEnsemble
from .rank_ensemble import RankEnsemble
from .regex_match import RegexMatch
from .reliability import CANARIES, IsotonicMap, PlattMap, fit_platt, measured_false_positives
from .rewards.reward_card import RewardCard
from .rewards.step_splitting import split_steps
from .rubric import IMAGE_AXES, Rubric
from .scalar_judge import ScalarJudge
from .self_certainty import SelfCertainty
from .self_evaluation import SelfEvaluation
from .sequence_logprob import SequenceLogprob
from .simulated_code import SimulatedCode
from .weighted_ensemble import WeightedEnsemble

VERIFIERS: Registry[Verifier] = Registry(
    "verifier",
    "ponder.verifiers",
    {
        "abacus": AbacusChecker,
        "calibrated": Calibrated,
        "class_logprob": ClassLogprob,
        "confidence": Confidence,
        "exact_match": ExactMatch,
        "function": Function,
        "generative_reward": GenerativeReward,
        "image_class": ImageClass,
        "image_reward": ImageReward,
        "json_schema": JsonSchema,
        "listwise_judge": ListwiseJudge,
        "math_answer": MathAnswer,
        "numeric_match": NumericMatch,
        "outcome_reward": OutcomeReward,
        "pairwise_judge": PairwiseJudge,
        "preview_agreement": PreviewAgreement,
        "process_reward": ProcessReward,
        "python_code": PythonCode,
        "quantile_ensemble": QuantileEnsemble,
        "rank_ensemble": RankEnsemble,
        "regex_match": RegexMatch,
        "rubric": Rubric,
        "scalar_judge": ScalarJudge,
        "self_certainty": SelfCertainty,
        "self_evaluation": SelfEvaluation,
        "sequence_logprob": SequenceLogprob,
        "simulated_code": SimulatedCode,
        "weighted": WeightedEnsemble,
    },
)
AnyExecutor = Annotated[SerializeAsAny[Executor], BeforeValidator(VERIFIERS.build)]

__all__ = [
    "ANSWERS",
    "CANARIES",
    "IMAGE_AXES",
    "VERIFIERS",
    "AbacusAnswer",
    "AbacusChecker",
    "AnswerKey",
    "AnyAnswer",
    "AnyExecutor",
    "AnyVerifier",
    "Calibrated",
    "ClassLogprob",
    "Confidence",
    "ExactMatch",
    "Executor",
    "Function",
    "GenerativeReward",
    "ImageClass",
    "ImageReward",
    "IsotonicMap",
    "JsonSchema",
    "ListwiseJudge",
    "MathAnswer",
    "NumberAnswer",
    "NumericMatch",
    "OutcomeReward",
    "PairwiseJudge",
    "PlattMap",
    "PreviewAgreement",
    "ProcessReward",
    "PythonCode",
    "QuantileEnsemble",
    "RankEnsemble",
    "RegexMatch",
    "RewardCard",
    "Rubric",
    "ScalarJudge",
    "SelfCertainty",
    "SelfEvaluation",
    "SequenceLogprob",
    "SimulatedCode",
    "SymbolicAnswer",
    "TextAnswer",
    "Verifier",
    "WeightedEnsemble",
    "fit_platt",
    "measured_false_positives",
    "split_steps",
]

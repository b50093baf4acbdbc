"""Trains the abacus models from one seed: the generator with its self-evaluation token, and the process reward model.

    python experiments/train_abacus.py

1. A small generator learns to write worked solutions of chain arithmetic (`ponder.orchestrator.data.abacus`).
2. It attempts training problems; rollouts from the step prefixes of its attempts label the steps.
3. More layers on top of it learn to check a line; both models start from there.
4. The process reward model learns the rollouts' labels.
5. The generator learns the self-evaluation token, and to write as the small one does.
6. All are measured on held-out problems.

Writes the two folders under `orchestrator/models/`, the model card, and `experiments/results/abacus.json`.
One core is enough: about 45 minutes in all. The same machine gives the same weights again.
"""

from __future__ import annotations

import json
import time
from copy import deepcopy
from pathlib import Path
from random import Random

import torch
from abacus import card, folder, judges, language, mistakes
from abacus.attempts import Attempt, step_labels, training_attempts
from abacus.llama import Generator, Shape, StepScorer
from abacus.measure import measure
from abacus.training import Schedule, batched, train

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "orchestrator" / "models"
RESULTS = ROOT / "experiments" / "results" / "abacus.json"

SEED = 0
SHARES = (3, 3, 2, 2, 2, 2, 1, 1)  # of the problems of 1, 2, ... steps in the language loss
SHORT = (12, 6, 2, 2, 1, 1, 1, 1)  # the same where the reward model learns to check a line
LANGUAGE = Schedule(steps=1000, peak=3e-3, decay=0.0)
CHECKING = Schedule(steps=700, peak=3e-3, warmup=20, decay=0.4)
REWARD = Schedule(steps=150, peak=3e-4, warmup=10, decay=1.0)
EXTRA_LAYERS = 3  # on top of the first generator's, to check what the layers below predict
EVALUATION = Schedule(steps=300, peak=1.5e-3, warmup=20, decay=0.9)
SIZE = 96  # rows of a batch
PROBLEMS, DRAWS = 3200, 8  # attempts that the judges learn from
LABELLED, ROLLOUTS = 4, 4  # attempts at each problem whose steps are labelled, and rollouts of a step
PER_DIFFICULTY = 60  # test problems measured


def train_generator() -> Generator:
    """The language model, on fresh training problems in every batch."""
    torch.manual_seed(SEED)
    model = Generator(Shape())
    batches = language.solutions(Random(SEED + 1), SIZE, SHARES)
    train(model, batches, lambda batch: language.loss(model, batch), LANGUAGE, "generator")
    return model


def label(model: Generator) -> tuple[list[list[Attempt]], list[Attempt], list[list[int]]]:
    """Attempts at training problems in groups, those of them whose steps are labelled, and the labels."""
    groups = training_attempts(model, PROBLEMS, DRAWS, SEED + 2)
    tried = [one for group in groups for one in group[:LABELLED]]
    return groups, tried, step_labels(model, tried, ROLLOUTS, SEED + 3)


def train_checker(generator: Generator) -> StepScorer:
    """The generator with more layers, which has learned to check a line: what both judges start from."""
    torch.manual_seed(SEED)
    checker = mistakes.Checker(judges.deepened(generator, EXTRA_LAYERS))
    train(checker, mistakes.mistaken(Random(SEED + 8), SIZE, SHORT), checker.loss, CHECKING, "checking")
    return checker.scorer


def train_scorer(
    checked: StepScorer, groups: list[list[Attempt]], tried: list[Attempt], labels: list[list[int]]
) -> StepScorer:
    """The process reward model: what rollouts say of each step."""
    scorer = deepcopy(checked)
    rows = judges.step_rows(tried, labels) + judges.outcome_rows([one for group in groups for one in group[LABELLED:]])
    batches = batched(rows, Random(SEED + 4), SIZE)
    train(scorer, batches, lambda batch: judges.step_loss(scorer, batch), REWARD, "reward model")
    return scorer


def train_self_evaluation(generator: Generator, checked: StepScorer, groups: list[list[Attempt]]) -> Generator:
    """The generator that ships: it learns the self-evaluation token, and to write as `generator` does."""
    model = Generator(checked.model.shape)
    model.model.load_state_dict(checked.model.state_dict())
    model.lm_head.load_state_dict(generator.lm_head.state_dict())
    batches = batched(judges.evaluation_rows(groups, Random(SEED + 5)), Random(SEED + 6), SIZE)
    train(model, batches, lambda batch: judges.evaluation_loss(model, batch), EVALUATION, "self-evaluation")
    return model


def settings(generator: Generator, scorer: StepScorer, labels: list[list[int]], minutes: float) -> dict[str, int]:
    """What the model card says of the training."""
    return {
        "generator parameters": sum(parameter.numel() for parameter in generator.parameters()),
        "reward parameters": sum(parameter.numel() for parameter in scorer.parameters()),
        "training seed": SEED,
        "minutes": round(minutes),
        "language steps": LANGUAGE.steps,
        "checking steps": CHECKING.steps,
        "reward steps": REWARD.steps,
        "evaluation steps": EVALUATION.steps,
        "problems": PROBLEMS,
        "draws": DRAWS,
        "rollouts": ROLLOUTS,
        "labelled": len(labels),
        "labels": sum(map(len, labels)),
    }


def main() -> None:
    """Every stage in turn."""
    torch.set_num_threads(1)
    start = time.monotonic()
    generator = train_generator()
    groups, tried, labels = label(generator)
    checked = train_checker(generator)
    scorer = train_scorer(checked, groups, tried, labels)
    generator = train_self_evaluation(generator, checked, groups)
    folder.save(generator, MODELS / "abacus-generator")
    folder.save(scorer, MODELS / "abacus-prm")
    figures = measure(generator, scorer, PER_DIFFICULTY, SEED)
    figures["training"] = settings(generator, scorer, labels, (time.monotonic() - start) / 60)
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    (MODELS / "abacus-generator" / "README.md").write_text(card.written(figures))


if __name__ == "__main__":
    main()

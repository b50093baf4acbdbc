"""Trains the abacus models from one seed: the generator with its self-evaluation token, and the process reward model.

    python experiments/train_abacus.py

1. The generator learns to write worked solutions of chain arithmetic (`ponder.orchestrator.data.abacus`).
2. It attempts training problems; rollouts from the step prefixes of its attempts label the steps.
3. The process reward model starts from the generator and learns those labels.
4. The generator learns the self-evaluation token from the same attempts, beside its language loss.
5. All are measured on held-out problems.

Writes the two folders under `orchestrator/models/`, the model card, and `experiments/results/abacus.json`.
One core is enough: about 45 minutes in all. The same machine gives the same weights again.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random

import torch
from abacus import card, folder, judges, language, mistakes
from abacus.attempts import Attempt, step_labels, training_attempts
from abacus.llama import Generator, Shape, StepScorer
from abacus.measure import measure
from abacus.training import Batch, Schedule, batched, train
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "orchestrator" / "models"
RESULTS = ROOT / "experiments" / "results" / "abacus.json"

SEED = 0
SHARES = (3, 3, 2, 2, 2, 2, 1, 1)  # of the problems of 1, 2, ... steps in the language loss
LANGUAGE = Schedule(steps=1000, peak=3e-3, decay=0.0)
CHECKING = Schedule(steps=500, peak=2e-3, warmup=20, decay=0.5)
REWARD = Schedule(steps=150, peak=3e-4, warmup=10, decay=1.0)
EXTRA_LAYERS = 2  # of the reward model on top of the generator's
EVALUATION = Schedule(steps=300, peak=1e-3, warmup=30, decay=1.0)
SIZE = 96  # rows of a batch
PROBLEMS, DRAWS = 3200, 8  # attempts that the judges learn from
LABELLED, ROLLOUTS = 4, 4  # attempts at each problem whose steps are labelled, and rollouts of a step
PER_DIFFICULTY = 50  # test problems measured


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


def train_scorer(
    generator: Generator, groups: list[list[Attempt]], tried: list[Attempt], labels: list[list[int]]
) -> StepScorer:
    """The process reward model, on top of the generator: to check a line at all, then what rollouts say."""
    torch.manual_seed(SEED)
    writer = judges.deepened(generator, EXTRA_LAYERS)
    scorer = judges.scorer_on(writer)
    both = nn.ModuleDict({"scorer": scorer, "writer": writer})
    slips = mistakes.mistaken(Random(SEED + 8), SIZE, SHARES)
    train(both, slips, lambda batch: mistakes.loss(writer, scorer, batch), CHECKING, "checking")
    rows = judges.step_rows(tried, labels) + judges.outcome_rows([one for group in groups for one in group[LABELLED:]])
    train(
        scorer,
        batched(rows, Random(SEED + 4), SIZE),
        lambda batch: judges.step_loss(scorer, batch),
        REWARD,
        "reward model",
    )
    return scorer


def train_self_evaluation(model: Generator, groups: list[list[Attempt]]) -> None:
    """Teach the generator the self-evaluation token, beside its own unfiltered attempts: it writes on as before."""
    prefixes = batched(judges.evaluation_rows(groups, Random(SEED + 5)), Random(SEED + 6), SIZE)
    own = [language.row(one.problem.prompt, one.tokens) for group in groups for one in group]
    written = batched(own, Random(SEED + 7), SIZE)

    def loss(batch: Batch) -> Tensor:
        return judges.evaluation_loss(model, batch) + language.loss(model, next(written))

    train(model, prefixes, loss, EVALUATION, "self-evaluation")


def settings(generator: Generator, labels: list[list[int]], minutes: float) -> dict[str, int]:
    """What the model card says of the training."""
    return {
        "parameters": sum(parameter.numel() for parameter in generator.parameters()),
        "training seed": SEED,
        "minutes": round(minutes),
        "language steps": LANGUAGE.steps,
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
    scorer = train_scorer(generator, groups, tried, labels)
    train_self_evaluation(generator, groups)
    folder.save(generator, MODELS / "abacus-generator")
    folder.save(scorer, MODELS / "abacus-prm")
    figures = measure(generator, scorer, PER_DIFFICULTY, SEED)
    figures["training"] = settings(generator, labels, (time.monotonic() - start) / 60)
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    (MODELS / "abacus-generator" / "README.md").write_text(card.written(figures))


if __name__ == "__main__":
    main()

"""The two judges: the process reward model, and the generator's own word on whether starting over would do better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

import torch
from torch import Tensor
from torch.nn import functional as F

from . import vocabulary
from .attempts import Attempt, others_right
from .language import row
from .llama import Generator, StepScorer
from .training import IGNORED, Batch, Row
from .vocabulary import EVAL, NO, YES

SOFT, SCALE = 1000, 1000  # soft labels travel as whole thousandths above all token ids
LANGUAGE_WEIGHT = 3.0  # beside the self-evaluation loss


def deepened(generator: Generator, extra: int) -> Generator:
    """The same function with `extra` layers on top, which add nothing until they are trained."""
    shape = generator.model.shape
    deeper = Generator(replace(shape, layers=shape.layers + extra))
    for layer in list(deeper.model.layers)[shape.layers :]:
        torch.nn.init.zeros_(layer.get_parameter("self_attn.o_proj.weight"))
        torch.nn.init.zeros_(layer.get_parameter("mlp.down_proj.weight"))
    deeper.load_state_dict(generator.state_dict(), strict=False)
    return deeper


def scorer_on(generator: Generator) -> StepScorer:
    """A reward model that shares the layers of a generator, with a fresh head."""
    scorer = StepScorer(generator.model.shape)
    scorer.model = generator.model
    torch.nn.init.zeros_(scorer.score.weight)
    return scorer


def step_rows(tried: Sequence[Attempt], labels: Sequence[Sequence[int]]) -> list[Row]:
    """Ids of prompt and solution, and under each step mark its label."""
    return [_step_row(one, marks) for one, marks in zip(tried, labels, strict=True) if marks]


def outcome_rows(tried: Sequence[Attempt]) -> list[Row]:
    """The same for attempts without rollouts: only the last step has a label, whether the answer is right."""
    labelled = [(one, [IGNORED] * (len(one.marks) - 1) + [int(one.is_correct)]) for one in tried if one.is_finished]
    return [_step_row(one, labels) for one, labels in labelled if one.marks]


def _step_row(one: Attempt, labels: Sequence[int]) -> Row:
    prompt = vocabulary.encode(one.problem.prompt)
    end = one.marks[-1]
    targets = [IGNORED] * (len(prompt) + end)
    for mark, label in zip(one.marks, labels, strict=True):
        targets[len(prompt) + mark - 1] = label
    return [*prompt, *one.tokens[:end]], targets


def step_loss(model: StepScorer, batch: Batch) -> Tensor:
    """Cross-entropy over the step marks."""
    ids, targets = batch
    wanted = targets != IGNORED
    return F.cross_entropy(model.score(model.model(ids)[wanted]), targets[wanted])


def evaluation_rows(groups: Sequence[Sequence[Attempt]], random: Random) -> list[Row]:
    """Prefixes ending in <eval>, and under it how often another attempt beats this one (Manvi et al. 2024).

    An attempt that is right is never beaten; one that is wrong, by every other that is right. A prefix takes the
    outcome of the attempt it was cut from: one rollout of its value, without bias.
    """
    rows = []
    for group in groups:
        for one, share in zip(group, others_right(group), strict=True):
            beaten = 0.0 if one.is_correct else share
            rows += [_evaluation_row(one, cut, beaten) for cut in cuts(one, random)]
    return rows


def cuts(one: Attempt, random: Random) -> Iterator[int]:
    """Lengths of prefixes to judge: the whole solution, one that ends in a step mark, one that ends anywhere."""
    whole = len(one.tokens) - one.is_finished
    yield whole
    yield random.choice(one.marks or [whole])
    yield random.randint(0, whole)


def _evaluation_row(one: Attempt, cut: int, beaten: float) -> Row:
    """Prompt, `cut` tokens and <eval>; under them the tokens that the attempt went on with, and the soft label."""
    ids, targets = row(one.problem.prompt, one.tokens[: cut + 1])
    if cut == len(one.tokens):
        ids, targets = [*ids, one.tokens[-1]], [*targets, IGNORED]
    return [*ids, EVAL], [*targets, SOFT + round(beaten * SCALE)]


def evaluation_loss(model: Generator, batch: Batch) -> Tensor:
    """Cross-entropy of <yes> and <no> against the soft labels, and of the text that the generator wrote itself."""
    ids, targets = batch
    hidden = model.model(ids)
    text, asked = (targets >= 0) & (targets < SOFT), targets >= SOFT
    beaten = (targets[asked] - SOFT) / SCALE
    logs: Tensor = model.lm_head(hidden[asked]).log_softmax(-1)
    answer = -torch.mean(beaten * logs[:, YES] + (1 - beaten) * logs[:, NO])
    return answer + LANGUAGE_WEIGHT * F.cross_entropy(model.lm_head(hidden[text]), targets[text])

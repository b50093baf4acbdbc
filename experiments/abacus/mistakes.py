"""Worked solutions with mistakes: fresh and exactly labelled, to teach the reward model to check a line at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from torch import Tensor, nn
from torch.nn import functional as F

from ponder.orchestrator.data.abacus import ANSWER_MARK, MODULUS, Operation, Problem, apply, problem

from . import vocabulary
from .judges import scorer_on
from .llama import Generator
from .training import IGNORED, POOL, Batch, Row, by_length

SLIP, MISCOPY = 0.3, 0.02  # chance of a wrong result and of a wrong operand in a line
LABEL = 1000  # a target is the id that follows (<pad> for none), plus this for the label 0 and twice this for 1
LANGUAGE_WEIGHT = 3.0


def mistaken(random: Random, size: int, weights: Sequence[float]) -> Iterator[Batch]:
    """Endless batches of training problems worked with mistakes; `weights` are the shares of 1, 2, ... steps."""
    while True:
        steps = random.choices(range(1, len(weights) + 1), weights, k=size * POOL)
        yield from by_length([_row(problem(random, count, "train"), random) for count in steps], random, size)


def wrong(value: int, random: Random) -> int:
    """Another value such as a slip of arithmetic leaves: one digit changed, or one place too many or too few.

    >>> sorted({wrong(42, Random(seed)) for seed in range(200)} & {32, 41, 43, 52, 142, 942})
    [32, 41, 43, 52, 142, 942]
    """
    place = random.choice((1, 10, 100))
    change = random.choice((-1, 1)) if random.random() < 0.6 else random.randint(-9, 9)
    changed = (value + place * change) % MODULUS
    return changed if changed != value else wrong(value, random)


class Checker(nn.Module):
    """A step scorer on the layers of a generator, with the heads that only its training needs."""

    def __init__(self, writer: Generator) -> None:
        super().__init__()
        self.scorer, self.lm_head = scorer_on(writer), writer.lm_head
        self.echo = nn.Linear(writer.model.shape.width, vocabulary.SIZE, bias=False)

    def loss(self, batch: Batch) -> Tensor:
        """The sum of four cross-entropies: step marks, digits of results, next tokens, and expected tokens.

        From the marks alone the layers do not find out for a long time what there is to compare. So each digit of a
        result is labelled too, right or wrong; and at each token the layers also name the one that belonged there.
        """
        ids, targets = batch
        hidden = self.scorer.model(ids)
        judged, text = targets >= LABEL, (targets >= 0) & (targets % LABEL != vocabulary.PAD)
        marks, labels = ids[judged] == vocabulary.NEWLINE, targets[judged] // LABEL - 1
        logits = self.scorer.score(hidden[judged])
        steps = F.cross_entropy(logits[marks], labels[marks]) + F.cross_entropy(logits[~marks], labels[~marks])
        follows = targets[text] % LABEL
        expected = self.echo(hidden[:, 1:][text[:, :-1]])
        named = F.cross_entropy(self.lm_head(hidden[text]), follows) * LANGUAGE_WEIGHT
        return steps + named + F.cross_entropy(expected, follows)


def _row(asked: Problem, random: Random) -> Row:
    ids = vocabulary.encode(asked.prompt)
    targets = [IGNORED] * len(ids)
    value, is_right = asked.start, True
    for operation in (*asked.operations, None):
        text, right, value = _answer(value, random) if operation is None else _step(value, operation, random)
        is_right = is_right and text == right
        ids += vocabulary.encode(text)
        targets += _targets(text, right, is_right)
    return ids, targets


def _targets(text: str, right: str, is_right: bool) -> list[int]:
    """Under each character the one that follows in a right line, and from the result on its label."""
    found = []
    for index, character in enumerate(text):
        is_so_far = text[: index + 1] == right[: index + 1]
        follows = ord(right[index + 1]) if is_so_far and character != "\n" else vocabulary.PAD
        judged = character == "\n" or "=" in text[:index] or text[0] == ANSWER_MARK
        label = is_right if character == "\n" else is_so_far
        found.append(follows + LABEL * (1 + label if judged else 0))
    return found


def _step(value: int, operation: Operation, random: Random) -> tuple[str, str, int]:
    """A line, what it should be, and the value it ends at."""
    sign, operand = operation
    used = max(wrong(operand, random), 1) if random.random() < MISCOPY else operand
    result = apply(value, (sign, used))
    if random.random() < SLIP:
        result = wrong(result, random)
    return f"{value}{sign}{used}={result}\n", f"{value}{sign}{operand}={apply(value, operation)}\n", result


def _answer(value: int, random: Random) -> tuple[str, str, int]:
    given = wrong(value, random) if random.random() < MISCOPY else value
    return f"{ANSWER_MARK}{given}\n", f"{ANSWER_MARK}{value}\n", given

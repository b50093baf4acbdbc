"""What the simulated model says of its own attempts: how sure it is of each token, and whether it would start over.

Asked for the label ``<no>`` or a word that begins with N, it says the probability that what stands before ends right,
read with the engine's reward noise; for ``<yes>`` or a word with Y, the probability that it does not. What stands
before is what was generated, or the last answer of a conversation that asks about it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..types import Message
from .byte_vocabulary import MARKS, encode
from .simulated_tree import LETTERS, Step

if TYPE_CHECKING:
    from .simulated_world import World

IMPOSSIBLE = -20.0
"""The log-probability, in nats, of what cannot follow."""
NO = {MARKS["<no>"], *encode("Nn")}
YES = {MARKS["<yes>"], *encode("Yy")}


def judged_node(world: World, messages: tuple[Message, ...], text: str) -> Step:
    """The node that a request for labels is about."""
    if not text and len(messages) > 2 and messages[-2].role == "assistant":
        return world.locate(messages[:-2], messages[-2].content).node
    return world.locate(messages, text).node


def label_logprobs(labels: Sequence[int], value: float) -> tuple[float, ...]:
    """The log-probability of each label where the attempt ends right with probability `value`."""
    chances = [value if label in NO else 1 - value if label in YES else 0.0 for label in labels]
    return tuple(max(IMPOSSIBLE, math.log(chance)) if chance > 0 else IMPOSSIBLE for chance in chances)


def confidences(node: Step, leaf: Step, start: int, count: int, ranks: int) -> tuple[float, ...]:
    """Of `count` tokens from `start` of the path from `node` to `leaf`: minus the mean of the `ranks` best logs."""
    certain = -(ranks - 1) * IMPOSSIBLE / ranks
    values = [certain] * len(leaf.tokens)
    while not node.is_last:
        at = len(node.text) + len(node.head)
        values[at] = _confidence(node.law(), ranks)
        node = node.child(LETTERS.index(leaf.text[at]))
    return tuple(values[start : start + count])


def _confidence(law: Sequence[float], ranks: int) -> float:
    best = sorted((max(IMPOSSIBLE, math.log(share)) if share else IMPOSSIBLE for share in law), reverse=True)[:ranks]
    return -math.fsum([*best, *[IMPOSSIBLE] * (ranks - len(best))]) / ranks

"""A judge that likes texts for what they say, wherever they stand in a prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ..orchestrator.canonical import digest
from ..orchestrator.types import Message

Reply = Literal["as drawn", "choice", "opposite choice", "remarks"]
REPLIES: tuple[Reply, ...] = get_args(Reply)


@dataclass(frozen=True, slots=True)
class ScriptedJudge:
    """How an engine replies to a prompt that is not the query itself, told by the responses it finds there.

    Each reply is the same for the same responses in any order, but for their numbers, which follow the order shown.

    Args:
        texts: the responses it knows.
        reply: "as drawn" by the model, from the responses in an order of their own; "choice" is a ranking in the
            first line, a list, and the number of the best alone in the last line, and "opposite choice" the like of
            one who likes best what the other likes least; "remarks" is a part on each.
    """

    texts: tuple[str, ...]
    reply: Reply

    def shown(self, messages: Sequence[Message]) -> list[str]:
        """The known responses in a prompt, in the order shown."""
        if not self.texts:
            return []
        longest_first = sorted(self.texts, key=len, reverse=True)
        known = re.compile("|".join(map(re.escape, longest_first)))
        return known.findall("\n".join(message.content for message in messages))

    def says(self, shown: Sequence[str]) -> str:
        """The reply to a prompt with these responses."""
        if self.reply == "remarks":
            return "\n".join(f"[{i}] {digest(text).hex()[:4]}" for i, text in enumerate(shown, 1))
        order = sorted(range(len(shown)), key=lambda i: digest(shown[i]), reverse=self.reply != "choice")
        ranking = " > ".join(f"[{i + 1}]" for i in order)
        is_tie = len(set(shown)) < 2
        return f"{ranking}\n- 5\n- 7\n{'[Tie]' if is_tie else f'[{order[0] + 1}]'}"

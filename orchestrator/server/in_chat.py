"""Requests in other words than those of chat: they are read as a chat's, and refused in their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .asked import Neutral, asks_nothing, refuse
from .refusal import SHOWN, Refusal

MESSAGE = re.compile(r"messages\[(\d+)\](.*)")


@dataclass(frozen=True, slots=True)
class Words:
    """What a client may say in one place of a request, and how chat says the same.

    Args:
        taken: parameters that ask for something; what each stands for in a chat is said elsewhere.
        neutral: parameters that may be sent only with values that ask for nothing.
        from_chat: what this endpoint calls a parameter of chat, and whatever is inside it.
    """

    taken: frozenset[str]
    neutral: Neutral = field(default_factory=dict)
    from_chat: Mapping[str, str] = field(default_factory=dict)

    def given(self, data: Mapping[str, Any], place: str = "") -> dict[str, Any]:
        """What is asked for; null stands for absent.

        Args:
            data: what the client sent.
            place: where, with a dot at its end.

        Raises:
            Refusal: a parameter is unknown, or asks for what is not offered.
        """
        for key in data:
            if key not in self.taken and key not in self.neutral:
                rule = "it is not a parameter of this server; leave it out"
                raise refuse(place + key[:SHOWN], rule, "unknown_parameter")
        said = {key: value for key, value in data.items() if value is not None}
        return {key: value for key, value in said.items() if not asks_nothing(key, value, self.neutral, place)}

    def told(self, refusal: Refusal, places: Sequence[str] = ()) -> Refusal:
        """The refusal of a chat in this endpoint's words; one of an unknown parameter already is, but while it is read.

        Args:
            refusal: whose parameter is chat's.
            places: of each message of the chat in the request, while it is read.
        """
        old = refusal.param or ""
        new = self.named(old, places)
        if new == old or (refusal.code == "unknown_parameter" and not places):
            return refusal
        message = new + str(refusal).removeprefix(old) if str(refusal).startswith(old) else str(refusal)
        more = {"code": refusal.code, "kind": refusal.kind, "headers": refusal.headers}
        return Refusal(refusal.status, message, param=new, **more)  # type: ignore[arg-type]

    def named(self, param: str, places: Sequence[str]) -> str:
        """What this endpoint calls a parameter of chat."""
        if (found := MESSAGE.fullmatch(param)) and int(found[1]) < len(places):
            place = places[int(found[1])]
            return place + found[2] if place.endswith("]") else place
        for name, its in self.from_chat.items():
            if param.startswith(name) and param[len(name) : len(name) + 1] in ("", ".", "["):
                return its + param[len(name) :]
        return param


def names(*lines: str) -> frozenset[str]:
    """The words in some lines of them.

    >>> sorted(names("model prompt", "n"))
    ['model', 'n', 'prompt']
    """
    return frozenset(word for line in lines for word in line.split())

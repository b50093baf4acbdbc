"""Signed verdicts: what a judge writes counts only after a code that nothing it reads can know.

A judge may echo a response, and a response may hold any verdict. Who asks puts a code into the prompt, made after the
responses were: the verdict is what stands behind it on the last line of the reply, and an echo has none. A judge that
is talked into a verdict still signs it; how often it is, `canaries` measure.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..orchestrator.effects import Effects

DIGITS = 8
"""Hexadecimal digits of a code."""


def code_for(ctx: Effects, *texts: str) -> str:
    """Eight hexadecimal digits that depend on `texts`, and stand in none of them."""
    whole = "\n".join(texts)
    return next(code for i in count() if (code := ctx.nonce(f"{i}:{whole}")[:DIGITS]) not in whole)


def signed(reply: str, code: str) -> str:
    r"""What stands behind `code` on the last line of a reply; empty where that line does not begin with it.

    Where `code` is empty, the whole last line.

    >>> signed("The first is right.\n1a2b3c4d [1]\n", "1a2b3c4d"), signed("[1]", "1a2b3c4d"), signed("so\n[1]", "")
    ('[1]', '', '[1]')
    """
    last = reply.strip().rpartition("\n")[2].strip()
    return last.removeprefix(code).strip() if last.startswith(code) else ""

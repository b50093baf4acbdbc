"""What counts as the same answer: each text has one canonical key, or none and abstains.

Equal keys are an equivalence relation by construction, whatever the order of the candidates. A pairwise "are these
equal" is not: math-verify finds ``x=5`` equal to ``5`` and ``5`` to ``y=5``, but not ``x=5`` to ``y=5``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny

from ..orchestrator.registry import Registry
from .child_processes.child_pool import ChildPool, CpuSeconds
from .child_processes.math_pool import check_installed, math_pool
from .math_text import final_expression, fraction_of, is_within_limits, plain, words_of
from .number import as_number, last_number

AS_WRITTEN = "text:"


class AnswerKey(BaseModel):
    """A rule that reads the answer from a text: a frozen model of its knobs."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str

    @property
    def is_recorded(self) -> bool:
        """Whether a key depends on more than the text, a time limit, say."""
        return False

    def check(self) -> None:
        """Refuse to read where it never could, e.g. because a package is missing; asked before anything is paid.

        Raises:
            UsageError: it cannot work here; says what to do.
        """

    async def keys(self, texts: Sequence[str]) -> list[str | None]:
        """The canonical answer of each text, None where it has none and abstains."""
        return [self.key(text) for text in texts]

    def key(self, text: str) -> str | None:
        """The canonical answer of one text, for rules that need no waiting."""
        raise TypeError(f"{type(self).__name__} must implement key or keys")

    async def reference_key(self, reference: str) -> str | None:
        """The canonical answer of a reference, which may be the bare answer."""
        return (await self.keys([reference]))[0]


class TextAnswer(AnswerKey):
    """The whole text without the space around it; an empty text abstains."""

    kind: Literal["text"] = "text"

    def key(self, text: str) -> str | None:
        return text.strip() or None


class NumberAnswer(AnswerKey):
    """The last number of the text: ``3``, ``3.0`` and ``03`` agree, so do ``1,000`` and ``1e3``, ``1/2`` and ``.5``."""

    kind: Literal["number"] = "number"

    def key(self, text: str) -> str | None:
        return last_number(text)


class AbacusAnswer(AnswerKey):
    """The answer line of an abacus solution; a text without one abstains."""

    kind: Literal["abacus"] = "abacus"

    def key(self, text: str) -> str | None:
        from ..orchestrator.data.abacus import final_answer

        return final_answer(text)

    async def reference_key(self, reference: str) -> str | None:
        return self.key(reference) or as_number(reference)


class SymbolicAnswer(AnswerKey):
    r"""The final mathematical answer in a canonical form.

    Numbers and words need no algebra. What sympy cannot read in `cpu_s` CPU seconds keeps its own spelling, marked
    ``text:``, so that it agrees with itself alone. Units, percent signs, degrees and the name of an unknown do not
    count: ``x = 50\%`` is ``50``.

    Args:
        cpu_s: CPU seconds that one answer may take.
    """

    kind: Literal["math"] = "math"
    cpu_s: CpuSeconds = 2.0

    @property
    def is_recorded(self) -> bool:
        return True

    def check(self) -> None:
        check_installed()

    async def keys(self, texts: Sequence[str]) -> list[str | None]:
        pool = math_pool()
        return list(await asyncio.gather(*(self._key(text, pool) for text in texts)))

    async def reference_key(self, reference: str) -> str | None:
        r"""Also of words, which in an attempt stand in a ``\boxed{}``."""
        found = await self.keys([reference, rf"\boxed{{{reference}}}"])
        return found[0] or found[1]

    async def _key(self, text: str, pool: ChildPool) -> str | None:
        expression = final_expression(text)
        short = plain(expression) if expression else ""
        if not short:
            return None
        if (number := as_number(fraction_of(short))) is not None:
            return number
        as_written = AS_WRITTEN + (words_of(short) or short)
        if words_of(short) or not is_within_limits(short) or not _means_what_sympy_reads(short):
            return as_written
        reply = await pool.ask("form", answer=short, cpu_s=self.cpu_s)
        return reply.value if isinstance(reply.value, str) else as_written


def _means_what_sympy_reads(expression: str) -> bool:
    r"""False for repeating decimals and numerals in another base, which the parser takes for something else."""
    return re.search(r"\\(?:overline|bar)|[0-9)]_", expression) is None


ANSWERS: Registry[AnswerKey] = Registry(
    "answer",
    "ponder.answers",
    {"text": TextAnswer, "number": NumberAnswer, "abacus": AbacusAnswer, "math": SymbolicAnswer},
)
AnyAnswer = Annotated[SerializeAsAny[AnswerKey], BeforeValidator(ANSWERS.build)]

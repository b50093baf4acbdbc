"""What strategies whose workers write side by side have in common: who writes, what they are told, and when it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Self

from pydantic import Field, model_validator

from ..orchestrator.context import Context
from ..orchestrator.engine import Sampling
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Finish, Message, Query
from ..verifiers.answers import AnyAnswer, NumberAnswer
from .announced import announced
from .chunks import Tokens
from .collaboration_prompts import CUE, FINISHER, GREETINGS, INSTRUCTIONS, NAMES, OPENING
from .drawing import SAMPLED
from .worker import Work, leading

MOST_WORKERS = 16
Text = Annotated[str, Field(min_length=1)]
Temperature = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]


class Collaboration(Strategy):
    """A strategy of several workers of one model that write side by side on one answer.

    Args:
        workers: how many write, 1 to 16.
        max_tokens: most tokens that each draws.
        temperature: softmax temperature, 0 to 10; 0 is greedy.
        top_p: nucleus mass kept, above 0 and at most 1.
        engine: the engine's name in the pipeline.
        instructions: the rules that all are told, after the question; ``{form}`` stands for how an answer is announced.
        private: what each worker alone is told besides; those beyond the list are told nothing.
        names: of the workers.
        opening: what each step begins with; ``{name}`` and ``{step}`` stand for the name and the number of the step.
        greetings: what each worker's first step goes on with, the last for all that follow; ``{name}`` as above.
        step_ends: strings that end a step.
        max_steps: most steps of a worker; its last is as long as it likes.
        cue: the question about redundant work, put after a step's opening.
        cue_tokens: tokens that a worker draws between two cues; 0 asks never.
        quorum: how many workers with the same answer end the work; 0 lets all end by themselves.
        answer: how an announced answer is read.
        answer_opens: what stands before an announced answer.
        answer_ends: what ends it; of closing brackets, the one that closes what the answer opened.
        finisher: what asks for the answer where none was announced in time.
        finisher_tokens: most tokens of that answer, which is drawn greedily.
        chunk: most tokens that each draws between two looks for answers.
    """

    workers: Annotated[int, Field(ge=1, le=MOST_WORKERS)] = 2
    max_tokens: Tokens = 4096
    temperature: Temperature = 1.0
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    engine: str = "generator"
    instructions: str = INSTRUCTIONS
    private: tuple[str, ...] = ()
    names: tuple[Text, ...] = NAMES
    opening: Text = OPENING
    greetings: Annotated[tuple[str, ...], Field(min_length=1)] = GREETINGS
    step_ends: Annotated[tuple[Text, ...], Field(min_length=1)] = ("\n\n",)
    max_steps: Annotated[int, Field(ge=1, le=65536)] = 64
    cue: Text = CUE
    cue_tokens: Annotated[int, Field(ge=0, le=1_000_000)] = 1024
    quorum: Annotated[int, Field(ge=0, le=MOST_WORKERS)] = 1
    answer: AnyAnswer = NumberAnswer()
    answer_opens: Text = "\\boxed{"
    answer_ends: Text = "}"
    finisher: str = FINISHER
    finisher_tokens: Tokens = 32
    chunk: Tokens = 16

    @model_validator(mode="after")
    def _fits_its_workers(self) -> Self:
        names = self.names[: self.workers]
        if len(set(names)) < self.workers:
            raise ValueError(f"each of {self.workers} workers must have a name of its own, got {list(names)}")
        if len(self.private) > self.workers:
            raise ValueError(f"private must tell at most {self.workers} workers something, got {len(self.private)}")
        if self.quorum > self.workers:
            raise ValueError(f"quorum must be at most the {self.workers} workers, got {self.quorum}")
        return self

    @property
    def follows(self) -> frozenset[str]:
        """Steps are joined to one text, of which no draw is a beginning that could end by strings."""
        return SAMPLED - {"stop"}

    def capped(self, max_tokens: int) -> Self:
        """The same, with at most `max_tokens` drawn by all together, the finisher's included.

        Raises:
            ValueError: that is less than a token for each.
        """
        if max_tokens <= self.workers:
            raise ValueError(f"max_tokens must be above the {self.workers} workers, got {max_tokens}; raise it")
        last = min(self.finisher_tokens, max_tokens - self.workers)
        each = min(self.max_tokens, (max_tokens - last) // self.workers)
        return self.model_copy(update={"max_tokens": each, "finisher_tokens": last})

    def engine_names(self) -> tuple[str, ...]:
        """The engine drawn from."""
        return (self.engine,)

    @property
    def rules(self) -> str:
        """What is put at the end of the question."""
        form = f"{self.answer_opens}answer{self.answer_ends}".strip()
        return f"\n\n{self.instructions.replace('{form}', form)}" if self.instructions else ""

    def asked(self, query: Query) -> Query:
        """The query whose last user turn ends in the rules."""
        if not self.rules:
            return query
        messages = list(query.messages)
        at = max((i for i, message in enumerate(messages) if message.role == "user"), default=None)
        if at is None:
            messages.append(Message(role="user", content=self.rules.strip()))
        else:
            messages[at] = messages[at].model_copy(update={"content": messages[at].content + self.rules})
        return query.model_copy(update={"messages": tuple(messages)})

    @property
    def most_cues(self) -> int:
        """The most cues of one worker."""
        return self.max_tokens // self.cue_tokens if self.cue_tokens else 0

    def sampling(self, max_tokens: int, stop: tuple[str, ...] = ()) -> Sampling:
        """How a worker draws at most so many tokens."""
        return Sampling(temperature=self.temperature, top_p=self.top_p, max_tokens=max_tokens, stop=stop)

    def told(self, worker: int) -> str:
        """What a worker alone is told."""
        return self.private[worker] if worker < len(self.private) else ""

    def opens(self, worker: int, step: int) -> str:
        """What a worker's step begins with."""
        name = self.names[worker]
        greeting = self.greetings[min(worker, len(self.greetings) - 1)] if step == 1 else ""
        return self.opening.replace("{step}", str(step)).replace("{name}", name) + greeting.replace("{name}", name)

    def is_decided(self, work: Work) -> bool:
        """Whether so many workers have the same answer that the work ends."""
        return 0 < self.quorum <= leading([worker.answer for worker in work.workers])[1]

    async def read(self, work: Work, ctx: Context) -> Work:
        """The work with the answers that were announced in it."""
        for number, worker in enumerate(work.workers):
            finding = announced(worker.written, self.answer_opens, self.answer_ends)
            if finding is not None and finding != worker.finding:
                answer = await self.key(finding, ctx)
                if answer is not None:
                    work = work.but(number, replace(worker, finding=finding, answer=answer))
        return work

    async def key(self, finding: str, ctx: Context) -> str | None:
        """What an announced answer is by the answer key."""
        return (await ctx.answer([Candidate((), finding, Finish.STOP)], self.answer))[0].answer

"""How the work of several workers ends: their text in common, and the answer, announced by one of them or asked for."""

from __future__ import annotations

from dataclasses import replace

from ..orchestrator.context import Ask, Context
from ..orchestrator.engine import Sampling
from ..orchestrator.plan import Plan
from ..orchestrator.types import Candidate, Finish, Query, Usage
from .collaboration import Collaboration
from .collaboration_prompts import UNFINISHED
from .cut import cut
from .enclosed import enclosed
from .worker import Block, Work, Worker, leading

GAP = "\n\n"


async def concluded(knobs: Collaboration, asked: Query, work: Work, ctx: Context) -> list[Candidate]:
    """The one answer of all: what they wrote in common, then the answer; none where no draw of a worker was made.

    The answer is the one that most workers announced. Where none did, the finisher asks for it, greedily, as budget
    forcing does. Either way the last words are the answer as it is announced.
    """
    if not work.usage.calls:
        return []
    common = await common_text(work, ctx, knobs.engine)
    answer, _ = leading([worker.answer for worker in work.workers])
    if answer is None:
        found = await _asked_for(knobs, asked, common, work.salt, ctx)
    else:
        finding = next(worker.finding for worker in work.workers if worker.answer == answer) or ""
        found = replace(await ctx.append(common, finding, knobs.engine), finish=Finish.STOP, answer=answer)
    ctx.show(-1, "", (found and found.answer) or "", "answer")
    return cut([found or common], ctx, Finish.ABORTED) if found or common.text else []


async def _asked_for(
    knobs: Collaboration, asked: Query, common: Candidate, salt: str, ctx: Context
) -> Candidate | None:
    """The text in common with the answer that the finisher drew; None where its draw is lost."""
    words = f"{knobs.finisher}{knobs.answer_opens}"
    node = await ctx.append(common, words, knobs.engine)
    (drawn,) = await ctx.draw([Ask(asked, _finishing(knobs), 1, knobs.engine, node, salt=salt)])
    if not drawn:
        return None
    inside = enclosed(drawn[0].piece, knobs.answer_ends)
    if inside is None and not drawn[0].finish.is_complete:
        return drawn[0]
    rest = f"{drawn[0].piece if inside is None else inside}{knobs.answer_ends}"
    answer = await knobs.key(f"{knobs.answer_opens}{rest}", ctx)
    whole = await ctx.append(common, f"{words}{rest}", knobs.engine)
    return replace(whole, finish=Finish.STOP, answer=answer, usage=drawn[0].usage)


async def common_text(work: Work, ctx: Context, engine: str) -> Candidate:
    """The steps in the order in which they were finished, then those that are not, each with a mark."""
    whole = sum(work.history, Block())
    for worker in work.unfinished:
        mark = _mark(worker)
        whole += worker.block + Block(mark, (await ctx.append(None, mark, engine)).tokens)
    return Candidate(whole.tokens, whole.text, Finish.STEP, origin=ctx.path, usage=work.usage)


def finishing(knobs: Collaboration, plan: Plan, drawn: int, said: int = 0) -> Usage:
    """The most that the finisher may cost after so many tokens, drawn or said."""
    way = plan.fork()
    count_finisher(knobs, way, drawn, said)
    return way.estimate.most


def count_finisher(knobs: Collaboration, plan: Plan, drawn: int, said: int) -> None:
    """Count the finisher after so many tokens, drawn or said."""
    plan.sample(1, _finishing(knobs), knobs.engine, after=drawn, reads=said + closing(knobs, plan))


def closing(knobs: Collaboration, plan: Plan) -> int:
    """The most tokens that stand between what was written and what the finisher draws."""
    words = f"{knobs.finisher}{knobs.answer_opens}"
    return knobs.workers * plan.template(f"{UNFINISHED}{GAP}") + plan.template(words)


def _finishing(knobs: Collaboration) -> Sampling:
    return Sampling(temperature=0.0, max_tokens=knobs.finisher_tokens)


def _mark(worker: Worker) -> str:
    """What stands after a step that is not in the history."""
    is_whole = worker.finish is not None and worker.finish.is_complete
    return GAP if is_whole else f"{UNFINISHED}{GAP}"

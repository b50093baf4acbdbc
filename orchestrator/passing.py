"""Denoising, as a strategy asks for it: many latents at once, each paid for, recorded and lost by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from .batches import Batch, made
from .budget import Reservation
from .canonical import Digests, digest
from .denoising import Denoised, Denoising, Flow, Passage
from .effects import Effects
from .engine import DenoisingEngine, Engine
from .errors import EngineRefused, UsageError
from .images import Latent
from .plan import image_judgement
from .types import Candidate, Finish, Query, Usage
from .verifier import Verifier


@dataclass(frozen=True, slots=True)
class Move:
    """A latent, the times that it goes to, and the candidate that it goes on from."""

    latent: Latent
    times: tuple[float, ...] = ()
    after: Candidate | None = None


@dataclass(frozen=True, slots=True)
class Denoise:
    """What to denoise.

    Args:
        query: what the images should show: its last message.
        flow: how latents flow.
        moves: one latent each, all of them with the same number of evaluations.
        looks: whether the velocity at the end is wanted.
        decodes: whether the image at the end is wanted.
        engine: the denoiser's name in the pipeline.
        then: the verifier that will judge where they end; its cost is set aside with theirs.
        leaving: what the budget must still hold afterwards, e.g. for one of them to go on to its end.
    """

    query: Query
    flow: Flow
    moves: Sequence[Move]
    looks: bool = False
    decodes: bool = True
    engine: str = "generator"
    then: Verifier | None = None
    leaving: Usage = Usage()


async def denoised(effects: Effects, ask: Denoise) -> list[Candidate | None]:
    """A candidate for each move, in order; None for one that is lost, and where the budget ends."""
    if not ask.moves:
        return []
    run, engine, passages = effects._run, denoiser(effects, ask.engine), _passages(ask)
    facts, places = cast(Denoising, engine.capabilities.denoising), effects._places(b"", len(passages))
    bound = engine.meter.denoising(passages[0].evaluations * facts.rows(ask.flow.guidance), int(ask.decodes))
    rest = image_judgement(ask.then, run.engines, run.prompt_tokens, len(passages)) if ask.then else Usage()

    async def make(numbers: list[int]) -> list[Denoised]:
        return await engine.denoise([passages[number] for number in numbers])

    def keep(numbers: Sequence[int], held: Reservation) -> None:
        run.kept.update({(effects.path, places.index(number)): held for number in numbers})

    keys = _keys(engine.identity, passages)
    await effects._check([(digest(keys), len(keys))])
    write, read = Denoised.to_bytes, Denoised.from_bytes
    batch = Batch(ask.engine, keys, bound, make, write, read, facts.batch, rest, ask.leaving, keep)
    found = await made(effects, batch)
    return [
        None if done is None else _candidate(effects, done, ask.moves[number], places.index(number))
        for number, done in enumerate(found)
    ]


def ending(
    engines: Mapping[str, Engine],
    name: str,
    flow: Flow,
    evaluations: int,
    judge: Verifier | None = None,
    *,
    prompt_tokens: Mapping[str, int] = {},
) -> Usage:
    """The most that it costs for one latent to come to its end: its evaluations, its image, and judging that."""
    engine = engines[name]
    facts = cast(Denoising, engine.capabilities.denoising)
    judging = image_judgement(judge, engines, prompt_tokens) if judge else Usage()
    return engine.meter.denoising(evaluations * facts.rows(flow.guidance), 1) + judging


def denoiser(effects: Effects, name: str) -> DenoisingEngine:
    """The engine of that name, which denoises.

    Raises:
        UsageError: it does not.
    """
    engine = effects._engine(name)
    if engine.capabilities.denoising is None:
        raise UsageError(f"engine {name!r} must denoise, but {engine.identity} does not; use one of kind 'diffusion'")
    return cast(DenoisingEngine, engine)


def _passages(ask: Denoise) -> list[Passage]:
    """One a move.

    Raises:
        UsageError: they differ in how often they are evaluated, so that they cost differently.
    """
    prompt = ask.query.prompt if ask.flow.is_conditional else ""
    found = [Passage(move.latent, ask.flow, prompt, move.times, ask.looks, ask.decodes) for move in ask.moves]
    if len({passage.evaluations for passage in found}) > 1:
        raise UsageError("moves that are made together must be evaluated equally often; make them apart")
    return found


def _keys(identity: str, passages: Sequence[Passage]) -> list[bytes]:
    """The name of each: all of it but the velocity at its start, which follows from the rest where it is known."""
    first, begun = passages[0], dict[tuple[float, ...], Digests]()
    flow = (first.flow.interpolant, first.flow.solver, first.flow.guidance)
    for times in {passage.times for passage in passages}:
        what = (identity, *flow, first.prompt, times, first.looks)
        begun[times] = Digests("denoise", what, first.decodes)
    return [begun[passage.times].of(_start(passage.latent)) for passage in passages]


def _start(latent: Latent) -> tuple[object, ...]:
    return latent.t, latent.shape, digest_of(latent), bool(latent.velocity)


def digest_of(latent: Latent) -> bytes:
    """A digest of a latent's values."""
    return hashlib.blake2b(latent.values, digest_size=16).digest()


def _candidate(effects: Effects, done: Denoised, move: Move, index: int) -> Candidate | None:
    """What a passage made; None where it is lost, which is noted: it holds NaN, say."""
    if done.latent is None:
        if (kept := effects._run.kept.pop((effects.path, index), None)) is not None:
            kept.shared(1).release()
        effects._fail(EngineRefused(f"a latent must stay finite while it is denoised, but is lost: {done.lost}"))
        return None
    finish = Finish.EOS if done.latent.t == 0.0 else Finish.STEP
    return Candidate(
        (), "", finish, move.after, index, origin=effects.path, usage=done.usage, latent=done.latent, image=done.image
    )

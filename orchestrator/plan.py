"""Shape inference: what flows between the nodes of a pipeline, and what it may cost, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING, TypeVar

from .denoising import Denoising, Flow
from .engine import Engine, Sampling, check_form
from .errors import EngineRefused, ShapeError
from .sampling import tool_tokens
from .shape import Estimate, Shape
from .types import COUNTS, Usage

if TYPE_CHECKING:
    from .verifier import Verifier

T = TypeVar("T")
SHARING = "use an engine of kind 'torch', or a layout that works on any engine"
BYTES_PER_TOKEN = 16
"""Bytes of text behind a generated token, at most, over a whole completion: vocabularies in use average 3 to 5, and
12 in scripts of three bytes a letter. No tokenizer makes more tokens of a text than it has bytes, so this bounds what
one engine reads of another's text where their tokenizers are not known to be the same."""


@dataclass(frozen=True, slots=True)
class SideBySide:
    """How much workers that share a cache may write.

    Args:
        workers: how many write.
        advances: most advances, one after another.
        drawn: most tokens drawn by all together.
        said: most tokens that they are told beyond the query's prompt, all together.
    """

    workers: int
    advances: int
    drawn: int
    said: int


def image_judgement(
    verifier: Verifier, engines: Mapping[str, Engine], prompt_tokens: Mapping[str, int], together: int = 1
) -> Usage:
    """The most that judging one image may cost, of so many that are judged at once.

    Args:
        verifier: judges.
        engines: by name.
        prompt_tokens: tokens of the query's prompt on each engine.
        together: images judged at once.
    """
    judges = [name for name in verifier.engine_names() if name in engines]
    reads = [prompt_tokens.get(name, 1) + engines[name].capabilities.image_tokens for name in judges]
    return verifier.bound(engines, max(reads, default=1), 0, together)


class Plan:
    """Follows a strategy without running it: the verbs of `Context`, counting instead of doing.

    Each verb is one round of calls, which wait for those counted before; see `rounds` and `abreast`.

    Args:
        engines: the engines by name; None while only shapes matter.
        prompt_tokens: tokens of the query's prompt on each engine.
        node: the name of the node being planned, for messages.
        most_rounds: what takes more rounds to count is refused; None counts everything.
    """

    def __init__(
        self,
        engines: Mapping[str, Engine] | None = None,
        prompt_tokens: Mapping[str, int] | None = None,
        node: str = "",
        most_rounds: int | None = None,
    ) -> None:
        self.engines = engines
        self.prompt_tokens = prompt_tokens or {}
        self.node = node
        self.estimate = Estimate()
        self.attempt = Estimate()
        self._is_certain = True
        self._judges: set[tuple[str, ...]] = set()
        self._rounds: Iterator[object] = repeat(None) if most_rounds is None else repeat(None, most_rounds)

    def refuse(self, rule: str, remedy: str) -> ShapeError:
        """The error for a node that breaks `rule`; raise it."""
        return ShapeError(self.node, rule, remedy)

    def sample(
        self,
        n: int,
        sampling: Sampling,
        engine: str = "generator",
        then: Verifier | None = None,
        *,
        fewest: int | None = None,
        after: int = 0,
        reads: int = 0,
        together: bool = False,
        leaving: Usage = Usage(),
    ) -> Shape:
        """Count `n` draws, each to be judged by `then`; the shape that they have.

        Args:
            n: draws at most.
            sampling: how to draw.
            engine: drawn from.
            then: judges each draw.
            fewest: draws that are certain to be made; None for all.
            after: most tokens generated before, which are continued.
            reads: most tokens that the prompt holds beyond the query's.
            together: whether `then` judges all of them at once, and its scores are compared with one another alone.
            leaving: what must be left in the budget after each.
        """
        self._count()
        sampling = then.sampling(sampling) if then else sampling
        certain = n if fewest is None else fewest
        many, longest, calls = min(certain, 1), after + sampling.max_tokens, sampling.tools is not None
        shape = Shape(fewest=many, most=n, longest=longest, drawn_by=frozenset({engine}), may_call=calls)
        if self.engines is not None:
            one = self._draw(sampling, engine, after, reads)
            judged = self._judgement(then, shape) if then else Usage()
            self.attempt = self.attempt if self.attempt.most.calls else one + Estimate(most=judged + leaving)
            self._add(one, certain, n)
        self.path += self._depth([engine]) if n else 0
        return self.score(shape, then, together=together) if then else shape

    def denoise(
        self,
        n: int,
        evaluations: int,
        flow: Flow,
        engine: str = "generator",
        then: Verifier | None = None,
        *,
        fewest: int | None = None,
        images: int = 1,
        is_stepwise: bool = True,
        together: bool = False,
        leaving: Usage = Usage(),
    ) -> Shape:
        """Count `n` passages of so many evaluations each, all at once, each to be judged by `then`; their shape.

        Args:
            n: passages at most.
            evaluations: of each.
            flow: how they go.
            engine: the denoiser.
            then: judges where each ends.
            fewest: passages that are certain to be made; None for all.
            images: made of the latents of each.
            is_stepwise: whether the denoiser must tell its velocity at any time.
            together: whether `then` judges all of them at once, and its scores are compared with one another alone.
            leaving: what must be left in the budget after each.

        Raises:
            ShapeError: the engine cannot denoise so.
        """
        self._count()
        certain = n if fewest is None else fewest
        shape = Shape(fewest=min(certain, 1), most=n, drawn_by=frozenset({engine}), medium="image")
        if self.engines is not None:
            found = self._denoiser(engine, flow, is_stepwise)
            one = self._engine(engine).meter.denoising(evaluations * found.rows(flow.guidance), images)
            judged = self._judgement(then, shape) if then else Usage()
            self.attempt = self.attempt if self.attempt.most.calls else Estimate(one, one + judged + leaving)
            self._add(Estimate(one, one), certain, n)
        self.path += n > 0
        return self.score(shape, then, together=together) if then else shape

    def _denoiser(self, engine: str, flow: Flow, is_stepwise: bool) -> Denoising:
        found = self._engine(engine).capabilities.denoising
        if found is None:
            raise self.refuse(f"engine {engine!r} must denoise, but does not", "use an engine of kind 'diffusion'")
        if is_stepwise and not found.is_stepwise:
            rule = f"engine {engine!r} must tell its velocity at any time, but only goes the whole way"
            raise self.refuse(rule, "search whole trajectories, with the solver 'own'")
        if flow.solver == "own" and not found.has_own:
            raise self.refuse(f"engine {engine!r} must have a sampler of its own, but has none", "use solver 'euler'")
        return found

    def share(self, whole: SideBySide, first: SideBySide, engine: str = "generator", then: Usage = Usage()) -> Shape:
        """Count workers that write side by side over one cache; the shape of what they write together.

        Args:
            whole: all that they may write; the first advance is certain.
            first: what they may write in the first advance.
            engine: drawn from.
            then: what must be left after each advance.

        Raises:
            ShapeError: the engine has no cache to share.
        """
        if self.engines is not None:
            self._need(engine, "shared_cache", "share its cache between workers", SHARING)
            attempt = Estimate(most=self._written(first, engine) + then)
            self.attempt = self.attempt if self.attempt.most.calls else attempt
            least = self._engine(engine).meter.passes([(0, 1)], 1, 1)
            self.estimate += Estimate(least if self._is_certain else Usage(), self._written(whole, engine))
        self.path += whole.advances
        return Shape(fewest=1, most=1, longest=whole.drawn + whole.said, drawn_by=frozenset({engine}))

    def _written(self, most: SideBySide, engine: str) -> Usage:
        """The most that it costs: each token computed once, where the longest view ends."""
        prompt = self.prompt_tokens.get(engine, 1) + most.said
        after = prompt + most.drawn
        usage = self._engine(engine).meter.passes([(after, 2 * after + most.workers)], prompt, most.drawn)
        return replace(usage, calls=most.advances)

    def classify(self, n: int, engine: str, *, fewest: int = 0, after: int = 0, reads: int = 0) -> None:
        """Count `n` readings of a label's probability."""
        self._count()
        if self.engines is not None:
            self._need(engine, "labels", "tell the probability of a label")
            meter, prompt = self._engine(engine).meter, self.prompt_tokens.get(engine, 1)
            most = self._within(engine, prompt + after + reads, 1)
            least = meter.generation(1 if reads else prompt, 1, cached=1 if reads else prompt, judging=True)
            self._add(Estimate(least, meter.generation(most, 1, judging=True)), fewest, n)
        self.path += n > 0

    @property
    def path(self) -> int:
        """The most calls counted so far that are made one after another."""
        return self.estimate.critical_path

    @path.setter
    def path(self, calls: int) -> None:
        if calls != self.path:
            self.estimate = Estimate(self.estimate.least, self.estimate.most, calls)

    @contextmanager
    def rounds(self, times: int) -> Iterator[None]:
        """What is counted inside is made in `times` rounds, one after another, instead of in one."""
        before = self.path
        yield
        self.path = before + times * (self.path - before)

    def abreast(self, parts: Iterable[T]) -> list[T]:
        """What `parts` give, each planned only when it is taken: they run side by side, so that the longest counts."""
        before = longest = self.path
        given = []
        for part in parts:
            given.append(part)
            longest, self.path = max(longest, self.path), before
        self.path = longest
        return given

    @contextmanager
    def maybe(self) -> Iterator[None]:
        """Of what is counted inside, nothing is certain to happen."""
        before, self._is_certain = self._is_certain, False
        yield
        self._is_certain = before

    def fork(self) -> Plan:
        """A plan that goes on from here, to follow one of several ways that a run may take."""
        way = Plan(self.engines, self.prompt_tokens, self.node)
        way._judges |= self._judges
        way._rounds = self._rounds
        return way

    def join(self, ways: Sequence[Plan]) -> None:
        """Count that one of `ways` is taken, by the cheapest, the dearest and the longest of them."""
        least = _each(min, [way.estimate.least for way in ways])
        most = _each(max, [way.estimate.most for way in ways])
        path = max((way.path for way in ways), default=0)
        self.estimate += Estimate(least if self._is_certain else Usage(), most, path)
        if not self.attempt.most.calls:
            self.attempt = Estimate(most=_each(max, [way.attempt.most for way in ways]))
        if self._is_certain:
            self._judges |= set.intersection(*(way._judges for way in ways))

    def reads(self, shape: Shape, engine: str) -> int:
        """The most tokens that `engine` reads of the text of one candidate of `shape`."""
        if self.engines is None or engine not in self.engines:
            return shape.longest
        return self._read_by(engine, shape.drawn_by, shape.longest, 0)

    def template(self, text: str) -> int:
        """The most tokens of a text: its bytes."""
        return len(text.encode())

    def _draw(self, sampling: Sampling, engine: str, after: int, reads: int) -> Estimate:
        self._need(engine, "generate", "write text", "use a language model, or a strategy that denoises")
        if after:
            self._need(engine, "continue_prefix", "continue a text")
        if sampling.logprobs or sampling.top_logprobs:
            self._need(engine, "logprobs", "give log-probabilities")
        if sampling.json_schema is not None:
            self._need(engine, "structured", "hold what it writes to a JSON schema")
        if sampling.tools is not None:
            self._need(engine, "tools", "call tools", "use a chat server that does, or leave tools out")
            reads += tool_tokens(sampling.tools)
        meter, prompt = self._engine(engine).meter, self.prompt_tokens.get(engine, 1)
        least = 1 if reads else prompt
        most = max(least, self._within(engine, prompt + after + reads, 1 if after else sampling.max_tokens))
        try:
            check_form(self._engine(engine).capabilities, sampling, engine)
            return Estimate(meter.shortest(least), meter.generation(most, sampling.max_tokens))
        except EngineRefused as error:
            raise self.refuse(f"engine {engine!r} must draw as asked, but: {error}", "or use another") from None

    def _depth(self, engines: Iterable[str]) -> int:
        """The most calls made one after another for one draw of any of `engines`."""
        known = self.engines or {}
        return max((known[name].meter.depth for name in engines if name in known), default=1)

    def _within(self, engine: str, prompt: int, completion: int) -> int:
        """Tokens of a prompt, which never exceeds what the context leaves for it where its count is exact."""
        can = self._engine(engine).capabilities
        return max(1, min(prompt, can.context_length - completion)) if can.exact_count else prompt

    def _need(self, engine: str, capability: str, purpose: str, remedy: str = "use vLLM, or another strategy") -> None:
        if not getattr(self._engine(engine).capabilities, capability):
            raise self.refuse(f"engine {engine!r} must be able to {purpose}, but is not", remedy)

    def score(self, shape: Shape, verifier: Verifier, *, together: bool = False) -> Shape:
        """Count the judging of every candidate; the shape that they have afterwards.

        The least is one judgement by each set of engines: equal candidates are judged once, also by later nodes, and a
        prefix cache may save its arithmetic.

        Args:
            shape: of what is judged.
            verifier: judges.
            together: whether all are judged at once, and compared with one another alone.

        Raises:
            UsageError: the verifier can never judge here.
            ShapeError: its scores are relative, and are not compared so.
        """
        self._count()
        verifier.check()
        if shape.most and shape.medium not in verifier.judges:
            judged = " and ".join(f"{medium}s" for medium in sorted(verifier.judges)) or "nothing that all members can"
            rule = f"verifier {verifier.name!r} judges {judged}, but gets {shape.medium}s"
            raise self.refuse(rule, f"use a verifier of {shape.medium}s")
        if shape.may_call:
            raise self.refuse(f"verifier {verifier.name!r} cannot read calls of tools", "leave it out, or the tools")
        if verifier.is_relative and not together:
            rule = f"verifier {verifier.name!r} compares candidates with one another, but here a score must stand alone"
            raise self.refuse(rule, "use best_of_n or rank, or a verifier that judges each candidate by itself")
        if self.engines is not None:
            least = verifier.least(self.engines, self._shortest_prompt(verifier))
            most = self._judgement(verifier, shape)
            is_new = verifier.engine_names() not in self._judges
            if self._is_certain and shape.fewest:
                self._judges.add(verifier.engine_names())
            self._add(Estimate(replace(least, flops=0, nano_usd=0), most), min(shape.fewest, int(is_new)), shape.most)
        self.path += verifier.depth(shape.most) * self._depth(verifier.engine_names()) if shape.most else 0
        return replace(shape, scored_by=shape.scored_by | {verifier.name})

    def _shortest_prompt(self, verifier: Verifier) -> int:
        return min((self.prompt_tokens.get(name, 1) for name in verifier.engine_names()), default=1)

    def _judgement(self, verifier: Verifier, shape: Shape) -> Usage:
        """The most that judging one candidate may cost, by what the judging engines make of its text or image."""
        assert self.engines is not None
        if shape.medium == "image":
            return image_judgement(verifier, self.engines, self.prompt_tokens, shape.most)
        judges = [name for name in verifier.engine_names() if name in self.engines]
        if not judges:
            prompt = max(self.prompt_tokens.values(), default=1)
            return verifier.bound(self.engines, prompt, shape.longest, shape.most)
        prompts = [self.prompt_tokens.get(name, 1) for name in judges]
        texts = [self._read_by(name, shape.drawn_by, shape.longest, p) for name, p in zip(judges, prompts, strict=True)]
        return verifier.bound(self.engines, max(prompts), max(texts), shape.most)

    def _read_by(self, judge: str, drawn_by: frozenset[str], tokens: int, prompt: int) -> int:
        """Tokens that the engine `judge` reads at most where others generated `tokens`; never beyond its context."""
        assert self.engines is not None
        can = self.engines[judge].capabilities
        others = [self.engines[name].capabilities for name in drawn_by or self.engines if name in self.engines]
        is_shared = bool(can.tokenizer and others) and all(other.tokenizer == can.tokenizer for other in others)
        most = tokens if is_shared or drawn_by == {judge} else tokens * BYTES_PER_TOKEN
        return min(most, max(0, can.context_length - prompt)) if can.exact_count else most

    def _engine(self, name: str) -> Engine:
        assert self.engines is not None
        if name not in self.engines:
            known = ", ".join(sorted(self.engines)) or "none"
            raise self.refuse(f"engine {name!r} must be one of the pipeline's engines ({known})", "add it or rename it")
        return self.engines[name]

    def _count(self) -> None:
        """Count one more round."""
        if next(self._rounds, self) is self:
            raise self.refuse("too many rounds of calls may be made to count them all", "make fewer or shorter steps")

    def _add(self, one: Estimate, fewest: int, most: int) -> None:
        self.estimate += Estimate(one.least.times(fewest if self._is_certain else 0), one.most.times(most))


def _each(choose: Callable[[list[int]], int], usages: Sequence[Usage]) -> Usage:
    return Usage(**{name: choose([getattr(usage, name) for usage in usages]) for name in COUNTS})

"""Shape inference: what flows between the nodes of a pipeline, and what it may cost, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .engine import Engine, Sampling
from .errors import ShapeError
from .types import Usage

if TYPE_CHECKING:
    from .verifier import Verifier


BYTES_PER_TOKEN = 16
"""Bytes of text behind a generated token, at most, over a whole completion: vocabularies in use average 3 to 5, and
12 in scripts of three bytes a letter. No tokenizer makes more tokens of a text than it has bytes, so this bounds what
one engine reads of another's text where their tokenizers are not known to be the same."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of the candidates on an edge: how few and how many, by whom they are scored, and how long.

    Args:
        longest: most tokens generated for one of them.
        drawn_by: the names of the engines that generated them; empty where that is not known.
    """

    fewest: int = 0
    most: int = 0
    scored_by: frozenset[str] = frozenset()
    longest: int = 0
    drawn_by: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        return self.most == 0

    def narrowed(self, most: int) -> Shape:
        """The shape after all but `most` candidates are dropped."""
        return replace(self, fewest=min(self.fewest, most), most=min(self.most, most))

    def merged(self, other: Shape) -> Shape:
        """The shape of two branches' candidates laid side by side."""
        if self.is_empty or other.is_empty:
            return other if self.is_empty else self
        longest = max(self.longest, other.longest)
        known = self.drawn_by and other.drawn_by
        return Shape(
            self.fewest + other.fewest,
            self.most + other.most,
            self.scored_by & other.scored_by,
            longest,
            self.drawn_by | other.drawn_by if known else frozenset(),
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """A range for every dimension of the budget: the least and the most that a run can cost."""

    least: Usage = Usage()
    most: Usage = Usage()

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(self.least + other.least, self.most + other.most)


class Plan:
    """Follows a strategy without running it: the verbs of `Context`, counting instead of doing.

    Args:
        engines: the engines by name; None while only shapes matter.
        prompt_tokens: tokens of the query's prompt on each engine.
        node: the name of the node being planned, for messages.
    """

    def __init__(
        self,
        engines: Mapping[str, Engine] | None = None,
        prompt_tokens: Mapping[str, int] | None = None,
        node: str = "",
    ) -> None:
        self.engines = engines
        self.prompt_tokens = prompt_tokens or {}
        self.node = node
        self.estimate = Estimate()
        self.attempt = Estimate()

    def refuse(self, rule: str, remedy: str) -> ShapeError:
        """The error for a node that breaks `rule`; raise it."""
        return ShapeError(self.node, rule, remedy)

    def sample(self, n: int, sampling: Sampling, engine: str = "generator", then: Verifier | None = None) -> Shape:
        """Count `n` draws, each to be judged by `then`; the shape that they have."""
        shape = Shape(fewest=min(n, 1), most=n, longest=sampling.max_tokens, drawn_by=frozenset({engine}))
        if self.engines is not None:
            meter, prompt = self._engine(engine).meter, self.prompt_tokens.get(engine, 1)
            one = Estimate(meter.generation(prompt, 1, cached=prompt), meter.generation(prompt, sampling.max_tokens))
            judged = self._judgement(then, shape.drawn_by, sampling.max_tokens) if then else Usage()
            self.attempt = self.attempt if self.attempt.most.calls else one + Estimate(most=judged)
            self._add(one, n, n)
        return self.score(shape, then) if then else shape

    def score(self, shape: Shape, verifier: Verifier) -> Shape:
        """Count the judging of every candidate; the shape that they have afterwards.

        The least is one judgement: equal candidates are judged once, and a prefix cache may save its arithmetic.

        Raises:
            UsageError: the verifier can never judge here.
        """
        verifier.check()
        if self.engines is not None:
            least = verifier.bound(self.engines, self._shortest_prompt(verifier), 0)
            most = self._judgement(verifier, shape.drawn_by, shape.longest)
            self._add(Estimate(replace(least, flops=0, nano_usd=0), most), min(shape.fewest, 1), shape.most)
        return replace(shape, scored_by=shape.scored_by | {verifier.name})

    def _shortest_prompt(self, verifier: Verifier) -> int:
        return min((self.prompt_tokens.get(name, 1) for name in verifier.engine_names()), default=1)

    def _judgement(self, verifier: Verifier, drawn_by: frozenset[str], tokens: int) -> Usage:
        """The most that judging one candidate of `tokens` may cost, by what the judging engines make of its text."""
        assert self.engines is not None
        judges = [name for name in verifier.engine_names() if name in self.engines]
        if not judges:
            return verifier.bound(self.engines, max(self.prompt_tokens.values(), default=1), tokens)
        prompts = [self.prompt_tokens.get(name, 1) for name in judges]
        texts = [self._read_by(name, drawn_by, tokens, p) for name, p in zip(judges, prompts, strict=True)]
        return verifier.bound(self.engines, max(prompts), max(texts))

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

    def _add(self, one: Estimate, fewest: int, most: int) -> None:
        self.estimate += Estimate(_scaled(one.least, fewest), _scaled(one.most, most))


def _scaled(usage: Usage, times: int) -> Usage:
    return Usage(**{name: value * times for name, value in usage.as_dict().items()})

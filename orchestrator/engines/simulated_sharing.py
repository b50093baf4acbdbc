"""How workers of the simulated engine write side by side: each an attempt of its own, whatever the others write.

A worker's attempt is one at the conversation and what it alone was told. It goes on where its last draw ended, whatever
was said to it or became history in between, by the path that its seed draws from there: what it writes does not depend
on where advances end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..engine import Advance, Advanced, Sampling
from ..errors import EngineRefused
from ..meter import Meter
from ..types import Finish, Message, Usage
from ..workspace import Committed, Drawn, Left, Opening, Said, Separator
from .byte_vocabulary import END, count_messages, decode, encode, whole
from .simulated_faults import Distortion, garbage
from .simulated_world import World
from .stop_strings import stopped

Rests = Callable[[int], tuple[int, ...]]


def opened(opening: Opening) -> int:
    """Tokens of an opening: the conversation, the separators once, and what each worker is told."""
    return _common(opening) + sum(len(encode(text)) for text in opening.private)


def check_opening(opening: Opening, context_length: int) -> None:
    """Refuse an opening that leaves a worker no room to write.

    Raises:
        EngineRefused: what a worker sees at the start fills the context.
    """
    longest = _common(opening) + max(len(encode(text)) for text in opening.private)
    if longest >= context_length:
        raise EngineRefused(
            f"what a worker sees at the start must be shorter than the context of the simulated engine "
            f"({context_length} tokens), got {longest} tokens; shorten the prompt or what workers are told"
        )


def _common(opening: Opening) -> int:
    separators = (part.text for part in opening.layout.view if isinstance(part, Separator))
    return count_messages(opening.messages) + sum(len(encode(text)) for text in separators)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one worker stands.

    Args:
        drawn: the tokens that it drew.
        since: how many of them before something was last said to it.
        own: tokens of its block.
        unread: tokens of its that no pass has read.
    """

    drawn: tuple[int, ...] = ()
    since: int = 0
    own: int = 0
    unread: int = 0

    def told(self, tokens: int) -> Standing:
        """After so many tokens were said to it."""
        return Standing(self.drawn, len(self.drawn), self.own + tokens, self.unread + tokens)

    def grown(self, tokens: tuple[int, ...]) -> Standing:
        """After some passes in which it drew `tokens`, the last of which is read in the next pass."""
        return Standing((*self.drawn, *tokens), self.since, self.own + len(tokens), min(1, len(tokens)))


@dataclass(frozen=True, slots=True)
class Writing:
    """An advance that is about to be made.

    Args:
        request: the advance.
        standings: where each worker stands.
        history: tokens of the common history.
    """

    request: Advance
    standings: tuple[Standing, ...]
    history: int

    @classmethod
    def of(cls, request: Advance) -> Writing:
        """The advance after all that happened in its workspace."""
        standings, history = [Standing()] * request.workspace.opening.workers, 0
        for event in request.workspace.events:
            match event:
                case Said(worker, tokens):
                    standings[worker] = standings[worker].told(len(tokens))
                case Committed(worker):
                    history += standings[worker].own
                    standings[worker] = replace(standings[worker], own=0)
                case Left(worker):
                    standings[worker] = replace(standings[worker], own=0)
                case Drawn(tokens):
                    standings = [each.grown(new) for each, new in zip(standings, tokens, strict=True)]
        return cls(request, tuple(standings), history)

    def done(self, rests: Rests, context_length: int, fault: Distortion | None) -> Advanced:
        """What the workers write until the first of them ends, its cost left out.

        Args:
            rests: how the attempt of a worker goes on, its end included.
            context_length: most tokens that one may see.
            fault: what becomes of what they write.
        """
        written = [self._alone(worker, rests, context_length, fault) for worker in range(len(self.standings))]
        passes = min(len(tokens) for tokens, finish in written if finish is not None)
        if fault == "cut":
            passes = (passes + 1) // 2
            written = [(tokens[:passes], finish and Finish.ABORTED) for tokens, finish in written]
        finishes = tuple(finish if len(tokens) == passes else None for tokens, finish in written)
        kept = tuple(tuple(token for token in tokens[:passes] if token != END) for tokens, _ in written)
        pairs = zip(self.standings, kept, strict=True)
        texts = tuple(whole((*each.drawn, *new))[len(whole(each.drawn)) :] for each, new in pairs)
        return Advanced(kept, texts, finishes, Usage())

    def attempt(self, worker: int, world: World) -> tuple[int, ...]:
        """The rest of a worker's attempt, by the path that its seed draws."""
        opening, sampling = self.request.workspace.opening, self.request.samplings[worker]
        assert sampling is not None
        private = opening.private[worker]
        messages = (*opening.messages, Message(role="system", content=private)) if private else opening.messages
        place = world.locate(messages, decode(self.standings[worker].drawn))
        leaf = place.node.draw(sampling.temperature, sampling.top_p, self.request.seeds[worker])
        return leaf.tokens[place.written :]

    def passes(self, done: Advanced) -> int:
        """How many passes were made."""
        return max(self._drawn(done))

    def usage(self, done: Advanced, meter: Meter, *, overruns: bool = False) -> Usage:
        """What it cost: all that was said is read, and of what each worker draws all but the last token."""
        space, drawn = self.request.workspace, self._drawn(done)
        prompt = opened(space.opening) if space.is_fresh else 0
        spans = [(0, prompt)] if prompt else []
        for worker in self._drawing:
            spans += self._spans(worker, drawn[worker])
        most = sum(sampling.max_tokens for sampling in self.request.samplings if sampling is not None)
        return meter.passes(spans, space.unread + prompt, most + 1 if overruns else sum(drawn))

    def _drawn(self, done: Advanced) -> list[int]:
        """Tokens that each worker drew, one that ended its text among them."""
        return [len(new) + (end is Finish.EOS) for new, end in zip(done.tokens, done.finishes, strict=True)]

    @property
    def _drawing(self) -> list[int]:
        return [worker for worker, sampling in enumerate(self.request.samplings) if sampling is not None]

    def _alone(
        self, worker: int, rests: Rests, context_length: int, fault: Distortion | None
    ) -> tuple[tuple[int, ...], Finish | None]:
        """What a worker would write until it ends, and why it does; its end-of-text token is kept here."""
        sampling, standing = self.request.samplings[worker], self.standings[worker]
        if sampling is None:
            return (), None
        if fault == "garbage":
            tokens, finish = garbage(len(standing.drawn), sampling.max_tokens), Finish.TOTAL_LENGTH
        elif fault == "empty":
            tokens, finish = (END,), Finish.EOS
        else:
            tokens, finish = self._ended(worker, rests(worker), sampling)
        room = max(0, context_length - self._seen(worker)) // self._growth
        return (tokens, finish) if len(tokens) <= room else (tokens[:room], Finish.TOTAL_LENGTH)

    def _ended(self, worker: int, rest: tuple[int, ...], sampling: Sampling) -> tuple[tuple[int, ...], Finish]:
        """As much of a rest as a worker draws, and why no more."""
        standing = self.standings[worker]
        before, text = decode(standing.drawn[standing.since :]), decode(rest)
        end = stopped(before + text, len(text), sampling.stop)
        if end is not None and end - len(before) <= sampling.max_tokens:
            return rest[: end - len(before)], Finish.STOP
        is_whole = len(rest) <= sampling.max_tokens
        return rest[: sampling.max_tokens], Finish.EOS if is_whole else Finish.TOTAL_LENGTH

    def _seen(self, worker: int) -> int:
        """Tokens that a worker sees, its own included."""
        opening = self.request.workspace.opening
        seen = _common(opening) + len(encode(opening.private[worker])) + self.standings[worker].own
        seen += self.history if "history" in opening.layout.view else 0
        others = sum(each.own for each in self.standings) - self.standings[worker].own
        return seen + (others if "others" in opening.layout.view else 0)

    @property
    def _growth(self) -> int:
        """Tokens by which what a drawing worker sees grows in a pass."""
        sees_others = "others" in self.request.workspace.opening.layout.view
        return len(self._drawing) if sees_others else 1

    def _spans(self, worker: int, drawn: int) -> Iterator[tuple[int, int]]:
        """Where in its view what a worker computes begins and ends, pass by pass."""
        seen = self._seen(worker)
        if drawn:
            yield seen - self.standings[worker].unread, seen
        for passed in range(1, drawn):
            end = seen + passed * self._growth
            yield end - 1, end

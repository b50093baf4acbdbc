"""What a verifier is tried on: a query, candidates, and engines that answer a judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..orchestrator.engine import Prompt, Request, Sampling
from ..orchestrator.engines.byte_vocabulary import END, encode
from ..orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ..orchestrator.images import Image
from ..orchestrator.types import Candidate, Finish, Query
from ..orchestrator.verifier import Verifier
from .image_world import latent_of
from .scene import QUERY, WORLD, Scene
from .watched_calls import Manner

DRAWN = 4
MOST_TOKENS = 48
LOOKED_AT = 64
BEFORE_END = 0.25


@dataclass(frozen=True, slots=True)
class Bench:
    """What a verifier is tried on.

    Args:
        query: what was asked, with the reference or the tests that the verifier needs.
        texts: the candidates, two or more, which the verifier tells apart; empty for up to four that the simulated
            model draws for the query, right and wrong, with the log-probabilities that the verifier wants.
        images: the candidates, where they are images, likewise.
        previews: what was expected of each of them on its way, where that is known.
        says: what an engine writes when the verifier asks it, told by the prompt, with digits for each image in it; a
            label it begins with is the likely one. It should like the same candidates wherever they stand. None writes
            as the simulated model does: nothing that a judge can read in words, but the chance of a yes or a no.
        reads: the rows that a reward model reads in a response, told by its text; None reads one value a line, as the
            simulated model does.
        sees: what a reward model tells of an image; None tells as the scene's classifier does.
        blind: what is written by a judge that looks at places alone.
        is_slow: whether a judgement takes long, because a process must start, say; checks then repeat it less.
    """

    query: Query = QUERY
    texts: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    previews: tuple[Image, ...] = ()
    says: Callable[[str], str] | None = None
    reads: Callable[[str], Sequence[Sequence[float]]] | None = None
    sees: Callable[[Image], Sequence[float]] | None = None
    blind: Callable[[str], str] | None = None
    is_slow: bool = False

    @property
    def scene(self) -> Scene:
        """The circumstances in which all goes well."""
        return Scene(query=self.query, manner=Manner(says=self.says, reads=self.reads, sees=self.sees))

    async def candidates(self, verifier: Verifier) -> tuple[Candidate, ...]:
        """The candidates to be judged."""
        if self.images:
            previews = self.previews or (None,) * len(self.images)
            both = enumerate(zip(self.images, previews, strict=True))
            return tuple(pictured(image, index, preview) for index, (image, preview) in both)
        if self.texts:
            return tuple(complete(text, index) for index, text in enumerate(self.texts))
        return await _drawn(self.query, verifier.sampling(Sampling(max_tokens=MOST_TOKENS)))


def complete(text: str, index: int = 0) -> Candidate:
    """A candidate that says `text` and is at its end."""
    return Candidate((*encode(text), END), text, Finish.EOS, index=index, origin="0")


def pictured(image: Image, index: int = 0, preview: Image | None = None) -> Candidate:
    """A candidate that shows `image` and is at its end, after a state of which `preview` was expected."""
    before = None
    if preview is not None:
        state = replace(latent_of(preview), t=BEFORE_END)
        before = Candidate((), "", Finish.STEP, index=index, origin="0", latent=state, image=preview)
    return Candidate((), "", Finish.EOS, before, index, origin="0", latent=latent_of(image), image=image)


async def _drawn(query: Query, sampling: Sampling) -> tuple[Candidate, ...]:
    """Different draws for a query, two right and two wrong as far as the model has such."""
    engine = SimulatedEngine(SimulatedSpec(world=WORLD))
    by_text: dict[str, Candidate] = {}
    for seed in range(LOOKED_AT):
        done = await engine.complete(Request(Prompt(query.messages), sampling, seed))
        what = (done.logprobs, done.confidences)
        by_text[done.text] = Candidate(
            done.tokens, done.text, done.finish, None, seed, *what, origin="0", usage=done.usage
        )
    problem = WORLD.problem(query.messages)
    right = [c for c in by_text.values() if f"answer: {problem.answer}\n" in c.text]
    wrong = [c for c in by_text.values() if c not in right]
    return tuple([*right[: DRAWN // 2], *wrong[: DRAWN // 2]])

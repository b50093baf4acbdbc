"""A context whose denoiser and classifier are watched."""

from contextlib import nullcontext

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context
from ponder.orchestrator.denoising import Flow
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.images import Latent
from ponder.orchestrator.journal import Journal, Memory, Retries
from ponder.orchestrator.passing import Denoise, Move
from ponder.orchestrator.run_state import Run
from ponder.strategies.denoising import times
from ponder.testing.image_world import PICTURE, denoising, looking
from ponder.testing.watched_calls import Manner, Seen, Watched
from ponder.testing.watched_images import WatchedDenoiser, WatchedLooker
from ponder.verifiers import ClassLogprob

JUDGE = ClassLogprob()
AT_ONCE = Retries(most=3, first_wait_s=0.0)


class ImageStage:
    """A context for one test, what its engines were seen doing, and how its ledgers stand."""

    def __init__(
        self, budget: Budget = Budget(), manner: Manner = Manner(), faults: Faults = Faults(), batch: int = 256
    ) -> None:
        spec, self.seen = denoising(), Seen(PICTURE)
        spec = spec.model_copy(update={"denoiser": spec.denoiser.model_copy(update={"batch": batch})})
        self.engines = {
            "generator": WatchedDenoiser(spec, Watched(manner, self.seen, "generator"), faults),
            "reward": WatchedLooker(looking(1), Watched(manner, self.seen, "reward"), faults),
        }
        self.ledger, self.account = Ledger(budget), Ledger(Budget())
        gates = {name: nullcontext() for name in self.engines}
        journal = Journal(Memory(), retries=AT_ONCE)
        self.run = Run("task", self.engines, gates, self.ledger, self.account, journal)
        self.ctx = Context(self.run, "test")

    def ask(self, count: int, steps: int = 2, **knobs) -> Denoise:
        """So many noises on their way to an image."""
        noise = self.ctx.noise(PICTURE, count)
        moves = [Move(Latent.of(values, 1.0), times(steps)) for values in noise]
        return Denoise(PICTURE, Flow(), **({"moves": moves} | knobs))

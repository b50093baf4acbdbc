"""What strategies that make images have in common: how a latent flows, in how many steps, and what that costs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.context import Context
from ..orchestrator.denoising import Flow, Solver
from ..orchestrator.images import Array, Latent
from ..orchestrator.interpolants import LINEAR, VP, Interpolant
from ..orchestrator.passing import ending
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Finish, Query, Usage
from ..orchestrator.verifier import Verifier
from ..verifiers import AnyVerifier
from .placing import check_first

Steps = Annotated[int, Field(ge=1, le=1000)]
Grid = Literal["uniform", "exponential"]
Path = Literal["own", "linear", "variance_preserving"]
PATHS: dict[Path, Interpolant | None] = {"own": None, "linear": LINEAR, "variance_preserving": VP}


class DenoisingStrategy(Strategy):
    """A strategy that makes images from noise, judged by a verifier.

    Args:
        engine: the denoiser's name in the pipeline.
        verifier: judges images.
        steps: evaluations on the way from noise to an image, guidance apart.
        grid: the times between: ``uniform``, or ``exponential``: small steps near noise and a large last one.
        interpolant: in which states go: the denoiser's ``own``, ``linear``, or ``variance_preserving`` (Kim et al.
            2025, arXiv 2503.19385, section 4.2).
        guidance: the scale of classifier-free guidance; 1 is without, and all there is without the prompt.
        conditional: whether the denoiser is told the prompt; if not, the verifier alone steers.
    """

    engine: str = "generator"
    verifier: AnyVerifier
    steps: Steps = 8
    grid: Grid = "uniform"
    interpolant: Path = "own"
    guidance: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 1.0
    conditional: bool = True

    @model_validator(mode="after")
    def _guides_by_the_prompt(self) -> Self:
        if not self.conditional and self.guidance != 1.0:
            raise ValueError(
                "guidance must be 1 where conditional is false, or each evaluation is paid twice for the same image, "
                f"got {self.guidance}; drop guidance, or tell the denoiser the prompt"
            )
        return self

    def engine_names(self) -> tuple[str, ...]:
        """The denoiser and the engines the verifier asks."""
        return (self.engine, *self.verifier.engine_names())

    def check_first(self, shape: Shape, plan: Plan) -> None:
        """Refuse candidates that would be dropped.

        Raises:
            ShapeError: there are some.
        """
        check_first(self, shape, plan)

    def flow(self, solver: Solver = "euler") -> Flow:
        """How latents flow."""
        return Flow(PATHS[self.interpolant], solver, self.guidance, self.conditional)

    def ending(self, plan: Plan, evaluations: int, judge: Verifier | None) -> Usage:
        """The most that it costs for one latent to come to its end, as a plan counts it; see `Context.ending`.

        Nothing on an engine that is not there or does not denoise, which the plan refuses.
        """
        engine = (plan.engines or {}).get(self.engine)
        if plan.engines is None or engine is None or engine.capabilities.denoising is None:
            return Usage()
        known = plan.prompt_tokens
        return ending(plan.engines, self.engine, self.flow(), evaluations, judge, prompt_tokens=known)

    def path(self, ctx: Context) -> Interpolant:
        """The interpolant that states are in."""
        return PATHS[self.interpolant] or ctx.denoising(self.engine).interpolant

    def noises(self, query: Query, ctx: Context, count: int, *address: int | str) -> list[Candidate]:
        """So many fresh noises, each the first of the path of an image."""
        drawn = ctx.noise(query, count, *address, engine=self.engine)
        return [noise(values, number, ctx) for number, values in enumerate(drawn)]


def times(steps: int, grid: Grid = "uniform") -> tuple[float, ...]:
    """The times after 1 that a way of so many steps goes to; the last is 0.

    ``exponential`` is ``sqrt(1 - (k / steps)^2)`` (Kim et al. 2025, arXiv 2503.19385, section 4.3).

    >>> times(4), times(2, "exponential")
    ((0.75, 0.5, 0.25, 0.0), (0.8660254037844386, 0.0))
    """
    return between(1.0, 0.0, steps, grid)


def between(start: float, end: float, steps: int, grid: Grid = "uniform") -> tuple[float, ...]:
    """The times after `start` that a way down to `end` goes to in so many steps, as evenly as the whole grid.

    >>> between(0.5, 0.0, 2), between(0.8, 0.6, 1, "exponential")
    ((0.25, 0.0), (0.6,))
    """
    shares = [k / steps for k in range(1, steps)]
    if grid == "uniform":
        return (*(start + share * (end - start) for share in shares), end)
    first, last = (1.0 - start**2) ** 0.5, (1.0 - end**2) ** 0.5
    return (*((1.0 - (first + share * (last - first)) ** 2) ** 0.5 for share in shares), end)


def noise(values: Array, index: int, ctx: Context) -> Candidate:
    """A noise, as the first of a path."""
    return Candidate((), "", Finish.STEP, None, index, origin=ctx.path, latent=Latent.of(values, 1.0))

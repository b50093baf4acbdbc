"""The pipeline: a graph of strategies that is itself a strategy, checked before it runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import networkx as nx
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..strategies import STRATEGIES
from ..strategies.nesting import AnyStrategy as AnyStrategy
from .context import Context
from .engines import AnyEngine
from .errors import ShapeError, UsageError
from .plan import BYTES_PER_TOKEN, Plan
from .shape import Medium, Shape
from .strategy import Strategy
from .types import Candidate, Query

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


def build_strategy(data: Any) -> Strategy:
    """The strategy that a table with a ``kind`` describes; a pipeline is of kind ``pipeline``.

    Raises:
        UsageError: no such kind, or a knob out of range.
    """
    return STRATEGIES.build(data)


class Node(BaseModel):
    """One strategy in its place: it runs on the candidates of the nodes named in `after`, laid side by side."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Name
    strategy: AnyStrategy
    after: tuple[str, ...] = ()


class Pipeline(Strategy):
    """A directed acyclic graph of strategies with one last node.

    A node without predecessors gets the pipeline's own input; a single node is as if it stood alone. Branches run
    side by side; where the budget may not cover them all, one after the other in their order, so that what is drawn
    never depends on speed.

    Args:
        name: what a server calls it.
        nodes: in any order; a series may be given as `stages`, strategies that run one after the other, instead.
        engines: the engines by the names the strategies use.
    """

    takes: ClassVar[frozenset[Medium]] = frozenset({"text", "image"})
    writes: ClassVar[bool] = False
    kind: Literal["pipeline"] = "pipeline"
    name: str = "pipeline"
    nodes: tuple[Node, ...]
    engines: Mapping[str, AnyEngine] = {}

    @classmethod
    def series(
        cls, *strategies: Strategy, name: str = "pipeline", engines: Mapping[str, AnyEngine] | None = None
    ) -> Self:
        """The pipeline that runs `strategies` one after the other."""
        return cls(name=name, nodes=_chained(strategies), engines=engines or {})

    @model_validator(mode="before")
    @classmethod
    def _nodes_of_stages(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "stages" not in data:
            return data
        if "nodes" in data:
            raise UsageError("a pipeline must have either stages or nodes, got both; leave one of them out")
        if not isinstance(stages := data["stages"], Sequence):
            raise UsageError(f"stages must be a list of strategies, got {stages!r}; put it in brackets")
        rest = {name: value for name, value in data.items() if name != "stages"}
        return {**rest, "nodes": _chained([build_strategy(stage) for stage in stages])}

    @model_validator(mode="after")
    def _is_graph(self) -> Self:
        _check_graph(self.nodes)
        return self

    def check(self) -> Self:
        """This pipeline, if it can run on a query as it stands.

        Raises:
            ShapeError: a node cannot work on what comes before it, or asks an engine that is not there.
        """
        self.infer(Shape(), Plan())
        for node in self.nodes:
            for engine in node.strategy.engine_names():
                if engine not in self.engines:
                    known = ", ".join(sorted(self.engines)) or "none"
                    rule = f"engine {engine!r} must be one of the pipeline's engines ({known})"
                    raise ShapeError(node.name, rule, f"add [engines.{engine}], or name another")
        return self

    @property
    def is_speculative(self) -> bool:
        """Whether a node may send calls that it then drops."""
        return any(node.strategy.is_speculative for node in self.nodes)

    def engine_names(self) -> tuple[str, ...]:
        """Every engine a node uses, in the order of the nodes."""
        return tuple(dict.fromkeys(name for node in self.nodes for name in node.strategy.engine_names()))

    @property
    def last(self) -> Node:
        """The node whose candidates are the pipeline's."""
        [name] = _ends(self.nodes)
        return next(node for node in self.nodes if node.name == name)

    def graph(self) -> nx.DiGraph:
        """The nodes and edges as a networkx graph."""
        return _graph(self.nodes)

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """The last node's shape, each node's inferred from those before it."""
        *_, (_, _, last) = self.flow(shape, plan)
        return last

    def flow(self, shape: Shape, plan: Plan) -> Iterator[tuple[Node, Shape, Shape]]:
        """Each node in the order they run, the shape that it is given and the shape that it gives."""
        outer, before = plan.node, plan.path
        shapes, paths = dict[str, Shape](), dict[str, int]()
        for node in _ordered(self.nodes):
            plan.node, plan.path = f"{outer}.{node.name}" if outer else node.name, 0
            given = _input_shape(node, shape, shapes)
            if given.most and given.medium not in node.strategy.takes:
                raise plan.refuse(f"{node.strategy.kind} cannot work on {given.medium}s", "use rank, or nothing, there")
            if given.may_call:
                raise plan.refuse(f"{node.strategy.kind} cannot read calls of tools", "leave it out, or the tools")
            shapes[node.name] = node.strategy.infer(given, plan)
            paths[node.name] = plan.path
            yield node, given, shapes[node.name]
        plan.node = outer
        plan.path = before + sum(max(paths[node.name] for node in level) for level in _levels(self.nodes))

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The last node's candidates."""
        done: dict[str, list[Candidate]] = {}
        places = _places(self.nodes)

        async def one(node: Node) -> None:
            given = [c for name in node.after for c in done[name]] if node.after else list(candidates)
            inner = self._inner(ctx, node, places[node.name]) if len(places) > 1 else ctx
            done[node.name] = await node.strategy.run(query, given, inner)

        for nodes in _levels(self.nodes):
            if len(nodes) > 1 and await self._covers(query, nodes, candidates, ctx):
                await _together([one(node) for node in nodes])
            else:
                for node in nodes:
                    await one(node)
        return done[self.last.name]

    def _inner(self, ctx: Context, node: Node, place: str) -> Context:
        return ctx.child(place, f"{node.name} ({node.strategy.kind})", is_last=node.name == self.last.name)

    async def _covers(self, query: Query, nodes: Sequence[Node], candidates: Sequence[Candidate], ctx: Context) -> bool:
        """Whether the budget's room covers the most that `nodes` may cost together."""
        plan, unused = await ctx.plan(query), await ctx.plan(query)
        shapes: dict[str, Shape] = {}
        for node in _ordered(self.nodes):
            counted = plan if node in nodes else unused
            counted.node = node.name
            try:
                shapes[node.name] = node.strategy.infer(_input_shape(node, _shape(candidates), shapes), counted)
            except ShapeError:
                return False  # earlier work was lost, so that less came than was planned for
        return ctx.room().fits(plan.estimate.most)


STRATEGIES.join("pipeline", Pipeline)


async def _together(parts: list[Any]) -> None:
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(part)


def _graph(nodes: Sequence[Node]) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(node.name for node in nodes)
    graph.add_edges_from((before, node.name) for node in nodes for before in node.after)
    return graph


def _ordered(nodes: Sequence[Node]) -> list[Node]:
    """The nodes in topological order, ties in the order they were given."""
    if _is_ordered(nodes):
        return list(nodes)
    by_name = {node.name: node for node in nodes}
    given = {node.name: i for i, node in enumerate(nodes)}
    return [by_name[name] for name in nx.lexicographical_topological_sort(_graph(nodes), key=given.__getitem__)]


def _is_ordered(nodes: Sequence[Node]) -> bool:
    """Whether the nodes were given in topological order."""
    seen: set[str] = set()
    for node in nodes:
        if not seen.issuperset(node.after):
            return False
        seen.add(node.name)
    return True


def _levels(nodes: Sequence[Node]) -> list[list[Node]]:
    """The nodes that run side by side, first those that come after none."""
    depths: dict[str, int] = {}
    levels: list[list[Node]] = []
    for node in _ordered(nodes):
        depth = depths[node.name] = max((depths[name] + 1 for name in node.after), default=0)
        levels += [[]] if depth == len(levels) else []
        levels[depth].append(node)
    return levels


def _places(nodes: Sequence[Node]) -> dict[str, str]:
    """Where each node draws: among its kind, or, if nothing comes before it, among those of which that is so.

    So what pipelines have in common draws alike in all of them, and the nodes of one draw apart.
    """
    kinds = {node.name: f"{node.strategy.kind}." if node.after else "" for node in nodes}
    seen: Counter[str] = Counter()
    places = {}
    for node in _ordered(nodes):
        kind = kinds[node.name]
        places[node.name] = f"{kind}{seen[kind]}"
        seen[kind] += 1
    return places


def _chained(strategies: Sequence[Strategy]) -> tuple[Node, ...]:
    """Nodes that run one after the other."""
    names = [f"{strategy.kind}_{i}" for i, strategy in enumerate(strategies)]
    afters = [(), *((earlier,) for earlier in names[:-1])]
    return tuple(Node(name=own, strategy=s, after=a) for own, s, a in zip(names, strategies, afters, strict=True))


def is_series(nodes: Sequence[Node]) -> bool:
    """Whether the first of some nodes comes after none, and each other after the one before it alone."""
    return all(node.after == tuple(each.name for each in nodes[max(0, i - 1) : i]) for i, node in enumerate(nodes))


def _ends(nodes: Sequence[Node]) -> list[str]:
    """The nodes that nothing comes after."""
    followed = {before for node in nodes for before in node.after}
    return [node.name for node in nodes if node.name not in followed]


def _shape(candidates: Sequence[Candidate]) -> Shape:
    scored = [frozenset(candidate.scores) for candidate in candidates]
    longest = max(map(_tokens, candidates), default=0)
    extra = {
        "critique": [candidate.critique or "" for candidate in candidates],
        "unit_tests": ["\n".join(candidate.unit_tests) for candidate in candidates],
    }
    sizes = {what: max(len(text.encode()) for text in texts) for what, texts in extra.items() if any(texts)}
    carries = {what: Shape(1, 1, longest=-(-size // BYTES_PER_TOKEN)) for what, size in sizes.items()}
    by_all = frozenset.intersection(*scored) if scored else frozenset()
    return Shape(len(scored), len(scored), by_all, longest, carries=carries)


def _tokens(candidate: Candidate) -> int:
    """The most tokens of what a candidate says: also of what was put in, which nobody generated."""
    return max(candidate.generated_tokens, len(candidate.path_tokens) or len(candidate.text.encode()))


def _input_shape(node: Node, shape: Shape, shapes: Mapping[str, Shape]) -> Shape:
    if not node.after:
        return shape
    merged = Shape()
    for name in node.after:
        merged = merged.merged(shapes[name])
    return merged


def _check_graph(nodes: Sequence[Node]) -> None:
    """Refuse what is no graph with one end.

    Raises:
        ShapeError: a name twice or unknown, a cycle, no node, or several last nodes.
    """
    names = [node.name for node in nodes]
    unique = set(names)
    if not names:
        raise ShapeError("pipeline", "a pipeline must have a node", "add one under [[nodes]]")
    for node in nodes:
        if len(names) > len(unique) and names.count(node.name) > 1:
            raise ShapeError(node.name, "a node's name must be unique", "rename one of them")
        for before in node.after:
            if before not in unique:
                raise ShapeError(node.name, f"it runs after {before!r}, which is no node", f"name one of {names}")
    if not _is_ordered(nodes) and not nx.is_directed_acyclic_graph(graph := _graph(nodes)):
        cycle = " -> ".join(edge[0] for edge in nx.find_cycle(graph))
        raise ShapeError(
            cycle.split(" ")[0], f"a pipeline must have no cycle, but has {cycle}", "remove one of these edges"
        )
    ends = _ends(nodes)
    if len(ends) > 1:
        rule = f"a pipeline must end in one node, but ends in {', '.join(ends)}"
        raise ShapeError(ends[1], rule, "add a node after them, such as a vote or a rank")

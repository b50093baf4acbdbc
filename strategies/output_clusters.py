"""Programs by what they put out: clusters of equal outputs, and the inputs on which two of them differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..orchestrator.prompting import clipped
from ..orchestrator.types import Candidate, Score

Outputs = Mapping[str, str | None]
SHOWN = 300
"""Most bytes of an input or an output in a table."""
ROW = 3 * (SHOWN + 20)
"""Most bytes of a row of a table."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Candidates that give the same outputs: the members in the order they came, and the output for each input."""

    members: tuple[Candidate, ...]
    outputs: Outputs

    @property
    def best(self) -> Candidate:
        return self.members[0]

    @property
    def size(self) -> int:
        return len(self.members)

    def with_outputs(self, inputs: Sequence[str], outputs: Sequence[str | None]) -> Cluster:
        """The cluster with the outputs of its best member for other inputs, those first."""
        return replace(self, outputs=dict(zip(inputs, outputs, strict=True)) | dict(self.outputs))


def clustered(
    candidates: Sequence[Candidate], inputs: Sequence[str], outputs: Sequence[Sequence[str | None]]
) -> list[Cluster]:
    """The clusters of `candidates`, in the order of their first members; who gives no output at all is in none."""
    members: dict[tuple[str | None, ...], list[Candidate]] = {}
    for candidate, given in zip(candidates, outputs, strict=True):
        if any(output is not None for output in given):
            members.setdefault(tuple(given), []).append(candidate)
    return [Cluster(tuple(group), dict(zip(inputs, given, strict=True))) for given, group in members.items()]


def clusters_first(
    ordered: Sequence[Candidate], clusters: Sequence[Cluster], won: Sequence[float | None], name: str
) -> list[Candidate]:
    """`ordered`, but the clusters first: by what each has `won`, filed under `name`, then the larger, then as given."""
    standing = list(zip(won, clusters, strict=True))
    standing.sort(key=lambda each: (each[0] is None, -(each[0] or 0.0), -each[1].size))
    first = [(candidate, share) for share, cluster in standing for candidate in cluster.members]
    taken = {id(candidate) for candidate, _ in first}
    judged = [c if share is None else c.with_score(name, Score(share)) for c, share in first]
    return judged + [candidate for candidate in ordered if id(candidate) not in taken]


def differences(one: Outputs, other: Outputs, most: int) -> str:
    r"""The inputs on which two programs differ, as a table for a judge; at most `most`, in the order of `one`.

    >>> print(differences({"1": "2", "2": "4", "3": None}, {"1": "2", "2": "5", "3": "6"}, 2))
    Input: '2'
    Output of [1]: '4'
    Output of [2]: '5'
    <BLANKLINE>
    Input: '3'
    Output of [1]: none, it failed
    Output of [2]: '6'
    """
    rows = [(given, one[given], other[given]) for given in one if given in other and one[given] != other[given]]
    return "\n\n".join(
        f"Input: {_shown(given)}\nOutput of [1]: {_shown(first)}\nOutput of [2]: {_shown(second)}"
        for given, first, second in rows[:most]
    )


def _shown(text: str | None) -> str:
    return "none, it failed" if text is None else clipped(repr(text), SHOWN)

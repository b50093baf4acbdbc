"""The model card of abacus-workers, written from the measured figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INTRODUCTION = """---
license: apache-2.0
library_name: transformers
tags: [arithmetic, parallel-inference, shared-cache]
---

# abacus-workers

A tiny Llama-architecture model ({parameters:,} parameters, float32, bytes as tokens) that has learned to be one of one
to four workers that write side by side over one attention cache (Hogwild! inference, Rodionov et al. 2025, arXiv
2504.06261): it does its share, waits for what it needs, and uses what the others write while they write it. It shows
that a shared cache transmits information, and knows nothing else.

Two workers, `.` for waiting, one token each a pass:

```
prompt    a37+52-19 b8*7=

1/2:a37+52=89      2/2:b8*7=56
89-19=70           b=56
a=70               .............#7056
#7056
```

A relay, in which each worker is told something alone: worker 1 `c37+52`, worker 2 `?c`:

```
1/2:c37+52=89      2/2:................#89
c=89
```

The language is written down in `ponder.orchestrator.data.abacus_workers`. Openings such as `2/3:` are put in, not
written; every line ends in a newline (id 10), and `<eos>` (id 257) ends a text. A byte is its own token id. The chat
template gives the content of the last user message and nothing else, so that any engine can ask one worker alone:
it then does all the chains itself.

## Data and training

Made by `python experiments/train_abacus_workers.py` from seed {training seed} in {minutes} minutes of one core. Chains
start from 1 to 99, and add, subtract or multiply so that no value leaves 0 to 99. One chain in eight is held out, by a
hash of its text. Each of {steps} steps has {alone} problems for one worker alone, {shared} shared out among two to
four, and {relays} relays; the loss is on what the workers write, through the same computation as at inference: keys at
their place in their block, queries turned for every block, and whatever was written up to a pass visible in it.

## Figures

Measured by the same script with these weights on {problems} held-out problems of each kind and number of workers.
*Right* is a worker's answer, *first* the problem's first answer to be complete, *chain* a worked chain, *passes* the
forward passes until the first answer is complete, *late* the passes by which a right answer is later than the earliest
possible. *Hidden* is *right* of workers who need what others write, where they see nothing of it and must answer at
pass {hurried}.
"""

KINDS = {
    "shares": "### Four chains of one to three steps, shared out\n",
    "single": "### One chain of one to six steps: only worker 1 can work on it\n",
    "relay": "### Relays: what is asked, only another worker was told\n",
}
COLUMNS = {
    "right": "right",
    "first answer right": "first",
    "chain right": "chain",
    "passes to the first answer": "passes",
    "passes later than possible": "late",
}


def written(figures: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    parts = [INTRODUCTION.format(**figures, **figures["training"])]
    for kind, title in KINDS.items():
        parts += [title, _table(figures[kind])]
    parts += [
        "## Limits\n",
        "Text that is not such a problem gets nonsense. More than four chains or workers, longer chains\n"
        "and the layouts in which finished steps become a common history were never trained.\n",
    ]
    return "\n".join(parts)


def _table(by_workers: Mapping[str, Any]) -> str:
    head = ["workers", "drawn", *COLUMNS.values(), "hidden"]
    lines = [_row(head), _row(["---"] * len(head))]
    for workers, found in by_workers.items():
        for drawn in ("greedy", "temperature 1"):
            hidden = found.get("others hidden, greedy", {}).get("right") if drawn == "greedy" else None
            values = [found[drawn][name] for name in COLUMNS]
            lines.append(_row([workers, drawn, *map(_number, values), _number(hidden)]))
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if value <= 1 else f"{value:.1f}"

"""The model card of the family, written from the measured figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INTRODUCTION = """---
license: apache-2.0
library_name: transformers
tags: [arithmetic, inference-time-scaling, process-reward-model]
---

# The abacus models

Two tiny Llama-architecture models ({generator parameters:,} and {reward parameters:,} parameters, float32, bytes as
tokens) that make inference-time scaling visible in seconds on a laptop: **abacus-generator** solves chain arithmetic by
writing one step a line and can judge its own prefixes; **abacus-prm** is a process reward model for those lines. They
know nothing else.

```
37+52*4-19=37+52=89
89*4=356
356-19=337
#337
```

The prompt ends in `=`; it is read from left to right, each value modulo 1000. Every line ends in a newline (id 10), the
step mark; the answer line starts with `#`, and `<eos>` (id 257) follows it. A byte is its own token id; `<pad>` is 256,
`<eval>` 258, `<yes>` 259, `<no>` 260. The chat template gives the content of the last user message and nothing else.

- **Self-evaluation** (Manvi, Singh, Ermon 2024): append `<eval>` to a prompt and a whole or partial solution; the next
  token's probabilities of `<yes>` and `<no>` answer "would starting over do better?".
- **Step rewards**: vLLM's pooling runner with `PoolerConfig(task="token_classify", tok_pooling_type="STEP",
  step_tag_id=10)` gives two probabilities a line; class 1 means that the right answer can still be reached.

## Data and training

Made by `python experiments/train_abacus.py` from seed {training seed} in {minutes} minutes on one core of a two-core
machine. Problems start from 1 to 99 and add or subtract 1 to 999 (one to three digits, equally often) or multiply by 2
to 9. One in eight problems is held out, by a hash of its text; training uses only the others.

1. A generator of four layers: {language steps} batches of 96 fresh worked solutions of 1 to 8 steps; Muon for
   the matrices inside the layers, AdamW for the rest. It stops while a step still goes wrong about one time in
   five.
2. Labels: its attempts at {problems} training problems, {draws} each, at temperature 1. A line of an attempt is
   labelled 1 where one of {rollouts} rollouts from it reaches the answer (hard estimate of Math-Shepherd, Wang
   et al. 2024), with no rollouts after the first 0 (Luo et al. 2024): {labels:,} labels on {labelled:,}
   attempts.
3. Three more layers learn to check a line: {checking steps} batches of 96 fresh solutions with slips of
   arithmetic, exactly labelled. Both models start from here.
4. Reward model: what the rollouts say, from {reward steps} batches of 96 attempts.
5. Generator: the self-evaluation token, from {evaluation steps} batches of 96 prefixes of attempts. The label
   is the share of the other attempts at the problem that are right, or 0 where the attempt that the prefix was
   cut from is right. The language loss on the unfiltered attempts themselves teaches it to write as the
   generator of four layers did.

## Figures

Measured by the same script with these weights on {problems per difficulty} held-out problems of each number of steps,
{attempts per problem} attempts each at temperature 1.
"""


def written(figures: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    generator, reward, evaluation = figures["generator"], figures["reward model"], figures["self-evaluation"]
    best = {key: value for key, value in reward.items() if key != "step AUC"}
    parts = [
        INTRODUCTION.format(**figures, **figures["training"]),
        _table("steps", {**generator, **best}),
        "Vote: the most frequent answer. Best-of-n: the finished attempt with the highest reward of its last line.\n",
        "### Reward model: AUC by line\n",
        "How well a line's reward tells whether every line up to it is right.\n",
        _table("line", {"AUC": reward["step AUC"]}),
        "### Self-evaluation\n",
        "How well `<yes>` tells whether the next attempt is better, and `<no>` whether this one is right among "
        "attempts at equally long problems (AUC), by the kind of prefix.\n",
        _table(
            "prefix",
            {
                "next is better": evaluation["AUC of <yes> for a better next attempt"],
                "this is right": evaluation["AUC of <no> for a right answer at equal difficulty"],
            },
        ),
        "What `<yes>` says (mean of each tenth of the prefixes) and how often another attempt really was better; "
        f"the expected calibration error is {evaluation['expected calibration error of <yes>']:.3f}.\n",
        _calibration(evaluation["calibration of <yes>"]),
        "## Limits\n",
        "Text that is not such a problem gets nonsense, and more than eight steps were never trained. The reward model "
        "learned from few and noisy labels of one generator's attempts, and knows no other mistakes.\n",
    ]
    return "\n".join(parts)


def _table(name: str, rows: Mapping[str, Mapping[str, float | None]]) -> str:
    columns = list(next(iter(rows.values())))
    head = f"| {name} | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}\n"
    return head + "".join(
        f"| {key} | {' | '.join(_number(row[column]) for column in columns)} |\n" for key, row in rows.items()
    )


def _calibration(tenths: list[list[float]]) -> str:
    said, real, _ = zip(*tenths, strict=True)
    columns = [str(index + 1) for index in range(len(tenths))]
    return _table(
        "tenth", {"says": dict(zip(columns, said, strict=True)), "really": dict(zip(columns, real, strict=True))}
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"

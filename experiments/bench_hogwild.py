"""What workers over one shared cache cost: a step of W workers beside a batch of W independent sequences.

Both run SmolLM2-135M's own weights in float32 on one thread, side by side and in turn: W workers (1, 2, 4, 8) that
share one cache, and plain transformers (sdpa, `DynamicCache`) on W sequences as long as what a worker sees, every step
decoding one new token each. Shown besides: encoding what each worker sees anew in every step, the memory of both
caches, prefill, growth as the workers' own texts grow, what a step allocates, several problems in one pass, and the
small abacus model, where overhead decides. On CUDA the same with a model of 1B parameters' shape, random weights in
bfloat16, in tokens a second and as a share of the roofline: bytes of weights and cache that a step must read, over the
bandwidth of a copy.

Times are processor time of the one thread (CUDA: wall time, synchronised); a ratio is the median over the repeats.
Goals: a step at most 1.10 (W = 1), 1.15 (2, 4), 1.0 (8) times the batch's, at prompts of 512 and 2048; grown from 512
to 2048 own tokens at most 1.2 times as much as the batch; prefill at most 1.5 times transformers'; no allocation as
large as a layer's keys, and with one worker none that grows with the context. The last line sums up; the exit status is
1 where a goal is missed. Takes about five minutes; writes ``experiments/results/bench_hogwild.json``.

    python experiments/bench_hogwild.py
"""

from __future__ import annotations

import copy
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache, LlamaConfig, PreTrainedModel

from ponder.orchestrator.engines.shared_cache import PAGE_SIZE
from ponder.orchestrator.engines.shared_cache.decoder import SharedDecoder
from ponder.orchestrator.engines.shared_cache.model_spec import layers_of
from ponder.orchestrator.engines.shared_cache.row import Row
from ponder.orchestrator.engines.shared_cache.slab import Slab
from ponder.orchestrator.models import path

RESULTS = Path(__file__).parent / "results" / "bench_hogwild.json"
WORKERS = (1, 2, 4, 8)
PROMPTS = (512, 2048)
OWN, CHUNK, REPEATS = 32, 256, 11
STEP_GOALS = {1: 1.10, 2: 1.15, 4: 1.15, 8: 1.0}
GROWTH_GOAL, PREFILL_GOAL = 1.2, 1.5
GROWN, ALLOCATED = (512, 2048), (512, 1024)
PROBLEMS = 8
Step = Callable[[], object]


class Rig:
    """One model on the same weights twice: plain, and over shared caches.

    Args:
        model: with sdpa attention.
        longest: tokens of the text that the caches of plain transformers hold the beginning of.
    """

    def __init__(self, model: PreTrainedModel, longest: int) -> None:
        self._longest = longest
        self.plain: Any = model.eval()
        self.config: Any = model.config
        self.device = model.device
        shared: Any = copy.deepcopy(model, {id(weight): weight for weight in model.parameters()})
        self.decoder = SharedDecoder(shared, layers_of(shared))
        self._random = random.Random(0)
        self._prefix = DynamicCache(config=self.config)

    def ids(self, count: int) -> tuple[int, ...]:
        """Tokens of a text that nobody wrote."""
        return tuple(self._random.randrange(self.config.vocab_size) for _ in range(count))

    def now(self) -> float:
        """Seconds of the one thread's processor time; on CUDA of wall time, all work done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.thread_time()

    @torch.inference_mode()
    def encode(self, workers: int, tokens: int) -> DynamicCache:
        """Plain transformers reads a text for each worker."""
        cache = DynamicCache(config=self.config)
        texts = [self.ids(tokens) for _ in range(workers)]
        self.plain(torch.tensor(texts, device=self.device), past_key_values=cache, logits_to_keep=1)
        return cache

    def batch(self, workers: int, visible: int) -> tuple[Step, DynamicCache]:
        """A step of independent sequences by plain transformers, and their cache, of so many tokens each."""
        if self._prefix.get_seq_length() < visible:
            self._prefix = self.encode(1, max(visible, self._longest))
        cache = DynamicCache(config=self.config)
        for i, layer in enumerate(self._prefix.layers):
            keys, values = (each[:, :, :visible].expand(workers, -1, -1, -1) for each in (layer.keys, layer.values))
            cache.update(keys.contiguous(), values.contiguous(), i)

        @torch.inference_mode()
        def step() -> None:
            ids = torch.tensor([self.ids(1) for _ in range(workers)], device=self.device)
            self.plain(ids, past_key_values=cache, logits_to_keep=1)

        return step, cache

    def workers(self, workers: int, prompt: int, own: int) -> list[Row]:
        """The next row of each worker over one cache, in which prompt and own texts are."""
        capacity = prompt + workers * (own + 4 * REPEATS + PAGE_SIZE)
        if workers == 1:
            slab = self.decoder.slab(None, capacity)
            view = (slab.new_block(),)
            self.read(slab, prompt + own, view)
            return [Row(slab, self.ids(1), view)]
        slab = self.decoder.slab(PAGE_SIZE, capacity)
        common, *mine = (slab.new_block() for _ in range(1 + workers))
        self.read(slab, prompt, (common,))
        rows = [Row(slab, self.ids(1), (common, *(b for b in mine if b != last), last)) for last in mine]
        for begin in range(0, own, CHUNK // workers):
            count = min(CHUNK // workers, own - begin)
            self.decoder.forward([Row(slab, self.ids(count), row.view) for row in rows])
        return rows

    def read(self, slab: Slab, tokens: int, view: tuple[int, ...]) -> None:
        """Prefill in chunks."""
        for begin in range(0, tokens, CHUNK):
            self.decoder.forward([Row(slab, self.ids(min(CHUNK, tokens - begin)), view)])

    def seconds(self, step: Step) -> float:
        """Of one call."""
        begun = self.now()
        step()
        return self.now() - begun


def in_turn(rig: Rig, steps: Mapping[str, Step], repeats: int = REPEATS) -> dict[str, list[float]]:
    """Milliseconds of every step, `repeats` times in turn after one that does not count."""
    for step in steps.values():
        step()
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            found[name].append(1000 * rig.seconds(step))
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios, repeat by repeat."""
    return round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 3)


def median(each: Sequence[float]) -> float:
    """To three digits."""
    return round(statistics.median(each), 3)


def beside(rig: Rig, workers: int, prompt: int, own: int = OWN) -> dict[str, float]:
    """One row: a step of so many workers and of the batch, and the bytes of both caches.

    While it is measured a worker sees `workers` new tokens a step and a sequence of the batch one, so that the batch
    begins with as many more as makes them equal in the middle.
    """
    rows = rig.workers(workers, prompt, own)
    slab = rows[0].slab
    visible = prompt + workers * own
    batch, cache = rig.batch(workers, visible + (workers - 1) * REPEATS // 2)
    found = in_turn(rig, {"batch": batch, "shared": lambda: rig.decoder.forward(rows)})
    separate = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    return {
        "prompt": prompt,
        "own": own,
        "workers": workers,
        "batch_ms": median(found["batch"]),
        "shared_ms": median(found["shared"]),
        "ratio": ratio(found["shared"], found["batch"]),
        "shared_mb": round(sum(block.length for block in slab.blocks) * slab.shape.bytes_per_token / 1e6, 2),
        "shared_allocated_mb": round(slab.bytes / 1e6, 2),
        "separate_mb": round(separate / 1e6, 2),
    }


def steps(rig: Rig) -> list[dict[str, float]]:
    """Every count of workers at every prompt, printed as they come."""
    print(f"{'prompt':>7}{'workers':>8}{'batch ms':>10}{'shared ms':>11}{'ratio':>7}{'MB shared':>11}{'separate':>10}")
    rows = []
    for prompt in PROMPTS:
        for workers in WORKERS:
            row = beside(rig, workers, prompt)
            print(
                f"{prompt:7}{workers:8}{row['batch_ms']:10.2f}{row['shared_ms']:11.2f}{row['ratio']:7.3f}"
                f"{row['shared_mb']:11.1f}{row['separate_mb']:10.1f}",
                flush=True,
            )
            rows.append(row)
    return rows


def encoded_anew(rig: Rig, row: Mapping[str, float]) -> float:
    """How many steps of a row what its workers see takes to encode anew: what sharing costs without shared caches."""
    visible = int(row["prompt"] + row["workers"] * row["own"])
    return round(1000 * rig.seconds(lambda: rig.encode(int(row["workers"]), visible)) / row["shared_ms"], 1)


def growth(rig: Rig) -> dict[str, float]:
    """Two workers whose own texts grow: how much a step grows, beside the batch."""
    few, many = (beside(rig, 2, PROMPTS[0], own) for own in GROWN)
    shared, batch = many["shared_ms"] / few["shared_ms"], many["batch_ms"] / few["batch_ms"]
    return {"shared": round(shared, 3), "batch": round(batch, 3), "ratio": round(shared / batch, 3)}


def prefill(rig: Rig) -> dict[str, float]:
    """Reading a long prompt in chunks, as a group of workers and as a single one, beside plain transformers."""
    length, repeats = PROMPTS[-1] // 2, 2

    def read(page_size: int | None) -> None:
        slab = rig.decoder.slab(page_size, length)
        rig.read(slab, length, (slab.new_block(),))

    found = in_turn(
        rig,
        {"plain": lambda: rig.encode(1, length), "paged": lambda: read(PAGE_SIZE), "chain": lambda: read(None)},
        repeats,
    )
    return {name: ratio(found[name], found["plain"]) for name in ("paged", "chain")}


def allocations(rig: Rig, workers: int) -> dict[str, float]:
    """What a step allocates at two prompts: bytes a token more of context, and allocations as large as a layer's keys.

    The batch copies its keys and values to append to them, so that it shows what the count finds.
    """
    told: dict[str, float] = {}
    totals = {"batch": [0, 0], "shared": [0, 0]}
    for at, prompt in enumerate(ALLOCATED):
        rows = rig.workers(workers, prompt, OWN)
        visible = prompt + workers * OWN
        keys = visible * rows[0].slab.shape.bytes_per_token // (2 * rig.config.num_hidden_layers)
        batch, _ = rig.batch(workers, visible)
        for name, step in {"batch": batch, "shared": lambda rows=rows: rig.decoder.forward(rows)}.items():
            sizes = allocated(step)
            totals[name][at] = sum(sizes)
            told[f"{name} copies"] = sum(size >= keys for size in sizes)
    for name, (few, many) in totals.items():
        told[f"{name} bytes a token"] = round((many - few) / (ALLOCATED[1] - ALLOCATED[0]), 1)
    assert told["batch copies"], "the count of copies must find those of the batch"
    return told


def allocated(step: Step) -> list[int]:
    """The bytes of every allocation of a step, by torch's profiler; the first step's do not count."""
    from torch.profiler import ProfilerActivity, profile

    step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    return [event.nbytes() for event in events if event.nbytes() > 0]


def together(rig: Rig, problems: int, prompt: int) -> dict[str, float]:
    """Problems of two workers each in one pass, beside one pass after the other and a batch of all the workers."""
    groups = [rig.workers(2, prompt, OWN) for _ in range(problems)]

    def one_by_one() -> None:
        for rows in groups:
            rig.decoder.forward(rows)

    at_once = [row for rows in groups for row in rows]
    batch, _ = rig.batch(2 * problems, prompt + 2 * OWN)
    found = in_turn(rig, {"batch": batch, "one by one": one_by_one, "at once": lambda: rig.decoder.forward(at_once)})
    told = {f"{name}_ms": median(each) for name, each in found.items()}
    return told | {
        "to one by one": ratio(found["at once"], found["one by one"]),
        "to batch": ratio(found["at once"], found["batch"]),
    }


def embedded(name: str, longest: int) -> Rig:
    """An embedded model in float32."""
    model = AutoModelForCausalLM.from_pretrained(path(name), dtype=torch.float32, attn_implementation="sdpa")
    return Rig(model, longest)


def on_cuda() -> list[dict[str, float]]:
    """A model of 1B parameters' shape: tokens a second and the share of the roofline."""
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=16,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=64,
        vocab_size=128_256,
        max_position_embeddings=16_384,
        tie_word_embeddings=True,
    )
    with torch.device("cuda"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation="sdpa")
    rig = Rig(model, PROMPTS[-1] + WORKERS[-1] * (OWN + REPEATS))
    weights = sum(weight.nbytes for weight in rig.plain.parameters())
    speed = bandwidth()
    rows = steps(rig)
    for row in rows:
        for name, cache in (("shared", row["shared_mb"]), ("batch", row["separate_mb"])):
            row[f"{name}_tokens_s"] = round(1000 * row["workers"] / row[f"{name}_ms"], 1)
            row[f"{name}_roofline"] = round((weights + 1e6 * cache) / speed / (row[f"{name}_ms"] / 1000), 3)
        print(
            f"  prompt {row['prompt']}, {row['workers']} workers: shared {row['shared_tokens_s']} tokens/s "
            f"(roofline {row['shared_roofline']:.0%}), batch {row['batch_tokens_s']} ({row['batch_roofline']:.0%})"
        )
    return rows


def bandwidth() -> float:
    """Bytes a second of a copy on the device, read and written."""
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    seconds = []
    for _ in range(REPEATS):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        target.copy_(source)
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    return 2 * source.nbytes / statistics.median(seconds)


def verdicts(told: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Every goal: the value and what it may be at most."""
    goals = {
        f"W={row['workers']} at {row['prompt']}": (row["ratio"], STEP_GOALS[row["workers"]]) for row in told["steps"]
    }
    goals["growth"] = (told["growth"]["ratio"], GROWTH_GOAL)
    goals |= {f"prefill {name}": (value, PREFILL_GOAL) for name, value in told["prefill"].items()}
    goals |= {f"copies W={workers}": (seen["shared copies"], 0) for workers, seen in told["allocations"].items()}
    goals["bytes a token W=1"] = (told["allocations"][1]["shared bytes a token"], 0)
    return goals


def measured() -> dict[str, Any]:
    """All of it, printed as it comes."""
    rig = embedded("smollm2", PROMPTS[0] + 2 * GROWN[1] + REPEATS)
    told: dict[str, Any] = {"steps": steps(rig)}
    told["encoded anew"] = {f"W={row['workers']}": encoded_anew(rig, row) for row in told["steps"][:2]}
    print(f"encoding anew what is seen, at prompt {PROMPTS[0]}, in steps: {told['encoded anew']}", flush=True)
    told["prefill"] = prefill(rig)
    print(f"prefill beside transformers': {told['prefill']}", flush=True)
    told["allocations"] = {workers: allocations(rig, workers) for workers in (1, 2)}
    for workers, seen in told["allocations"].items():
        print(f"allocations of a step, {workers} workers: {seen}", flush=True)
    told["together"] = together(rig, PROBLEMS, 128)
    print(f"{PROBLEMS} problems of 2 workers: {told['together']}", flush=True)
    told["growth"] = growth(rig)
    print(f"growth from {GROWN[0]} to {GROWN[1]} own tokens: {told['growth']}", flush=True)
    small = embedded("abacus-generator", PROMPTS[0])
    told["small"] = {f"{count} problems": together(small, count, 64) for count in (1, 32)}
    for count, row in told["small"].items():
        print(f"abacus-generator, {count} of 2 workers: {row}", flush=True)
    told["cuda"] = on_cuda() if torch.cuda.is_available() else "there is no CUDA device"
    return told


def main() -> int:
    """Measure in turn on one thread, print, write the results; the exit status."""
    torch.set_num_threads(1)
    told = measured()
    summary = {name: {"value": v, "goal": g, "met": v <= g} for name, (v, g) in verdicts(told).items()}
    facts = {"python": platform.python_version(), "torch": version("torch"), "transformers": version("transformers")}
    facts |= {"page_size": PAGE_SIZE, "own": OWN, "chunk": CHUNK, "repeats": REPEATS, "cpus": os.cpu_count()}
    RESULTS.write_text(json.dumps({"facts": facts, **told, "goals": summary}, indent=1) + "\n")
    if isinstance(told["cuda"], str):
        print(told["cuda"])
    marks = {name: "PASS" if goal["met"] else "MISS" for name, goal in summary.items()}
    print("; ".join(f"{name} {goal['value']} (<= {goal['goal']:g}) {marks[name]}" for name, goal in summary.items()))
    return 0 if all(goal["met"] for goal in summary.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

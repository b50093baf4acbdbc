"""Trains abacus-workers from one seed: a small model that works beside others and reads what they write meanwhile.

    python experiments/train_abacus_workers.py

The workers of a problem (`ponder.orchestrator.data.abacus_workers`) write in step over one shared cache, computed as
the `torch` engine computes it; the loss is on what they write. Every step of the training has problems for one worker
alone, problems shared out among two to four, and relays, in which one answers what only another was told.

Writes `orchestrator/models/abacus-workers/` with its model card, and `experiments/results/abacus_workers.json`. One
core is enough: about 25 minutes. The same machine gives the same weights again.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random

import torch
from abacus import folder
from abacus.llama import Generator, Shape
from abacus.training import Schedule, train
from abacus_workers import card
from abacus_workers.lessons import lessons
from abacus_workers.measure import measure
from abacus_workers.rows import loss

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "orchestrator" / "models" / "abacus-workers"
RESULTS = ROOT / "experiments" / "results" / "abacus_workers.json"

SEED = 0
SIZES = (16, 8, 12)  # problems for one alone, shared out, and relays, in every step
SCHEDULE = Schedule(steps=1700, peak=3e-3, decay=0.3)
ROOM = 512  # positions of the longest view
PROBLEMS = 200  # test problems of every kind and number of workers


def trained() -> Generator:
    """The model, on fresh problems in every step."""
    torch.manual_seed(SEED)
    model = Generator(Shape())
    steps = lessons(Random(SEED + 1), SIZES)
    train(model, steps, lambda batches: sum(loss(model, one) for one in batches) / len(batches), SCHEDULE, "workers")
    return model


def save(model: Generator) -> None:
    """Write the folder, with room for what all workers of a problem write."""
    folder.save(model, FOLDER)
    for name, key in (("config", "max_position_embeddings"), ("tokenizer_config", "model_max_length")):
        file = FOLDER / f"{name}.json"
        settings = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**settings, key: ROOM}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Train, save, measure."""
    torch.set_num_threads(1)
    start = time.process_time()
    model = trained()
    minutes = round((time.process_time() - start) / 60)
    save(model)
    figures = measure(model, PROBLEMS, SEED)
    figures["training"] = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "training seed": SEED,
        "minutes": minutes,
        "steps": SCHEDULE.steps,
        **dict(zip(("alone", "shared", "relays"), SIZES, strict=True)),
    }
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    (FOLDER / "README.md").write_text(card.written(figures))


if __name__ == "__main__":
    main()

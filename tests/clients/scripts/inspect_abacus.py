"""Score a composed model with Inspect at each effort."""

import os

from inspect_ai import Task, eval, task
from inspect_ai.dataset import json_dataset
from inspect_ai.scorer import pattern


@task
def abacus() -> Task:
    return Task(dataset=json_dataset("questions.jsonl"), scorer=pattern(r"#(\d+)\s*$"))


if __name__ == "__main__":
    for effort in ("low", "medium", "high"):
        model = f"openai-api/ponder/{os.environ['MODEL']}"  # reads PONDER_BASE_URL and PONDER_API_KEY
        (log,) = eval(abacus(), model=model, reasoning_effort=effort, seed=1, max_connections=64, display="none")
        (score,) = log.results.scores
        (usage,) = log.stats.model_usage.values()
        print(effort, log.status, score.metrics["accuracy"].value, usage.output_tokens)

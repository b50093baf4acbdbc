"""Ask a frontier with the openai client: effort, budget, several answers, seeds and stop strings."""

import os

from openai import OpenAI

client = OpenAI()  # reads OPENAI_BASE_URL and OPENAI_API_KEY
model = os.environ["MODEL"]
question = [{"role": "user", "content": "37+52*4-19="}]

print("models:", *(card.id for card in client.models.list()))

for effort in ("low", "medium", "high"):
    answer = client.chat.completions.create(model=model, messages=question, reasoning_effort=effort, seed=1)
    print(f"{effort}: {answer.model} used {answer.usage.completion_tokens} tokens, {answer.choices[0].finish_reason}")
print(answer.choices[0].message.content)

budget = {"ponder": {"budget": {"completion_tokens": 400}}}
answer = client.chat.completions.create(model=model, messages=question, seed=1, extra_body=budget)
print(f"budget: {answer.model} used {answer.usage.completion_tokens} of 400 tokens")

several = client.chat.completions.create(model=model, messages=question, reasoning_effort="high", n=3, seed=1)
print("answers:", *(choice.index for choice in several.choices))

again = client.chat.completions.create(model=model, messages=question, reasoning_effort="low", seed=7, stop="\n")
print("first step:", again.choices[0].message.content)

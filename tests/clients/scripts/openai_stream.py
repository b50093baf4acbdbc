"""Read an answer while it is written, and what it cost at its end."""

import os

from openai import OpenAI

client = OpenAI()  # reads OPENAI_BASE_URL and OPENAI_API_KEY
stream = client.chat.completions.create(
    model=os.environ["MODEL"],
    messages=[{"role": "user", "content": "37+52*4-19="}],
    reasoning_effort="low",
    seed=1,
    stream=True,
    stream_options={"include_usage": True},
)
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
        if choice.finish_reason:
            print("finished:", choice.finish_reason)
    if chunk.usage:
        print("usage:", chunk.usage.prompt_tokens, chunk.usage.completion_tokens, chunk.usage.total_tokens)

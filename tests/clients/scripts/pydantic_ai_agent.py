"""Use a composed model as the model of a Pydantic AI agent."""

import asyncio
import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings

model = OpenAIChatModel(os.environ["MODEL"])  # reads OPENAI_BASE_URL and OPENAI_API_KEY
agent = Agent(model, model_settings=OpenAIChatModelSettings(openai_reasoning_effort="high", seed=1))

result = agent.run_sync("7*6=")
print("run:", result.output.split()[-1], result.usage.output_tokens)


async def stream() -> None:
    async with agent.run_stream("80-2=") as run:
        pieces = [piece async for piece in run.stream_text(delta=True)]
    print("streamed:", "".join(pieces).split()[-1])


asyncio.run(stream())

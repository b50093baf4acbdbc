"""Ask a composed model several questions at once with the asynchronous openai client."""

import asyncio
import os

from openai import AsyncOpenAI


async def main() -> None:
    async with AsyncOpenAI() as client:  # reads OPENAI_BASE_URL and OPENAI_API_KEY

        async def ask(question: str) -> str:
            answer = await client.chat.completions.create(
                model=os.environ["MODEL"],
                messages=[{"role": "user", "content": question}],
                reasoning_effort="high",
                seed=1,
            )
            return answer.choices[0].message.content

        questions = ["7*6=", "80-2=", "5+5="]
        for question, text in zip(questions, await asyncio.gather(*map(ask, questions)), strict=True):
            print(question, text.split()[-1])


asyncio.run(main())

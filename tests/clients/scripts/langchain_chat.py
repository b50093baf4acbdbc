"""Use a composed model in LangChain."""

import os

from langchain_openai import ChatOpenAI

model = ChatOpenAI(model=os.environ["MODEL"], reasoning_effort="high", seed=1)  # reads OPENAI_BASE_URL, OPENAI_API_KEY

answer = model.invoke("7*6=")
print("invoked:", answer.content.split()[-1], answer.usage_metadata["total_tokens"])

print("streamed:", "".join(chunk.content for chunk in model.stream("80-2=")).split()[-1])

print("batch:", *(answer.content.split()[-1] for answer in model.batch(["5+5=", "9-4="])))

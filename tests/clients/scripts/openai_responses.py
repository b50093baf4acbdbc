"""Ask a composed model through the responses of the openai client, whole and streamed."""

import os

from openai import OpenAI

client = OpenAI()  # reads OPENAI_BASE_URL and OPENAI_API_KEY
model = os.environ["MODEL"]
seed = {"seed": 1}

answer = client.responses.create(model=model, input="37+52*4-19=", reasoning={"effort": "high"}, extra_body=seed)
print(answer.output_text)
print("usage:", answer.usage.input_tokens, answer.usage.output_tokens, answer.status)

with client.responses.stream(model=model, input="7*6=", reasoning={"effort": "low"}, extra_body=seed) as stream:
    for event in stream:
        if event.type == "response.output_text.delta":
            print(event.delta, end="", flush=True)
    print("streamed:", stream.get_final_response().status)

"""What goes wrong, as the openai client raises it, and how often it sent that again."""

import os

import openai

client = openai.OpenAI()  # reads OPENAI_BASE_URL and OPENAI_API_KEY
asked = {"model": os.environ["MODEL"], "messages": [{"role": "user", "content": "37+52*4-19="}]}
too_little = {"ponder": {"budget": {"total_tokens": 5}}}

for name, changes in {
    "too small a budget": {"extra_body": too_little},
    "too small a budget, streamed": {"extra_body": too_little, "stream": True},
    "no such model": {"model": "gpt-4o"},
    "no such effort": {"reasoning_effort": "extreme"},
    "a wrong type": {"temperature": "hot"},
}.items():
    try:
        client.chat.completions.create(**{**asked, **changes})
    except openai.APIStatusError as error:
        sent_again = error.request.headers["x-stainless-retry-count"]
        print(f"{name}: {error.status_code}, param {error.param}, sent again {sent_again} times")

try:
    openai.OpenAI(api_key="some-other-key").models.list()
except openai.AuthenticationError as error:
    print(f"a wrong key: {error.status_code}")

"""Unmodified clients that repeat what fails by themselves, all calls at once.

Runs under an interpreter with their packages and nothing of ours. Out: one line of JSON.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic  # type: ignore[import-not-found] # the peer's
import openai  # type: ignore[import-not-found] # the peer's

GPT = "gpt-4o-2024-08-06"
CLAUDE = "claude-sonnet-4-5-20250929"
FAULTS = ("limited", "broken", "cut_at_once", "cut_in_body", "none")


def chat(fault: str) -> Any:
    asked: Any = [{"role": "user", "content": f"fault {fault}"}]
    told = openai.OpenAI(max_retries=2).chat.completions.create(model=GPT, messages=asked)
    return told.choices[0].message.content


def messages(fault: str) -> Any:
    asked: Any = [{"role": "user", "content": f"fault {fault}"}]
    client = anthropic.Anthropic(max_retries=2)
    return client.messages.create(model=CLAUDE, messages=asked, max_tokens=50).content[0].text


def impatient(_: str) -> Any:
    """Gives up on an answer that takes too long, and asks again by itself."""
    asked: Any = [{"role": "user", "content": "held once"}]
    client = openai.OpenAI(max_retries=2, timeout=0.3)
    return client.chat.completions.create(model=GPT, messages=asked).choices[0].message.content


with ThreadPoolExecutor(16) as threads:
    asked = {
        f"{call.__name__} {fault}": threads.submit(call, fault)
        for call in (chat, messages)
        for fault in FAULTS
    } | {"impatient": threads.submit(impatient, "")}
    told = {name: future.result() for name, future in asked.items()}
sys.stdout.write(json.dumps(told) + "\n")

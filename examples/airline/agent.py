"""A support agent: one model, its policy, and the actions of its release.

It imports nothing of Seatrial. Model and actions come from the addresses in its environment.
"""

import json
import os
import urllib.error
import urllib.request
from pathlib import Path

MODEL = "gpt-4o"
MOST_STEPS = 30
POLICY = (Path(__file__).parent / "prompts" / "policy.md").read_text(encoding="utf-8")


def run(input, context):
    """Answer one message of a customer; earlier ones of the session come with the context."""
    messages = [{"role": "system", "content": POLICY}]
    for turn in context.history:
        messages.append({"role": "user", "content": said(turn["input"])})
        messages.append({"role": "assistant", "content": turn["output"]})
    messages.append({"role": "user", "content": said(input)})
    tools = listed()
    for _ in range(MOST_STEPS):
        asked = {"model": MODEL, "messages": messages, "tools": tools, "temperature": 0}
        message = post("/v1/chat/completions", asked)["choices"][0]["message"]
        calls = message.get("tool_calls") or []
        if not calls:
            return message["content"]
        messages.append(message)
        for call in calls:
            arguments = json.loads(call["function"]["arguments"] or "{}")
            text = acted(call["function"]["name"], arguments)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})
    return "I could not come to an end with this; a colleague will write to you."


def said(input):
    """The customer's words."""
    return input if isinstance(input, str) else json.dumps(input)


def listed():
    """The release's actions as the model's tools."""
    found = get("/v1/actions")["actions"]
    return [
        {
            "type": "function",
            "function": {
                "name": each["name"],
                "description": each["description"],
                "parameters": each["input_schema"],
            },
        }
        for each in found
    ]


def acted(name, arguments):
    """What an action came to, as text for the model."""
    told = post(f"/v1/actions/{name}", arguments)
    if not told["ok"]:
        return f"Error: {told['error']}"
    value = told["value"]
    return value if isinstance(value, str) else json.dumps(value)


def get(path):
    """Ask the cell."""
    return answered(urllib.request.Request(address(path), headers=authority()))


def post(path, body):
    """Send the cell something."""
    headers = {"content-type": "application/json", **authority()}
    return answered(urllib.request.Request(address(path), json.dumps(body).encode(), headers))


def answered(request):
    """The JSON of an answer; a refusal in its own words."""
    try:
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{error.code}: {error.read().decode()}") from None


def address(path):
    """Where the cell answers."""
    return os.environ["SEATRIAL_URL"] + path


def authority():
    """Who this process is."""
    return {"authorization": f"Bearer {os.environ['SEATRIAL_TOKEN']}"}

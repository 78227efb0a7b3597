"""What canonical JSON, signatures, envelopes, rows and boxes cost."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.harness import Comparison, Contender
from bench.work import Work
from seatrial.kit.crypto.canonical import canonical, parse_canonical
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.rows import Place, RowCipher, WrappingKey
from seatrial.kit.crypto.sealing import OpeningKey
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.crypto.statements import Statement, Subject, sign_statement, verify_statement

_TALK = (
    "order refund customer please the shipment was delayed until Monday and I would like to know "
    "whether it can be sent to another address instead “thank you” — café, 12.50 €"
)
_KEY = SigningKey(bytes(range(32)))
_STATEMENT = Statement(
    subjects=(Subject(name="support@14", digest=Digest.of(b"closure")),),
    predicate_type="https://example.com/soak/v1",
    predicate={"runs": 120, "accuracy": 0.97, "criteria": [{"name": "p95", "limit": 4.5}] * 4},
)
_PLACE = Place(environment="production", table="secret", name="CRM_TOKEN", version=3)


def chat(size: int, temperature: float) -> dict[str, Any]:
    """A request to a chat model of about `size` bytes, with two tools and their calls."""
    rng = random.Random(size)  # noqa: S311 - the same text in each process
    tools = [
        {
            "type": "function",
            "function": {
                "name": f"tool_{n}",
                "description": _text(rng, 12),
                "parameters": {
                    "type": "object",
                    "properties": {
                        "order_id": {"type": "string", "description": _text(rng, 6)},
                        "limit": {"type": "integer"},
                    },
                    "required": ["order_id"],
                },
            },
        }
        for n in range(2)
    ]
    asked, answered = (40, 30) if size < 5000 else (100, 250)  # words
    messages: list[dict[str, Any]] = [{"role": "system", "content": _text(rng, 50)}]
    while len(orjson.dumps(messages)) < size - 900:
        name = f"call_{len(messages)}"
        call = {"name": "tool_1", "arguments": json.dumps({"order_id": name, "limit": 1.0})}
        messages += (
            {"role": "user", "content": _text(rng, asked)},
            {"role": "assistant", "content": None,
             "tool_calls": [{"id": name, "type": "function", "function": call}]},
            {"role": "tool", "tool_call_id": name, "content": _text(rng, answered)},
        )  # fmt: skip
    return {
        "model": "some-model-2026-07-18",
        "temperature": temperature,
        "messages": messages,
        "tools": tools,
        "stream": False,
        "max_tokens": 1024,
    }


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_TALK.split(), k=words))


def _repeated(times: int, call: Callable[[], object]) -> Work:
    def work() -> int:
        for _ in range(times):
            call()
        return times

    return work


def _on_chat(
    write: Callable[[Any], object], size: int, temperature: float = 0.2
) -> Callable[[], Iterator[Work]]:
    def contender() -> Iterator[Work]:
        body = chat(size, temperature)
        yield _repeated(20_000_000 // size, lambda: write(body))

    return contender


def _by_orjson(value: object) -> bytes:
    return orjson.dumps(value)


def _by_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _read(size: int) -> Callable[[], Iterator[Work]]:
    def contender() -> Iterator[Work]:
        text = canonical(chat(size, 0.2))
        yield _repeated(20_000_000 // size, lambda: parse_canonical(text))

    return contender


orjson_2k, orjson_100k, orjson_1m = (_on_chat(_by_orjson, n) for n in (2_000, 100_000, 1_000_000))
json_2k, json_100k, json_1m = (_on_chat(_by_json, n) for n in (2_000, 100_000, 1_000_000))
rfc8785_2k, rfc8785_100k, rfc8785_1m = (
    _on_chat(rfc8785.dumps, n) for n in (2_000, 100_000, 1_000_000)
)
ours_2k, ours_100k, ours_1m = (_on_chat(canonical, n) for n in (2_000, 100_000, 1_000_000))
mended_2k, mended_100k, mended_1m = (
    _on_chat(canonical, n, temperature=1.0) for n in (2_000, 100_000, 1_000_000)
)
read_2k, read_100k, read_1m = (_read(n) for n in (2_000, 100_000, 1_000_000))


def bare_sign() -> Iterator[Work]:
    key, message = Ed25519PrivateKey.from_private_bytes(_KEY.raw()), _STATEMENT.payload()
    yield _repeated(3_000, lambda: key.sign(message))


def bare_verify() -> Iterator[Work]:
    key, message = Ed25519PrivateKey.from_private_bytes(_KEY.raw()), _STATEMENT.payload()
    public, signature = key.public_key(), key.sign(message)
    yield _repeated(3_000, lambda: public.verify(signature, message))


def sign_evidence() -> Iterator[Work]:
    yield _repeated(3_000, lambda: sign_statement(_STATEMENT, _KEY))


def verify_evidence() -> Iterator[Work]:
    envelope, trusted = sign_statement(_STATEMENT, _KEY), [_KEY.verify_key]
    yield _repeated(3_000, lambda: verify_statement(envelope, trusted=trusted))


def encrypt_row() -> Iterator[Work]:
    cipher, value = RowCipher(WrappingKey(bytes(32))), bytes(2_000)
    yield _repeated(10_000, lambda: cipher.encrypt(value, _PLACE))


def decrypt_row() -> Iterator[Work]:
    cipher = RowCipher(WrappingKey(bytes(32)))
    row = cipher.encrypt(bytes(2_000), _PLACE)
    yield _repeated(10_000, lambda: cipher.decrypt(row, _PLACE))


def rewrap_row() -> Iterator[Work]:
    old, new = WrappingKey(bytes(32)), WrappingKey(bytes(range(32)))
    row = RowCipher(old).encrypt(bytes(2_000), _PLACE)
    cipher = RowCipher(new, retired=[old])
    yield _repeated(10_000, lambda: cipher.rewrap(row, _PLACE))


def seal_box() -> Iterator[Work]:
    key = OpeningKey(bytes(range(32))).sealing_key
    yield _repeated(2_000, lambda: key.seal(bytes(40), {"environment": "production"}))


def open_box() -> Iterator[Work]:
    key = OpeningKey(bytes(range(32)))
    box = key.sealing_key.seal(bytes(40), {"environment": "production"})
    yield _repeated(2_000, lambda: key.open(box, {"environment": "production"}))


def _canonical(name: str, size: str) -> Comparison:
    return Comparison(
        name=f"canonical-{name}",
        question=f"What does canonical JSON of a {size} chat request cost above plain orjson?",
        operation="document",
        contenders=(
            Contender(name="orjson, not canonical", target=f"bench.crypto:orjson_{name}"),
            Contender(name="json.dumps, sorted", target=f"bench.crypto:json_{name}"),
            Contender(name="rfc8785", target=f"bench.crypto:rfc8785_{name}"),
            Contender(name="canonical", target=f"bench.crypto:ours_{name}"),
            Contender(name="canonical, temperature 1.0", target=f"bench.crypto:mended_{name}"),
            Contender(name="parse_canonical", target=f"bench.crypto:read_{name}"),
        ),
    )


COMPARISONS = (
    _canonical("2k", "2 kB"),
    _canonical("100k", "100 kB"),
    _canonical("1m", "1 MB"),
    Comparison(
        name="signatures",
        question="What does signed evidence cost above a bare Ed25519 signature?",
        operation="signature",
        contenders=(
            Contender(name="bare sign", target="bench.crypto:bare_sign"),
            Contender(name="bare verify", target="bench.crypto:bare_verify"),
            Contender(name="sign_statement", target="bench.crypto:sign_evidence"),
            Contender(name="verify_statement", target="bench.crypto:verify_evidence"),
        ),
    ),
    Comparison(
        name="secrets",
        question="What do encrypted rows (2 kB) and sealed boxes (40 B) cost?",
        operation="secret",
        contenders=(
            Contender(name="encrypt a row", target="bench.crypto:encrypt_row"),
            Contender(name="decrypt a row", target="bench.crypto:decrypt_row"),
            Contender(name="wrap a row anew", target="bench.crypto:rewrap_row"),
            Contender(name="seal a box", target="bench.crypto:seal_box"),
            Contender(name="open a box", target="bench.crypto:open_box"),
        ),
    ),
)

"""The texts that every masker of `bench.masking` gets: made-up support talk, 8 MB in all."""

import random
from typing import Final

FIRST: Final = ("Mia", "Noah", "Priya", "Tomasz", "Leilani", "Amadou", "Johanna", "Diego", "Sora")
LAST: Final = ("Okonkwo", "Lindqvist", "Nakamura", "Hernandez", "Fitzgerald", "Abdullah", "Novak")
STREETS: Final = ("Sunset Drive", "River Road", "Old Quarry Lane", "Kestrel Avenue")
TALK: Final = (
    "Hi, I am {name} and my order {order} has not arrived yet.",
    "Could you confirm your email? I have {email} on file for you.",
    "Yes, that is right, or call me at {phone} after five.",
    "The replacement goes to {street}, is that correct?",
    "I would like to change the size of the boots in order {order} to 9, in black leather.",
    "Let me look that up. The refund of $123.45 goes to the card you paid with.",
    "Thank you, {first}. Is there anything else that I can help you with today?",
    "No, that is all. My user id is {user}, in case you need it again.",
    "The policy says that an exchange can be requested once the order has been delivered.",
    '{{"order_id": "{order}", "user_id": "{user}", "status": "delivered", "items": [5917587651]}}',
)


def customer(number: int) -> dict[str, str]:
    """A made-up customer."""
    draw = random.Random(number)  # noqa: S311 - made up
    first, last = draw.choice(FIRST), draw.choice(LAST)
    return {
        "user": f"{first.lower()}_{last.lower()}_{number:05}",
        "first": first,
        "name": f"{first} {last}",
        "email": f"{first.lower()}.{last.lower()}{number}@corp.test",
        "phone": f"+1 {draw.randrange(201, 989)} {draw.randrange(200, 999)} {number % 10000:04}",
        "street": f"{draw.randrange(10, 9999)} {draw.choice(STREETS)}",
        "order": f"#W{draw.randrange(10**6, 10**7)}",
    }


def transcripts(count: int, turns: int) -> list[tuple[dict[str, str], list[str]]]:
    """`count` customers, each with the `turns` texts of one talk."""
    every = []
    for number in range(count):
        draw, of = random.Random(-1 - number), customer(number)  # noqa: S311 - made up
        every.append((of, [draw.choice(TALK).format(**of) for _ in range(turns)]))
    return every


TRANSCRIPTS: Final = transcripts(1000, 100)
SIZE: Final = sum(len(text.encode()) for _, texts in TRANSCRIPTS for text in texts)  # bytes

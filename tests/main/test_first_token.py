"""The first token is shown once, and is the one that counts, whoever starts beside whom."""

import asyncio
from pathlib import Path

from seatrial.kit.crypto.tokens import Token
from seatrial.main.process import show_first_token


class Claims:
    """As the database does it: the first token wins, and may ask again."""

    def __init__(self) -> None:
        self.first: str | None = None

    async def __call__(self, token: Token) -> bool:
        await asyncio.sleep(0)
        self.first = self.first or token.reveal()
        return self.first == token.reveal()


def test_processes_that_share_a_folder_show_the_one_that_counts(tmp_path: Path) -> None:
    claims = Claims()

    async def main() -> None:
        await asyncio.gather(
            *(show_first_token(tmp_path, "control", "api", claims) for _ in range(8))
        )

    asyncio.run(main())
    assert (tmp_path / "first.token").read_text() == claims.first
    assert [path.name for path in tmp_path.iterdir()] == ["first.token"]


def test_a_later_start_shows_none(tmp_path: Path) -> None:
    claims = Claims()
    asyncio.run(show_first_token(tmp_path, "control", "api", claims))
    (tmp_path / "first.token").unlink()
    asyncio.run(show_first_token(tmp_path, "control", "api", claims))
    assert not [*tmp_path.iterdir()]


def test_a_crash_after_the_claim_loses_nothing(tmp_path: Path) -> None:
    claims = Claims()

    class Crash(Exception):
        pass

    async def dies(token: Token) -> bool:
        await claims(token)
        raise Crash

    try:
        asyncio.run(show_first_token(tmp_path, "control", "api", dies))
    except Crash:
        asyncio.run(show_first_token(tmp_path, "control", "api", claims))
    assert (tmp_path / "first.token").read_text() == claims.first

import asyncio

from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.lifetime import Lifetime, Phase, answer_readiness
from tests.kit.http.peers import Answer, call, scope


def _ready(lifetime: Lifetime) -> Answer:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_readiness(send, lifetime)

    return asyncio.run(call(app, scope()))


def test_a_life_goes_through_its_phases_in_order() -> None:
    lifetime = Lifetime()
    seen = [lifetime.phase]
    for step in (lifetime.serve, lifetime.drain, lifetime.end):
        step()
        seen.append(lifetime.phase)
    assert seen == list(Phase)


def test_what_has_begun_to_end_never_serves_again() -> None:
    lifetime = Lifetime()
    lifetime.drain()
    lifetime.serve()
    assert (lifetime.phase, lifetime.serving, lifetime.draining) == (Phase.DRAINING, False, True)
    lifetime.end()
    lifetime.drain()
    assert lifetime.phase is Phase.ENDED


def test_everybody_who_waits_is_told() -> None:
    async def main() -> None:
        lifetime = Lifetime()
        waiting = [asyncio.create_task(lifetime.told_to_end()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        lifetime.drain()
        await asyncio.gather(*waiting)
        await lifetime.told_to_end()

    asyncio.run(main())


def test_only_a_serving_process_is_ready() -> None:
    lifetime = Lifetime()
    assert _ready(lifetime).status == 503
    lifetime.serve()
    got = _ready(lifetime)
    assert (got.status, got.json) == (200, {"phase": "serving"})
    lifetime.drain()
    got = _ready(lifetime)
    assert (got.status, got.json, got.headers[b"retry-after"]) == (503, {"phase": "draining"}, b"1")

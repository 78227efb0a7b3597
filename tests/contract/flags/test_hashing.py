import runpy
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.flags import hashing
from seatrial.contract.flags.hashing import murmur3, murmur3_by_definition

BOTH = pytest.mark.parametrize("hashed", [murmur3, murmur3_by_definition])


@BOTH
def test_the_hash_is_the_published_one(hashed: Any) -> None:
    # Vectors that implementations of MurmurHash3_x86_32 share, seed 0.
    assert hashed(b"") == 0
    assert hashed(b"hello") == 0x248BFA47
    assert hashed(b"hello, world") == 0x149BBB7F
    assert hashed(b"The quick brown fox jumps over the lazy dog") == 0x2E4FF723


@given(st.binary(max_size=600))
def test_the_fast_way_gives_what_the_definition_gives(data: bytes) -> None:
    assert murmur3(data) == murmur3_by_definition(data)


@pytest.mark.parametrize(
    "library",
    [
        None,
        SimpleNamespace(),
        SimpleNamespace(mmh3_32_uintdigest=lambda data: murmur3_by_definition(data) ^ 1),
        SimpleNamespace(mmh3_32_uintdigest=lambda data: murmur3_by_definition(data[:1000])),
    ],
    ids=["missing", "renamed", "another hash", "wrong for long data"],
)
def test_a_library_that_is_missing_or_differs_is_not_used(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mmh3", library)
    fresh = runpy.run_path(hashing.__file__)
    assert fresh["murmur3"] is fresh["murmur3_by_definition"]
    assert fresh["murmur3"](b"hello") == 0x248BFA47


def test_a_library_that_agrees_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def agreeing(data: bytes) -> int:
        return murmur3_by_definition(data)

    monkeypatch.setitem(sys.modules, "mmh3", SimpleNamespace(mmh3_32_uintdigest=agreeing))
    assert runpy.run_path(hashing.__file__)["murmur3"] is agreeing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.transparency.domain import Consistency, Inclusion, ProofInvalid
from seatrial.kit.transparency.merkle import (
    EMPTY_ROOT,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.kit.transparency import trees
from tests.kit.transparency.trees import Kept

# Certificate Transparency's own: eight leaves, the root of each size, and some proofs.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243",
        "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION_0_OF_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
CONSISTENCY_6_TO_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]

_LEAVES = st.lists(st.binary(max_size=8), min_size=1, max_size=70)
_JUNK = st.lists(st.binary(min_size=32, max_size=32), max_size=8)


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_standard(size: int) -> None:
    assert Kept(LEAVES[:size]).frontier.root.hex() == ROOTS[size]


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert EMPTY_ROOT.hex() == ROOTS[0]


def test_proofs_are_those_of_the_standard() -> None:
    kept = Kept(LEAVES)
    inclusion = kept.hashes(inclusion_ranges(0, 8))
    consistency = kept.hashes(consistency_ranges(6, 8))
    assert [proof.hex() for proof in inclusion] == INCLUSION_0_OF_8
    assert [proof.hex() for proof in consistency] == CONSISTENCY_6_TO_8


@given(_LEAVES)
def test_a_tree_grown_leaf_by_leaf_is_the_tree_of_all_its_leaves(leaves: list[bytes]) -> None:
    kept = Kept(leaves)
    assert kept.frontier.root == trees.root(leaves)
    assert len(kept.nodes) == 2 * len(leaves) - len(leaves).bit_count()


@given(_LEAVES, st.data())
def test_inclusion_proofs_are_the_naive_ones_and_hold(
    leaves: list[bytes], data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, len(leaves)))
    index = data.draw(st.integers(0, size - 1))
    hashes = Kept(leaves).hashes(inclusion_ranges(index, size))
    assert list(hashes) == trees.path(index, leaves[:size])
    proof = Inclusion(index=index, size=size, hashes=hashes)
    verify_inclusion(leaf_hash(leaves[index]), proof, trees.root(leaves[:size]))


@given(_LEAVES, st.data())
def test_consistency_proofs_are_the_naive_ones_and_hold(
    leaves: list[bytes], data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, len(leaves)))
    old = data.draw(st.integers(1, size))
    hashes = Kept(leaves).hashes(consistency_ranges(old, size))
    assert list(hashes) == trees.subproof(old, leaves[:size])
    proof = Consistency(old=old, size=size, hashes=hashes)
    verify_consistency(trees.root(leaves[:old]), proof, trees.root(leaves[:size]))


@given(_LEAVES, _JUNK, st.data())
def test_no_other_proof_puts_a_leaf_where_it_is_not(
    leaves: list[bytes], junk: list[bytes], data: st.DataObject
) -> None:
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    good = trees.path(index, leaves)
    root = trees.root(leaves)
    leaf = leaf_hash(leaves[index])
    bent = data.draw(
        st.sampled_from([good[1:], good[:-1], [*good, root], good[::-1], junk])
    )  # fmt: skip
    if bent != good:
        with pytest.raises(ProofInvalid):
            verify_inclusion(leaf, Inclusion(index=index, size=size, hashes=tuple(bent)), root)
    stranger = leaf_hash(b"something else than eight bytes")
    with pytest.raises(ProofInvalid, match="another root"):
        verify_inclusion(stranger, Inclusion(index=index, size=size, hashes=tuple(good)), root)
    with pytest.raises(ProofInvalid):
        verify_inclusion(leaf, Inclusion(index=size, size=size, hashes=tuple(good)), root)


@given(_LEAVES, _LEAVES, _JUNK, st.data())
def test_a_tree_that_was_rewritten_is_consistent_with_nothing_older(
    leaves: list[bytes], others: list[bytes], junk: list[bytes], data: st.DataObject
) -> None:
    old = data.draw(st.integers(1, len(leaves)))
    size = max(len(others), old)
    rewritten = (others + leaves[len(others) :])[:size]
    old_root, root = trees.root(leaves[:old]), trees.root(rewritten)
    honest = old_root == trees.root(rewritten[:old])
    for hashes in (trees.subproof(old, rewritten), junk):
        proof = Consistency(old=old, size=size, hashes=tuple(hashes))
        if honest and hashes == trees.subproof(old, rewritten):
            verify_consistency(old_root, proof, root)
        else:
            with pytest.raises(ProofInvalid):
                verify_consistency(old_root, proof, root)


@pytest.mark.parametrize(("old", "size"), [(0, 0), (0, 8), (-1, 8), (9, 8)])
def test_from_nothing_and_backwards_nothing_is_proved(old: int, size: int) -> None:
    with pytest.raises(ValueError, match="nothing can prove"):
        consistency_ranges(old, size)
    with pytest.raises(ProofInvalid, match=f"from {old} to {size}"):
        verify_consistency(
            EMPTY_ROOT, Consistency(old=old, size=size, hashes=()), bytes.fromhex(ROOTS[8])
        )


def test_of_one_size_there_is_one_root() -> None:
    same = Consistency(old=8, size=8, hashes=())
    root = bytes.fromhex(ROOTS[8])
    verify_consistency(root, same, root)
    with pytest.raises(ProofInvalid, match="two roots"):
        verify_consistency(EMPTY_ROOT, same, root)
    with pytest.raises(ProofInvalid, match="two roots"):
        verify_consistency(root, Consistency(old=8, size=8, hashes=(root,)), root)


@pytest.mark.parametrize(("old", "hashes"), [(6, 0), (6, 2), (6, 4), (4, 0), (4, 2)])
def test_a_consistency_proof_of_another_length_is_refused(old: int, hashes: int) -> None:
    good = Kept(LEAVES).hashes(consistency_ranges(old, 8))
    other = (*good, *good)[:hashes]
    with pytest.raises(ProofInvalid):
        verify_consistency(
            bytes.fromhex(ROOTS[old]),
            Consistency(old=old, size=8, hashes=other),
            bytes.fromhex(ROOTS[8]),
        )


def test_what_is_no_hash_is_in_no_proof() -> None:
    short = Inclusion(index=0, size=2, hashes=(b"short",))
    with pytest.raises(ProofInvalid, match="no SHA-256"):
        verify_inclusion(leaf_hash(b""), short, EMPTY_ROOT)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_what_is_not_in_a_tree_has_no_path(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_ranges(index, size)

"""Merkle trees against RFC 6962's recursive definition and its published test vectors."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact.telemetry.merkle import MerkleProof, MerkleTree, leaf_hash, node_hash, verify_inclusion

# the reference inputs of the Certificate Transparency project, and the root after each of them
VECTORS = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
]
leaves_of = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


def recursive_root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(recursive_root(leaves[:half]), recursive_root(leaves[half:]))


@pytest.mark.parametrize("count", range(1, len(VECTORS) + 1))
def test_published_roots(count):
    leaves = [bytes.fromhex(data) for data, _ in VECTORS[:count]]
    assert MerkleTree(leaves).root.hex() == VECTORS[count - 1][1]


def test_empty_tree():
    tree = MerkleTree([])
    assert tree.root == hashlib.sha256(b"").digest()
    with pytest.raises(IndexError):
        tree.proof(0)


@given(leaves_of)
def test_root_is_the_recursive_one(leaves):
    assert MerkleTree(leaves).root == recursive_root(leaves)


@given(leaves_of, st.data())
def test_every_leaf_is_proven(leaves, data):
    tree = MerkleTree(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = tree.proof(index)
    assert verify_inclusion(leaves[index], proof, tree.root)
    assert msgspec.json.decode(msgspec.json.encode(proof), type=MerkleProof) == proof


@given(leaves_of, st.data())
def test_an_altered_proof_fails(leaves, data):
    tree = MerkleTree(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = tree.proof(index)
    assert not verify_inclusion(leaves[index] + b"x", proof, tree.root)
    assert not verify_inclusion(leaves[index], proof, bytes(32))
    longer = MerkleProof(proof.index, proof.size, (*proof.path, bytes(32)))
    assert not verify_inclusion(leaves[index], longer, tree.root)
    assert not verify_inclusion(leaves[index], MerkleProof(proof.size, proof.size, proof.path), tree.root)
    if proof.path:
        at = data.draw(st.integers(0, len(proof.path) - 1))
        bent = tuple(bytes(32) if i == at else step for i, step in enumerate(proof.path))
        assert not verify_inclusion(leaves[index], MerkleProof(index, proof.size, bent), tree.root)
        assert not verify_inclusion(leaves[index], MerkleProof(index, proof.size, proof.path[:-1]), tree.root)


def test_a_node_is_no_leaf():
    tree = MerkleTree([b"a", b"b"])
    inside = leaf_hash(b"a") + leaf_hash(b"b")
    assert not verify_inclusion(inside, MerkleProof(0, 1, ()), tree.root)


@given(leaves_of, st.data())
def test_a_proof_holds_at_one_place_only(leaves, data):
    distinct = [bytes([i]) + leaf for i, leaf in enumerate(leaves)]
    tree = MerkleTree(distinct)
    index = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.integers(0, len(leaves) - 1))
    moved = MerkleProof(other, len(leaves), tree.proof(index).path)
    assert verify_inclusion(distinct[index], moved, tree.root) == (other == index)

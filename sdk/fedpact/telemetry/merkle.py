"""Merkle trees over byte strings, as in RFC 6962 section 2.1 (SHA-256, prefixed leaves and nodes)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

import msgspec

Hash = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class MerkleProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That one leaf is in a tree.

    Attributes
    ----------
    index : position of the leaf, from 0.
    size : number of leaves of the tree.
    path : the sibling hashes from the leaf's level up to the root's children.
    """

    index: Annotated[int, msgspec.Meta(ge=0)]
    size: Annotated[int, msgspec.Meta(ge=1)]
    path: Annotated[tuple[Hash, ...], msgspec.Meta(max_length=64)]


class MerkleTree:
    """A tree over leaves; building it is O(n) hashes, a proof O(log n).

    Parameters
    ----------
    leaves : the data of the leaves, in order.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        level = [leaf_hash(leaf) for leaf in leaves]
        self._levels = [level]
        while len(level) > 1:
            paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
            # an odd last node moves up as it is: the same tree as RFC 6962's split at a power of two
            level = paired + level[len(paired) * 2 :]
            self._levels.append(level)

    def __len__(self) -> int:
        return len(self._levels[0])

    @property
    def root(self) -> bytes:
        """The root hash, 32 bytes; of the empty tree the hash of nothing."""
        return self._levels[-1][0] if self._levels[0] else hashlib.sha256().digest()

    def proof(self, index: int) -> MerkleProof:
        """Prove that a leaf is in the tree.

        Raises
        ------
        IndexError
            If there is no such leaf.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"no leaf {index} in a tree of {len(self)}")
        path, position = [], index
        for level in self._levels[:-1]:
            sibling = position ^ 1
            if sibling < len(level):
                path.append(level[sibling])
            position //= 2
        return MerkleProof(index, len(self), tuple(path))


def verify_inclusion(leaf: bytes, proof: MerkleProof, root: bytes) -> bool:
    """Whether the leaf is where the proof says in the tree of this root (RFC 9162 section 2.1.3.2).

    Parameters
    ----------
    leaf : the data of the leaf.
    proof : from whom it may concern; nothing in it is trusted.
    root : 32 bytes, from the ledger.
    """
    if proof.index >= proof.size:
        return False
    position, last = proof.index, proof.size - 1
    found = leaf_hash(leaf)
    for sibling in proof.path:
        if last == 0:
            return False
        if position & 1 or position == last:
            found = node_hash(sibling, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and found == root


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf: SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()

"""Which Flower node is which member of the ledger: a signed answer to a challenge.

Flower knows its nodes by numbers, the ledger knows its members by certificates. A node proves who it is by
signing a challenge with the key that it registered on the ledger; otherwise any node could pass for a
member, take its messages, and have that member punished for its silence.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from fedpact.identity import Identity
from fedpact.identity.signer import SIGNATURE_ALGORITHM

CHALLENGE_BYTES = 32
_PURPOSE = b"fedpact/flower/identify/1\n"


def answer(identity: Identity, challenge: bytes, flower_node: int) -> bytes:
    """Sign a challenge, so that the signature is good for this Flower node and nothing else.

    Raises
    ------
    ValueError
        The challenge is not of 32 bytes: a longer one might be something else that would be signed.
    """
    return identity.sign(_statement(challenge, flower_node))


def proves(public_key: str, signature: bytes, challenge: bytes, flower_node: int) -> bool:
    """Tell whether the owner of a registered key (uncompressed point, hex) signed this challenge."""
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(public_key))
        key.verify(signature, _statement(challenge, flower_node), SIGNATURE_ALGORITHM)
    except (InvalidSignature, ValueError):
        return False
    return True


def _statement(challenge: bytes, flower_node: int) -> bytes:
    if len(challenge) != CHALLENGE_BYTES:
        raise ValueError(f"a challenge has {CHALLENGE_BYTES} bytes, not {len(challenge)}")
    return _PURPOSE + challenge + str(flower_node).encode()

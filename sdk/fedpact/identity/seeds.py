"""Keys and numbers that follow from a seed, for demonstrations and tests that must repeat.

Whoever knows the seed knows every key: a consortium in earnest has none.
"""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["derive_bytes", "derive_private_key"]

# Order of the group of P-256 (FIPS 186-5, SP 800-186 section 3.2.1.3).
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SALT = b"fedpact identity seed v1"


def derive_bytes(seed: bytes, label: str, length: int) -> bytes:
    """Derive `length` bytes (1 to 8160) from a seed for one purpose (HKDF-SHA256, RFC 5869).

    Raises
    ------
    ValueError
        The seed is empty.
    """
    if not seed:
        raise ValueError("a seed must have at least one byte")
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=_SALT, info=label.encode()).derive(seed)


def derive_private_key(seed: bytes, label: str) -> ec.EllipticCurvePrivateKey:
    """Derive a P-256 key; 64 bits more than the order keep its bias negligible (FIPS 186-5 A.2.1)."""
    number = int.from_bytes(derive_bytes(seed, label, 40), "big")
    return ec.derive_private_key(number % (P256_ORDER - 1) + 1, ec.SECP256R1())

"""Protobuf fields written by hand, where going through a message would copy everything once more."""

from __future__ import annotations


def varint(number: int) -> bytes:
    """Encode a number that is not negative as protobuf does."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def length_delimited(number: int, content: bytes) -> bytes:
    """Encode field `number` (1 to 15) with bytes, text or a message; proto3 leaves empty ones out."""
    return bytes((number << 3 | 2,)) + varint(len(content)) + content if content else b""

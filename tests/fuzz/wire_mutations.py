"""Damaging protobuf messages without their schema: fields dropped, doubled, exchanged, broken at any depth.

A message is a list of `Field`s; a field with a length may be a message itself, and is descended into where
its bytes parse as one.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.fuzz.choices import Choices

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = range(6)
NUMBERS = (0, 1, 2, 127, 128, 400, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
FIELD_NUMBERS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 99, 536_870_911)
TEXTS = (
    b"",
    b"\x00",
    b"\xff\xfe\x80",
    "é😀\u0000\U0010ffff".encode(),
    b"\xed\xa0\x80",  # a surrogate: no valid UTF-8
    b"consortium",
    b"nochannel",
    b"probe",
    b"fedpact",
    b"_lifecycle",
    b"lscc",
    b"cells:create",
    b"../../etc/passwd",
    b"a" * 300,
    b"\x00" * 33,
    b"{" * 5000,
    b'{"a":' * 2000,
    b"9" * 400,
)


class Field(NamedTuple):
    """One field; the value is an int for a varint, else its bytes."""

    number: int
    kind: int
    value: int | bytes


def varint(value: int, pad: int = 0) -> bytes:
    """Encode a varint, with superfluous bytes if asked for."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value | 128 if pad else value)
    out += b"\x80" * max(pad - 1, 0) + (b"\x00" if pad else b"")
    return bytes(out)


def parse(data: bytes) -> list[Field] | None:
    """Return a message's fields; None where the bytes are none."""
    fields: list[Field] = []
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        if position < 0 or not number:
            return None
        value: int | bytes
        if kind == VARINT:
            value, position = _varint(data, position)
            if position < 0:
                return None
        elif kind in (FIXED32, FIXED64, LENGTH):
            size = 4 if kind == FIXED32 else 8
            if kind == LENGTH:
                size, position = _varint(data, position)
            if position < 0 or position + size > len(data):
                return None
            value = data[position : position + size]
            position += size
        else:
            return None
        fields.append(Field(number, kind, value))
    return fields


def serialise(fields: list[Field]) -> bytes:
    """Encode fields as they are, right or wrong."""
    out = bytearray()
    for number, kind, value in fields:
        out += varint(number << 3 | kind)
        if isinstance(value, int):
            out += varint(value)
        elif kind == LENGTH:
            out += varint(len(value)) + value
        else:
            out += value
    return bytes(out)


def mutate(data: bytes, choices: Choices) -> bytes:
    """Return a message with one to three damages, each somewhere in its depth."""
    for _ in range(1 + choices.below(3) * choices.below(2)):
        data = _descend(data, choices, 0)
    return data


def _descend(data: bytes, choices: Choices, depth: int) -> bytes:
    fields = parse(data)
    if not fields:
        return damage_bytes(data, choices)
    if choices.maybe(12):
        return _damage_frame(data, fields, choices)
    place = choices.below(len(fields))
    field = fields[place]
    if field.kind == LENGTH and depth < 24 and choices.maybe(80) and parse(bytes(field.value)):
        inner = _descend(bytes(field.value), choices, depth + 1)
        fields[place] = field._replace(value=inner)
    else:
        _damage_fields(fields, place, choices)
    return serialise(fields)


def _damage_fields(fields: list[Field], place: int, choices: Choices) -> None:
    field = fields[place]
    how = choices.below(8)
    if how == 0:
        del fields[place]
    elif how == 1:
        fields.insert(choices.below(len(fields) + 1), field)
    elif how == 2:
        other = choices.below(len(fields))
        fields[place], fields[other] = fields[other], fields[place]
    elif how == 3:
        fields[place] = field._replace(number=choices.one_of(FIELD_NUMBERS))
    elif how == 4:
        fields[place] = _other_kind(field, choices)
    elif how == 5:
        fields.insert(place, Field(1 + choices.below(20), LENGTH, choices.one_of(TEXTS)))
    elif field.kind == VARINT:
        fields[place] = field._replace(value=choices.one_of(NUMBERS))
    elif field.kind == LENGTH:
        fields[place] = field._replace(value=damage_bytes(bytes(field.value), choices))
    else:
        fields[place] = field._replace(value=choices.some_bytes(16))


def _other_kind(field: Field, choices: Choices) -> Field:
    kind = choices.one_of((VARINT, FIXED64, LENGTH, FIXED32, GROUP, END_GROUP, 7))
    value = field.value
    if kind == VARINT:
        return Field(field.number, kind, value if isinstance(value, int) else choices.one_of(NUMBERS))
    raw = varint(value) if isinstance(value, int) else bytes(value)
    if kind in (FIXED32, FIXED64):
        raw = raw.ljust(8, b"\x00")[: 4 if kind == FIXED32 else 8]
    return Field(field.number, kind, raw if kind < GROUP or kind == FIXED32 else b"")


def _damage_frame(data: bytes, fields: list[Field], choices: Choices) -> bytes:  # noqa: PLR0911
    """Damage how the fields are put together."""
    how = choices.below(7)
    if how == 0:
        return data[: choices.below(len(data))]
    if how == 1:
        return data + data
    if how == 2:
        return data + varint(choices.below(30) << 3 | LENGTH) + varint(choices.one_of(NUMBERS))
    if how == 3:  # groups in groups, or messages in messages, deeper than any parser should go
        deep = 150 + choices.below(400)
        number = 1 + choices.below(4)
        if choices.maybe(50):
            return data + varint(number << 3 | GROUP) * deep + varint(number << 3 | END_GROUP) * deep
        inner = b""
        for _ in range(deep):
            inner = varint(number << 3 | LENGTH) + varint(len(inner)) + inner
        return data + inner
    if how == 4:
        return data + varint(8 + (choices.below(9) << 3)) + b"\xff" * 11
    if how == 5:
        field = fields[choices.below(len(fields))]
        return (
            data + varint(field.number << 3 | VARINT) + varint(choices.one_of(NUMBERS), pad=choices.below(9))
        )
    return b"" if choices.maybe(50) else serialise(fields[::-1])


def damage_bytes(data: bytes, choices: Choices) -> bytes:  # noqa: PLR0911
    """Damage something whose form is unknown: text, a signature, a certificate, a number."""
    how = choices.below(8)
    if how == 0 or not data:
        return choices.one_of(TEXTS)
    if how == 1:
        return data[: choices.below(len(data))]
    if how == 2:
        return choices.some_bytes(2 * len(data) + 8)
    if how == 3:
        place = choices.below(len(data))
        return data[:place] + bytes((data[place] ^ 1 << choices.below(8),)) + data[place + 1 :]
    if how == 4:
        place = choices.below(len(data))
        return data[:place] + choices.one_of(TEXTS) + data[place:]
    if how == 5:
        return data + data
    if how == 6:
        return data * (1 + choices.below(50))
    return data[::-1]


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return a varint and where it ends; -1 where there is none."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            return 0, -1
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), position
    return 0, -1

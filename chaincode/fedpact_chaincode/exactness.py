"""No float ever enters contract state: checked once, on the types."""

from __future__ import annotations

import msgspec
from msgspec import inspect

_INEXACT = (inspect.FloatType, inspect.AnyType, inspect.RawType)


def refuse_floats(struct: type[msgspec.Struct]) -> None:
    """Refuse a struct type that could hold a float anywhere, untyped fields and containers included.

    Raises
    ------
    TypeError
        Naming the type.
    """
    seen: set[int] = set()
    waiting: list[object] = [inspect.type_info(struct)]
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, _INEXACT):
            raise TypeError(f"{struct.__name__} has a field that could hold a float")
        if isinstance(found, tuple):
            waiting += found
        elif isinstance(found, inspect.Type | inspect.Field):
            waiting += [getattr(found, name) for name in _PARTS if hasattr(found, name)]


_PARTS = ("fields", "type", "types", "item_type", "item_types", "key_type", "value_type")
"""Where `msgspec.inspect` keeps the types that a type is made of."""

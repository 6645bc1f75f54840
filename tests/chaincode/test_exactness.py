"""No type of a message, record or result could hold a float."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from fedpact_chaincode.contract import Micros
from fedpact_chaincode.exactness import refuse_floats
from fedpact_chaincode.state import MAPS, Map, Record


class Inner(msgspec.Struct):
    value: float


class Tagged(msgspec.Struct, tag="t"):
    value: int


class Recursive(msgspec.Struct):
    children: list[Recursive]
    amount: Micros


@pytest.mark.parametrize(
    "held",
    [
        float,
        float | None,
        int | float,
        list[float],
        dict[str, float],
        tuple[int, float],
        tuple[float, ...],
        Annotated[float, msgspec.Meta(ge=0)],
        Inner,
        list[Inner | None],
        Any,
        list,
        dict,
        msgspec.Raw,
    ],
)
def test_whatever_could_hold_a_float_is_refused(held: Any) -> None:
    struct = msgspec.defstruct("Holder", [("amount", int), ("held", held)])
    with pytest.raises(TypeError, match="Holder"):
        refuse_floats(struct)


@pytest.mark.parametrize(
    "held", [int, str, bytes, list[int], dict[str, list[Tagged]], Recursive, Tagged | None]
)
def test_exact_types_pass(held: Any) -> None:
    refuse_floats(msgspec.defstruct("Holder", [("held", held)]))


class Weighed(Record, frozen=True, kw_only=True):
    name: str
    weight: float


def test_no_map_holds_floats() -> None:
    with pytest.raises(TypeError, match="Weighed"):
        Map("tests.weighed", Weighed, key=("name",))
    assert "tests.weighed" not in MAPS

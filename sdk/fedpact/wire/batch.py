"""When the orderer cuts a block, as a channel's configuration says it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

from fabric_protos.common import configtx_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2

from fedpact.wire.config_blocks import value_of
from fedpact.wire.errors import ConfigError, WireCode, WireError

__all__ = ["BatchRules", "milliseconds"]

_UINT32: Final = 2**32 - 1
_MAX_DURATION: Final = 64
_PART: Final = r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)"
_DURATION: Final = re.compile(f"\\+?(?:{_PART})+")
_UNITS_MS: Final = {
    "ns": Decimal("0.000001"),
    "us": Decimal("0.001"),
    "µs": Decimal("0.001"),
    "μs": Decimal("0.001"),
    "ms": Decimal(1),
    "s": Decimal(1000),
    "m": Decimal(60_000),
    "h": Decimal(3_600_000),
}


@dataclass(frozen=True, slots=True)
class BatchRules:
    """When the orderer cuts a block: at whichever of these comes first.

    Attributes
    ----------
    max_messages
        Transactions in a block.
    max_bytes
        Bytes of transactions in a block, as long as it holds more than one.
    absolute_max_bytes
        Bytes of a single transaction; larger ones are refused.
    timeout_ms
        Longest wait of a transaction for company, in milliseconds.

    Raises
    ------
    ConfigError
        A number is not in 1 to 2**32 - 1, or `max_bytes` exceeds `absolute_max_bytes`.
    """

    max_messages: int = 500
    max_bytes: int = 4 * 2**20
    absolute_max_bytes: int = 16 * 2**20
    timeout_ms: int = 20

    def __post_init__(self) -> None:
        for name in ("max_messages", "max_bytes", "absolute_max_bytes", "timeout_ms"):
            if not 1 <= getattr(self, name) <= _UINT32:
                raise ConfigError(f"{name} must be between 1 and {_UINT32}")
        if self.max_bytes > self.absolute_max_bytes:
            raise ConfigError("max_bytes must not exceed absolute_max_bytes")

    @classmethod
    def from_group(cls, orderer: configtx_pb2.ConfigGroup) -> Self:
        """Read the rules from a configuration's Orderer group.

        Raises
        ------
        WireError
            BAD_BLOCK.
        ConfigError
            As for the constructor.
        """
        size = value_of(orderer, "BatchSize", orderer_pb2.BatchSize)
        timeout = value_of(orderer, "BatchTimeout", orderer_pb2.BatchTimeout)
        return cls(
            size.max_message_count,
            size.preferred_max_bytes,
            size.absolute_max_bytes,
            milliseconds(timeout.timeout),
        )

    def values(self) -> dict[str, orderer_pb2.BatchSize | orderer_pb2.BatchTimeout]:
        """Return the values of the Orderer group that say this."""
        return {
            "BatchSize": orderer_pb2.BatchSize(
                max_message_count=self.max_messages,
                preferred_max_bytes=self.max_bytes,
                absolute_max_bytes=self.absolute_max_bytes,
            ),
            "BatchTimeout": orderer_pb2.BatchTimeout(timeout=f"{self.timeout_ms}ms"),
        }


def milliseconds(duration: str) -> int:
    """Read a duration as Go writes it (``20ms``, ``1m2.5s``); less than a millisecond counts as one.

    Raises
    ------
    WireError
        BAD_BLOCK when it is none, or not a positive one.
    """
    if len(duration) <= _MAX_DURATION and _DURATION.fullmatch(duration):
        total = sum(Decimal(number) * _UNITS_MS[unit] for number, unit in re.findall(_PART, duration))
        if total > 0:
            return max(1, int(total))
    raise WireError(WireCode.BAD_BLOCK, "the batch timeout is not a positive duration")

"""What a backend is asked to make a ledger of, and what it may be able to do."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from fedpact.identity import CertificateAuthority, Identity
from fedpact.ledger import ClockNs
from fedpact.testing import probe
from fedpact.wire.config import BatchRules, ChannelConfig, Organisation
from fedpact_chaincode import consortium
from fedpact_chaincode.chaincode import Chaincode

CHANNEL_ID = "conformance"
ORGANISATIONS = {"Org1MSP": "org1", "Org2MSP": "org2", "Org3MSP": "org3"}


class Capability(StrEnum):
    """What not every ledger can do; the value completes the sentence "the ledger ..."."""

    CLOCK = "takes its time from the channel's clock"
    TIME_TOLERANCE = "refuses proposals dated far from its clock"
    REOPENING = "can be closed and opened again"
    EXCLUSIVE = "belongs to one node at a time"
    INSPECTION = "can be read without its node"
    BATCH_RULES = "cuts its blocks by the channel's batch rules"
    LARGE_VALUES = "keeps values of a mebibyte"
    LIFECYCLE = "has its organisations agree on chaincodes"
    PRIVATE_DATA = "keeps private data in collections"
    KEY_POLICIES = "lets keys have endorsement policies of their own"
    CONFIGURATION = "lets its configuration be changed"


@dataclass(frozen=True, kw_only=True)
class Channel:
    """What a ledger is to be made of.

    Attributes
    ----------
    folder : an empty folder for whatever the ledger keeps on the disk.
    config : organisations, policies and rules; goes into the genesis block.
    peers : one endorsing peer of each organisation.
    orderer : who signs the blocks.
    chaincodes : what can be called, by name.
    clock_ns : the node's clock, nanoseconds since 1970.
    """

    folder: Path
    config: ChannelConfig
    peers: tuple[Identity, ...]
    orderer: Identity
    chaincodes: Mapping[str, Chaincode] = field(
        default_factory=lambda: {probe.NAME: probe.chaincode(), consortium.NAME: consortium.chaincode()}
    )
    clock_ns: ClockNs = time.time_ns


class Clock:
    """The system's clock with an offset that cases move: of the node and of its clients."""

    def __init__(self) -> None:
        self.offset_ns = 0

    def __call__(self) -> int:
        """Return nanoseconds since 1970."""
        return time.time_ns() + self.offset_ns


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What cases may choose of a channel's configuration; the fields are those of `ChannelConfig`."""

    endorsement: str = "MAJORITY Endorsement"
    batch: BatchRules = field(default_factory=BatchRules)


def configured(authorities: Mapping[str, CertificateAuthority], rules: Rules) -> ChannelConfig:
    """Return the configuration of a channel of these organisations."""
    return ChannelConfig(
        CHANNEL_ID,
        tuple(Organisation(mspid, (authority.certificate_pem,)) for mspid, authority in authorities.items()),
        endorsement=rules.endorsement,
        batch=rules.batch,
    )

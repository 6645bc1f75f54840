"""What a node is made of besides its database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fedpact.wire.bundle import Bundle
from fedpact.wire.rwsets import PrivateRwset
from fedpact_network.embedded.agreed_code import Executable
from fedpact_network.embedded.endorser import TIME_WINDOW_MS
from fedpact_network.embedded.keys import NodeKeys
from fedpact_network.embedded.private_commit import PrivateSource
from fedpact_network.embedded.remote_endorsers import RemoteEndorsers


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What a node is made of besides its database.

    Attributes
    ----------
    bundle : the channel's configuration in force.
    keys : whom the node plays.
    chaincodes : what can be called, by name.
    clock_ns : nanoseconds since 1970.
    private : where the committer finds private data that were not endorsed here; nowhere by default.
    require_definitions : whether chaincodes are refused (NOT_DEFINED) that the members have not agreed on.
    window_ms : how far a proposal's time may be off the node's clock, milliseconds.
    remote : asks peers of organisations that this node does not play for endorsements; None: there are none.
    share : sends private write sets of a transaction id to other members before they are endorsed; by default
        there are no others. It raises `Refusal` (NOT_DISSEMINATED).
    """

    bundle: Bundle
    keys: NodeKeys
    chaincodes: Mapping[str, Executable]
    clock_ns: Callable[[], int]
    private: PrivateSource = field(default=lambda _: ())
    require_definitions: bool = False
    window_ms: int = TIME_WINDOW_MS
    remote: RemoteEndorsers | None = None
    share: Callable[[str, Sequence[PrivateRwset]], None] = field(default=lambda _tx_id, _rwsets: None)

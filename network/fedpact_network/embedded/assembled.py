"""Transactions that this process has put together, so that it need not parse them when they come back signed.

An entry stands for exactly one payload, byte by byte, and is what parsing that payload gives. Nothing about
signatures is remembered: the creator's is verified as any other, the endorsers' as `own_signatures` says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from fedpact.wire.envelopes import Endorsement, ParsedTransaction
from fedpact.wire.proposals import ParsedProposal
from fedpact.wire.rwsets import NamespaceRwset, decode

if TYPE_CHECKING:
    from fedpact_network.embedded.agreed_code import Executed
from fedpact.wire.errors import MAX_MESSAGE_BYTES

Parse = Callable[[bytes], ParsedTransaction]
"""From the creator's signature to the transaction."""

_OVERHEAD_BYTES = 4_000  # of one entry, besides its payload


def made_here(
    proposal: ParsedProposal,
    executed: Executed,
    prp: bytes,
    endorsements: Sequence[Endorsement],
    rwset: NamespaceRwset,
    results: bytes,
) -> Callable[[bytes, bytes], ParsedTransaction]:
    """Return what makes the transaction of its payload and its creator's signature."""

    def parse(payload: bytes, signature: bytes) -> ParsedTransaction:
        return ParsedTransaction(
            proposal.headers,
            payload,
            signature,
            proposal.args,
            True,
            prp,
            tuple(endorsements),
            _decoded(rwset, results),
            executed.response,
            executed.simulation.event,
            executed.terms.version,
        )

    return parse


class Assembled:
    """A bounded memory; what came first is forgotten first.

    Parameters
    ----------
    limit_bytes : estimated memory that all entries together may take.
    """

    def __init__(self, limit_bytes: int = 64 << 20) -> None:
        self._limit = limit_bytes
        self._size = 0
        self._made: dict[bytes, Parse] = {}
        self._lock = threading.Lock()

    def remember(self, payload: bytes, parse: Parse) -> None:
        """Keep a serialised `common.Payload` that was just put together."""
        with self._lock:
            if payload in self._made:
                return
            self._made[payload] = parse
            self._size += _cost(payload)
            while self._size > self._limit:
                oldest = next(iter(self._made))
                del self._made[oldest]
                self._size -= _cost(oldest)

    def take(self, envelope: bytes) -> ParsedTransaction | None:
        """Return what a serialised `common.Envelope` holds, if its payload was made here; once."""
        if len(envelope) > MAX_MESSAGE_BYTES:  # nobody else would parse it
            return None
        try:
            signed = common_pb2.Envelope.FromString(envelope)
        except DecodeError:
            return None
        if signed.SerializeToString() != envelope:  # parsing says what is wrong with it
            return None
        payload = signed.payload
        with self._lock:
            parse = self._made.pop(payload, None)
            if parse is None:
                return None
            self._size -= _cost(payload)
        return parse(signed.signature)


def _decoded(rwset: NamespaceRwset, results: bytes) -> tuple[NamespaceRwset, ...]:
    """Return what `decode` would; the usual, plain read/write set is only put into order."""
    if rwset.range_queries or rwset.metadata or rwset.collections:
        return decode(results)
    reads, writes = sorted(rwset.reads, key=itemgetter(0)), sorted(rwset.writes, key=itemgetter(0))
    return (NamespaceRwset(rwset.namespace, tuple(reads), (), tuple(writes)),)


def _cost(payload: bytes) -> int:
    return 2 * len(payload) + _OVERHEAD_BYTES

"""An orderer elsewhere: envelopes go to its `Broadcast`, blocks come from its `Deliver`.

The blocks that come are appended by the node's own block stage, which verifies everything about them. Where
one does not verify, this node stops; what it has stored is as before.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from fedpact.wire.errors import WireError
from fedpact.wire.rwsets import PrivateRwset, decode_private
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.orderer import Deliver
from fedpact_network.embedded.submission import Submission
from fedpact_network.peering.block_source import BlockSource, Delivered
from fedpact_network.peering.broadcasting import Broadcaster

log = logging.getLogger(__name__)

_HELD_S = 60.0
_MAX_HELD = 20_000


class _Held(NamedTuple):
    tx_id: str
    since_s: float


class RemoteOrderer:
    """An `Orderer` that is another node.

    Parameters
    ----------
    broadcaster : takes envelopes there.
    source : brings blocks from there.
    height : number of blocks that this node has.

    Attributes
    ----------
    failure : why no block is taken any more; empty as long as they are.
    """

    def __init__(self, broadcaster: Broadcaster, source: BlockSource, height: int) -> None:
        self._broadcaster = broadcaster
        self._source = source
        self._height = height
        self._lock = threading.Lock()
        self._held: dict[bytes, _Held] = {}
        self._ids: dict[str, bytes] = {}
        self._private: Mapping[str, tuple[PrivateRwset, ...]] = {}
        self._thread: threading.Thread | None = None
        self.failure = ""

    def start(self, deliver: Deliver) -> None:
        """Start the thread that takes blocks."""
        self._thread = threading.Thread(target=self._run, args=(deliver,), name="block stage", daemon=True)
        self._thread.start()

    def submit(self, submission: Submission) -> None:
        """Have an envelope ordered elsewhere.

        Raises
        ------
        Refusal
            As `Broadcaster.send`; DUPLICATE where another envelope with this id was sent from here.
        """
        if self.failure:
            raise Refusal(RefusalCode.STOPPED, self.failure)
        envelope, tx_id = submission.received, submission.tx_id
        digest = _digest(envelope)
        with self._lock:
            waiting = self._ids.get(tx_id) if tx_id and self.holds(tx_id) else None
            if waiting is not None and waiting != digest:
                raise Refusal(RefusalCode.DUPLICATE, "another envelope with this transaction id is waiting")
            if tx_id:  # before it is sent: its block may be here before the answer
                self._hold(digest, tx_id)
        try:
            self._broadcaster.send(envelope)
        except Refusal as refusal:
            if (
                waiting is None and refusal.code is not RefusalCode.ORDERERS_FAILED
            ):  # else it may have been taken
                with self._lock:
                    self._drop(digest)
            raise

    def holds(self, tx_id: str) -> bool:
        """Whether an envelope was sent lately and its block is not committed here yet."""
        held = self._held.get(self._ids.get(tx_id, b""))
        return held is not None and time.monotonic() - held.since_s < _HELD_S

    def private(self, tx_id: str) -> tuple[PrivateRwset, ...]:
        """Return the private data that came with the block that is being taken; a `PrivateSource`."""
        return self._private.get(tx_id, ())

    def close(self) -> None:
        """Take no more blocks and end the thread; more than once is allowed."""
        self._source.close()
        self._broadcaster.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self, deliver: Deliver) -> None:
        try:
            for delivered in self._source.blocks(self._height):
                self._private = private_by_transaction(delivered)
                deliver(delivered.data)
                self._height += 1
                self._committed(delivered.data)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"[:500]
            log.exception("block %d from elsewhere cannot be appended; the node stops", self._height)

    def _committed(self, data: bytes) -> None:
        if self._held:
            envelopes = common_pb2.Block.FromString(data).data.data
            with self._lock:
                for envelope in envelopes:
                    self._drop(_digest(envelope))
                if len(envelopes) == 1:  # a configuration came as its update
                    self._drop(self._ids.get(Submission.read(envelopes[0]).tx_id, b""))

    def _hold(self, digest: bytes, tx_id: str) -> None:
        self._held[digest] = _Held(tx_id, time.monotonic())
        self._ids[tx_id] = digest
        while len(self._held) > _MAX_HELD:
            self._drop(next(iter(self._held)))

    def _drop(self, digest: bytes) -> None:
        held = self._held.pop(digest, None)
        if held is not None and self._ids.get(held.tx_id) == digest:
            del self._ids[held.tx_id]


def _digest(envelope: bytes) -> bytes:
    """Return what stands for an envelope while it is on its way: many large ones may be."""
    return sha256(envelope).digest()


def private_by_transaction(delivered: Delivered) -> Mapping[str, tuple[PrivateRwset, ...]]:
    """Return the private data that came with a block by transaction id; nothing about them is verified."""
    if not delivered.private:
        return {}
    envelopes = common_pb2.Block.FromString(delivered.data).data.data
    found = {}
    for position, content in delivered.private.items():
        if position < len(envelopes):
            try:
                payload = common_pb2.Payload.FromString(
                    common_pb2.Envelope.FromString(envelopes[position]).payload
                )
                header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
                found[header.tx_id] = decode_private(content)
            except (WireError, DecodeError) as error:
                log.warning("private data of a block cannot be read: %s", error)
    return found

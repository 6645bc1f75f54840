"""Runs the client app for a set of nodes inside one process."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping

from flwr.app import ArrayRecord, Context, Message

from fedpact_flower.runtime import flower_internals as flower
from fedpact_flower.runtime.packing import A, PackedMessage, PackedReply, Shelf
from fedpact_flower.runtime.randomness import seeded
from fedpact_flower.runtime.threads import ThreadLimit

ClientCallable = Callable[[Message, Context], Message]
WorkerSetup = Callable[[int], None]

_REASON_CHARACTERS = 500

_log = logging.getLogger(__name__)


class NodeHost:
    """The nodes that live in this process, each with the context that persists between its messages.

    Parameters
    ----------
    client_app : ClientApp
        The app of all nodes.
    contexts : mapping
        Contexts of the nodes that live here, by node identifier.
    seed : int
        The run's seed. Each call is seeded by the node, the message's type and group, and how many
        messages of that type and group the node has had: adding a phase to a round leaves the
        randomness of the other phases as it was.
    """

    def __init__(self, client_app: ClientCallable, contexts: Mapping[int, Context], *, seed: int) -> None:
        self.shelf = Shelf()
        self._client_app = client_app
        self._contexts = contexts
        self._seed = seed
        self._occurrences: Counter[tuple[int, str, str]] = Counter()
        self._threads = ThreadLimit()

    def set_up(self, worker_setup: WorkerSetup, worker: int) -> None:
        """Run the user's preparation of this process under the conditions of a client call."""
        with self._threads.single(), seeded(self._seed, "worker setup"):
            worker_setup(worker)
        self._threads = ThreadLimit()  # the setup may have loaded further libraries

    def answer(self, packed: PackedMessage, export: Callable[[ArrayRecord], A]) -> PackedReply[A]:
        """Let the addressed node answer a message whose arrays are on the shelf.

        Parameters
        ----------
        packed : PackedMessage
            The message.
        export : callable
            Gives the reply's array records the form in which they leave the node.

        Returns
        -------
        PackedReply
            The client's reply, or an error reply if the client raised or returned something that is not
            an encodable reply to this message.
        """
        message = self.shelf.unpack(packed)
        node_id, kind = packed.node_id, message.metadata.message_type
        call = (node_id, kind, message.metadata.group_id)
        occurrence = self._occurrences[call]
        self._occurrences[call] += 1
        try:
            with (
                flower.acting_as(node_id),
                self._threads.single(),
                seeded(self._seed, "client", *call, occurrence),
            ):
                reply = self._client_app(message, self._contexts[node_id])
            return _packed(reply, packed, export)
        except (Exception, SystemExit) as error:
            _log.warning("node %d: client app raised %s on %s", node_id, type(error).__name__, kind)
            _log.debug("node %d: traceback", node_id, exc_info=True)
            reason = f"{type(error).__name__}: {error}"[:_REASON_CHARACTERS]
            failure = packed.error_reply(flower.CLIENT_APP_RAISED, reason)
            return PackedReply(flower.encode_message(failure), ())


def _packed(reply: object, packed: PackedMessage, export: Callable[[ArrayRecord], A]) -> PackedReply[A]:
    if not isinstance(reply, Message):
        raise TypeError(f"the client app returned {type(reply).__name__}, not a Message")
    metadata = reply.metadata
    if (metadata.reply_to_message_id, metadata.src_node_id) != (packed.message_id, packed.node_id):
        raise ValueError("the client app returned a message that is not a reply to the one it was given")
    flower.stamp(reply, flower.reply_id(packed.message_id))
    rest, records = flower.split_message(reply)
    return PackedReply(rest, tuple(export(record) for record in records))

"""A member's session: one identity on one ledger, with a service for each noun of the consortium."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec

if TYPE_CHECKING:
    from fedpact.consortium.chaincodes import Chaincodes
    from fedpact.consortium.channel import Channel
    from fedpact.consortium.council import Council
    from fedpact.consortium.credit import Credit
    from fedpact.consortium.data import Data
    from fedpact.consortium.devices import Devices
    from fedpact.consortium.privacy import Privacy
    from fedpact.consortium.retrieval import Retrieval
    from fedpact.consortium.sharing import Sharing
    from fedpact.consortium.tasks import Tasks
    from fedpact.consortium.training import Training
    from fedpact.consortium.verification import Verification
    from fedpact.gateway.client import Gateway
    from fedpact.identity.identity import Identity
    from fedpact.ledger import Ledger
    from fedpact.models import ModelStore

S = TypeVar("S", bound=msgspec.Struct)


class Session:
    """What one member does on a ledger, under its own identity.

    Made by `fedpact.connect`; usable as a context manager. Every method of its services is one
    transaction (or one query); it raises `Rejected` with a stable code where a contract refuses,
    and the errors of `fedpact.gateway.errors` where the ledger could not be reached.

    Parameters
    ----------
    identity : who acts.
    gateway : the client of the ledger, bound to the identity.
    ledger : the opened ledger; None where it is reached through a socket only (no audit then).
    models : where models rest; None where the member keeps none.
    retrieval_key : the consortium's secret under which terms are hashed; None where not searched.
    on_close : releases what the session was given.
    """

    def __init__(
        self,
        identity: Identity,
        gateway: Gateway,
        *,
        ledger: Ledger | None = None,
        models: ModelStore | None = None,
        retrieval_key: bytes | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.identity = identity
        self.gateway = gateway
        self.ledger = ledger
        self.models = models
        self.retrieval_key = retrieval_key
        self._on_close = on_close

    @property
    def time_ms(self) -> int:
        """The session's clock, milliseconds since 1970: the time its next transaction will carry."""
        return self.gateway.clock() // 1_000_000

    def submit(self, function: str, message: msgspec.Struct, result: type[S]) -> S:
        """Submit `contract:transaction` and decode its result once it is committed."""
        answer = self.gateway.submit(function, encode(message))
        return msgspec.json.decode(answer.payload, type=result)

    def evaluate(self, function: str, message: msgspec.Struct, result: type[S]) -> S:
        """Evaluate `contract:transaction` without changing anything and decode its result."""
        return msgspec.json.decode(self.gateway.evaluate(function, encode(message)), type=result)

    @cached_property
    def council(self) -> Council:
        """The organisations' council: founding, motions, votes."""
        from fedpact.consortium.council import Council

        return Council(self)

    @cached_property
    def chaincodes(self) -> Chaincodes:
        """What the organisations agree to run: definitions of chaincodes."""
        from fedpact.consortium.chaincodes import Chaincodes

        return Chaincodes(self)

    @cached_property
    def channel(self) -> Channel:
        """The channel's configuration, and how members change it."""
        from fedpact.consortium.channel import Channel

        return Channel(self)

    @cached_property
    def devices(self) -> Devices:
        """Devices and the readings anchored for them."""
        from fedpact.consortium.devices import Devices

        return Devices(self)

    @cached_property
    def data(self) -> Data:
        """Datasets: profiles in the catalogue."""
        from fedpact.consortium.data import Data

        return Data(self)

    @cached_property
    def retrieval(self) -> Retrieval:
        """Finding the datasets that fit a request."""
        from fedpact.consortium.retrieval import Retrieval

        return Retrieval(self)

    @cached_property
    def sharing(self) -> Sharing:
        """Requests, grants, the cache of results, deliveries."""
        from fedpact.consortium.sharing import Sharing

        return Sharing(self)

    @cached_property
    def tasks(self) -> Tasks:
        """Training tasks and their teams."""
        from fedpact.consortium.tasks import Tasks

        return Tasks(self)

    @cached_property
    def training(self) -> Training:
        """Rounds: updates, scores, verdicts, elections."""
        from fedpact.consortium.training import Training

        return Training(self)

    @cached_property
    def credit(self) -> Credit:
        """Accounts and payments."""
        from fedpact.consortium.credit import Credit

        return Credit(self)

    @cached_property
    def privacy(self) -> Privacy:
        """Budgets of privacy and what was spent of them."""
        from fedpact.consortium.privacy import Privacy

        return Privacy(self)

    @cached_property
    def audit(self) -> Verification:
        """Verification of the whole ledger."""
        from fedpact.consortium.verification import Verification

        return Verification(self)

    def close(self) -> None:
        """Release the ledger; more than once is allowed."""
        release, self._on_close = self._on_close, None
        if release is not None:
            release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Session({self.identity.id})"


def encode(message: msgspec.Struct) -> bytes:
    """Encode a message as the contracts expect it: JSON, fields in order of declaration."""
    return msgspec.json.encode(message, order="deterministic")

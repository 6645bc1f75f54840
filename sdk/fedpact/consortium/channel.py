"""The channel's configuration, changed by its members: proposed, signed by administrators, submitted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fedpact.gateway.errors import CommitError, GatewayError, SubmitError
from fedpact.identity.errors import IdentityError
from fedpact.wire.config_changes import desired
from fedpact.wire.config_review import Review, review
from fedpact.wire.config_update import (
    ConfigUpdateError,
    compute_update,
    sign_update,
    update_envelope,
)
from fedpact.wire.config_update_files import read_signature
from fedpact.wire.errors import ConfigError, WireError
from fedpact.wire.policies import PolicyError

if TYPE_CHECKING:
    from fedpact.consortium.channel_changes import Change
    from fedpact.consortium.session import Session
    from fedpact.gateway.commit import Result
    from fedpact.wire.bundle import Bundle

_NOT_A_CONFIGURATION = (GatewayError, WireError, ConfigError, IdentityError, PolicyError)


class Channel:
    """What members agree on about their channel: who belongs, how blocks are cut, who decides what.

    An update is proposed by anybody, signed by as many administrators as the changed elements ask for
    (of what is an organisation's own, its administrator; of the rest, usually a majority) and submitted by
    any member who may write. `channel_changes` has the usual changes.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def configuration(self) -> Bundle:
        """Return what is in force.

        Raises
        ------
        EventsError
            The node cannot be reached or refuses; UNIMPLEMENTED over the local socket, which has no streams.
        """
        return self._session.gateway.configuration()

    def propose(self, *changes: Change) -> bytes:
        """Return the update that leads from the configuration in force to a changed one; submits nothing.

        Parameters
        ----------
        changes : made one after the other.

        Returns
        -------
        A serialised `ConfigUpdate`: what signatures cover.

        Raises
        ------
        ConfigUpdateError
            NO_CHANGE.
        ConfigError, IdentityError, PolicyError
            A change is not possible.
        EventsError
            As `configuration`.
        """
        bundle = self.configuration()
        group = desired(bundle)
        for change in changes:
            change(group)
        return compute_update(bundle, group)

    def sign(self, update: bytes) -> bytes:
        """Return the acting administrator's signature, a serialised `ConfigSignature`; asks no node."""
        signature: bytes = sign_update(update, self._session.identity).SerializeToString()
        return signature

    def review(self, update: bytes, signatures: Iterable[bytes] = ()) -> Review:
        """Say what an update changes, and whether its signatures suffice.

        Raises
        ------
        ConfigUpdateError
            MALFORMED, WRONG_CHANNEL, TOO_LARGE, STALE.
        EventsError
            As `configuration`.
        """
        found = map(read_signature, signatures)
        return review(self.configuration(), update, found, self._session.time_ms / 1000)

    def submit(self, update: bytes, signatures: Iterable[bytes] = ()) -> Result:
        """Submit an update and wait until it is in force.

        Parameters
        ----------
        update : from `propose`.
        signatures : from `sign`, of all who agree.

        Raises
        ------
        ConfigUpdateError
            It was refused, and nothing was changed: STALE, BAD_VERSION (another update came first: propose
            anew), NOT_AUTHORISED, NO_CHANGE, BAD_CONFIG and the others of `ConfigUpdateCode`.
        SubmitError, CommitError
            It was refused for another reason; nothing was changed.
        OutcomeUnknown
            It may be in force or not: `session.gateway.resume`.
        """
        gateway = self._session.gateway
        envelope = update_envelope(
            update,
            map(read_signature, signatures),
            self._session.identity,
            timestamp_ns=gateway.clock(),
        )
        try:
            return gateway.update_configuration(envelope)
        except (SubmitError, CommitError) as error:
            refused = self._reason(envelope)
            if refused is None:
                raise
            raise refused from error

    def _reason(self, envelope: bytes) -> ConfigUpdateError | None:
        """Return why an update is refused: the rules are the node's, so they can be applied here, too."""
        try:
            self.configuration().updated(envelope)
        except ConfigUpdateError as refused:
            return refused
        except _NOT_A_CONFIGURATION:
            return None
        return None

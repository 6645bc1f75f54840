"""An organisation's description, which it hands to the members of a channel that is to let it in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from fedpact.consortium.channel_changes import Change, add_organisation
from fedpact.wire.errors import ConfigError
from fedpact.wire.organisations import Organisation
from fedpact.wire.roots import load_authorities

MAX_BYTES: Final = 2**20


class OrganisationFile(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What the file says, as JSON; certificates are PEM.

    Attributes
    ----------
    mspid : MSP identifier.
    root_certificates, intermediate_certificates : of the authorities that vouch for its members.
    revocation_lists : of these authorities.
    tls_root_certificates, tls_intermediate_certificates : of the authorities of its servers.
    orderers : addresses of its orderers, ``host:port``.
    orders : whether its orderers may sign blocks.
    policies : text of those of its own policies that are not the usual ones, by name.
    """

    mspid: str
    root_certificates: tuple[str, ...]
    intermediate_certificates: tuple[str, ...] = ()
    revocation_lists: tuple[str, ...] = ()
    tls_root_certificates: tuple[str, ...] = ()
    tls_intermediate_certificates: tuple[str, ...] = ()
    orderers: tuple[str, ...] = ()
    orders: bool = True
    policies: Mapping[str, str] = {}

    @classmethod
    def from_json(cls, data: bytes) -> OrganisationFile:
        """Read a description.

        Raises
        ------
        ConfigError
            It is none, or larger than 1 MiB.
        IdentityError
            Its certificates are not good.
        """
        if len(data) > MAX_BYTES:
            raise ConfigError(f"an organisation's description has at most {MAX_BYTES} bytes")
        try:
            found = msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"this is no organisation's description: {error}") from error
        load_authorities(found.organisation)
        return found

    def to_json(self) -> bytes:
        """Write the description."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @property
    def organisation(self) -> Organisation:
        """The organisation, as configurations hold it."""
        return Organisation(
            self.mspid,
            _bytes(self.root_certificates),
            _bytes(self.intermediate_certificates),
            _bytes(self.revocation_lists),
            tls_root_certificates=_bytes(self.tls_root_certificates),
            tls_intermediate_certificates=_bytes(self.tls_intermediate_certificates),
            endpoints=self.orderers,
        )

    def admission(self) -> Change:
        """Return the change that lets it in."""
        return add_organisation(self.organisation, policies=self.policies, orders=self.orders)


def _bytes(texts: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)

"""What an organisation's members may count as: by their organisational units, or named one by one."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from cryptography import x509

from fedpact.identity.certificates import load_certificate
from fedpact.identity.errors import IdentityCode, IdentityError
from fedpact.wire.organisations import Organisation
from fedpact.wire.roots import Authority

__all__ = ["Classification", "fingerprint_of"]

_MEMBER = "member"
_ADMIN = "admin"


def fingerprint_of(mspid: str, certificate: x509.Certificate) -> bytes:
    """Return what tells identities apart: the hash of organisation and signed part of the certificate."""
    return sha256(mspid.encode() + b"\0" + certificate.tbs_certificate_bytes).digest()


class Classification:
    """The rules of one organisation, as Fabric applies them from channel capability V1_4_3 on.

    Parameters
    ----------
    organisation
        Its units and its administrators.
    authorities
        Its authorities, to which units may be bound.

    Raises
    ------
    IdentityError
        BAD_NODE_OU when a unit is bound to an authority that is not there, or when nobody could be
        an administrator; MALFORMED.
    """

    def __init__(self, organisation: Organisation, authorities: Sequence[Authority]) -> None:
        self._name = organisation.mspid
        self._node_ous = {
            unit: (role, _chain(certifier, authorities)) for role, unit, certifier in organisation.node_ous
        }
        self._required = {(unit, _chain(pem, authorities)) for unit, pem in organisation.required_ous}
        self._admins = frozenset(
            fingerprint_of(organisation.mspid, load_certificate(pem)) for pem in organisation.admins
        )
        if not self._admins and all(role != _ADMIN for role, _, _ in organisation.node_ous):
            raise IdentityError(
                IdentityCode.BAD_NODE_OU, f"{self._name} has neither a unit of administrators nor any by name"
            )

    def roles_of(self, fingerprint: bytes, units: frozenset[str], chain: bytes) -> frozenset[str]:
        """Return what somebody may count as.

        Parameters
        ----------
        fingerprint
            Of the certificate.
        units
            Its organisational units.
        chain
            Identifier of the authorities that vouch for it.

        Raises
        ------
        IdentityError
            BAD_NODE_OU.
        """
        named = frozenset({_ADMIN}) if fingerprint in self._admins else frozenset()
        try:
            return named | self._by_units(units, chain)
        except IdentityError:
            if named:
                return named
            raise

    def _by_units(self, units: frozenset[str], chain: bytes) -> frozenset[str]:
        if self._required and not any((unit, chain) in self._required for unit in units):
            raise self._refusal("a unit that the organisation asks for is missing")
        if not self._node_ous:
            return frozenset({_MEMBER})
        found = [self._node_ous[unit] for unit in units if unit in self._node_ous]
        if len(found) != 1:
            raise self._refusal(f"exactly one of {', '.join(sorted(self._node_ous))} is needed")
        role, certifier = found[0]
        if certifier and certifier != chain:
            raise self._refusal("another authority vouches for this unit")
        return frozenset({_MEMBER, role})

    def _refusal(self, detail: str) -> IdentityError:
        return IdentityError(IdentityCode.BAD_NODE_OU, f"{self._name}: {detail}")


def _chain(certifier: bytes, authorities: Sequence[Authority]) -> bytes:
    if not certifier:
        return b""
    certificate = load_certificate(certifier)
    for authority in authorities:
        if authority.certificate == certificate:
            return authority.chain
    raise IdentityError(IdentityCode.BAD_NODE_OU, "a unit is bound to an authority that is not there")

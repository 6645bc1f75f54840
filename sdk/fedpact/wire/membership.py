"""Who a creator is: the channel's organisations, their authorities, and the certificates they vouch for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID
from fabric_protos.msp import identities_pb2

from fedpact.identity.certificates import (
    ATTRIBUTES_OID,
    common_name,
    load_certificate,
    organisational_units,
    role_of,
)
from fedpact.identity.errors import IdentityCode, IdentityError
from fedpact.identity.signer import SIGNATURE_ALGORITHM, is_low_s
from fedpact.wire.classification import Classification, fingerprint_of
from fedpact.wire.organisations import Organisation
from fedpact.wire.roots import Authority, issuer_of, load_authorities

__all__ = ["Member", "Membership", "fingerprint_of"]

_MAX_CREATOR_BYTES = 20 * 1024
_MAX_KNOWN = 4096
_UNDERSTOOD = frozenset(
    {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE, ATTRIBUTES_OID}
)


@dataclass(frozen=True, slots=True)
class Member:
    """A certificate that one of the channel's organisations vouches for.

    Attributes
    ----------
    mspid, name
        Organisation and common name.
    role
        The consortium's role attribute, or None.
    ou
        All organisational units.
    certificate, public_key
        What was verified.
    fingerprint
        SHA-256 of the organisation and the signed part of the certificate. It tells identities apart
        even when somebody re-encodes the certificate authority's malleable signature.
    roles
        What it may count as in a policy, of ``member``, ``client``, ``peer``, ``admin`` and ``orderer``;
        whatever the organisation calls its Node OUs.
    certifiers
        Fabric's identifier of the authorities that vouch for it.
    """

    mspid: str
    name: str
    role: str | None
    ou: frozenset[str]
    certificate: x509.Certificate
    public_key: ec.EllipticCurvePublicKey
    fingerprint: bytes
    roles: frozenset[str]
    certifiers: bytes

    @property
    def id(self) -> str:
        """The stable identifier ``<mspid>/<name>``."""
        return f"{self.mspid}/{self.name}"


class Membership:
    """Tells members of the channel's organisations from everybody else.

    Immutable: when the configuration or a revocation list changes, make a new one. Safe to share
    between threads.

    Parameters
    ----------
    organisations
        The organisations; or MSP identifier -> root certificates (PEM), for those that have nothing
        but roots.
    clock
        Seconds since the epoch, for calls that give no time of their own.

    Raises
    ------
    IdentityError
        What `load_authorities` raises; BAD_NODE_OU when an organisation names an authority for its
        units that it does not have.
    """

    def __init__(
        self,
        organisations: Iterable[Organisation] | Mapping[str, Sequence[bytes]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if isinstance(organisations, Mapping):
            organisations = [Organisation(mspid, tuple(roots)) for mspid, roots in organisations.items()]
        self._organisations: dict[str, tuple[tuple[Authority, ...], Classification]] = {}
        for organisation in organisations:
            authorities = load_authorities(organisation)
            self._organisations[organisation.mspid] = authorities, Classification(organisation, authorities)
        self._clock = clock
        self._known: dict[bytes, tuple[float, float, Member]] = {}
        self._adding = threading.Lock()

    @property
    def mspids(self) -> tuple[str, ...]:
        """The organisations' MSP identifiers in alphabetical order."""
        return tuple(sorted(self._organisations))

    def identify(self, creator: bytes, at_s: float | None = None) -> Member:
        """Return whom a serialised identity names.

        The chain is checked once per creator and remembered (for at most 4,096 of them); validity
        is checked every time. About 1 us for a known creator, 300 us for a new one.

        Parameters
        ----------
        creator
            A serialised ``msp.SerializedIdentity``.
        at_s
            The moment at which the certificate must be valid, in seconds since the epoch; None: now.

        Raises
        ------
        IdentityError
            MALFORMED, UNKNOWN_MSP, FOREIGN_CA, CA_CERTIFICATE, WRONG_CURVE, REVOKED, BAD_NAME,
            BAD_NODE_OU, NOT_YET_VALID, EXPIRED.
        """
        not_before_s, not_after_s, member = self._known.get(creator) or self._admit(creator)
        now_s = self._clock() if at_s is None else at_s
        if not_before_s <= now_s <= not_after_s:
            return member
        code = IdentityCode.NOT_YET_VALID if now_s < not_before_s else IdentityCode.EXPIRED
        raise IdentityError(code, f"the certificate of {member.id} is not valid at {now_s:.0f}")

    def valid_from_s(self, creator: bytes) -> float:
        """Return from when on a serialised identity's certificate is valid; raises as `identify`."""
        return (self._known.get(creator) or self._admit(creator))[0]

    def verify(self, creator: bytes, message: bytes, signature: bytes, at_s: float | None = None) -> Member:
        """Return whose signature of a message this is (about 70 us for a known creator).

        Parameters
        ----------
        creator
            A serialised ``msp.SerializedIdentity``.
        message
            What was signed.
        signature
            ECDSA P-256, SHA-256, DER, low S.
        at_s
            As for `identify`.

        Raises
        ------
        IdentityError
            As for `identify`, and BAD_SIGNATURE or HIGH_S.
        """
        member = self.identify(creator, at_s)
        try:
            member.public_key.verify(signature, message, SIGNATURE_ALGORITHM)
        except InvalidSignature as error:
            raise IdentityError(IdentityCode.BAD_SIGNATURE, f"not a signature by {member.id}") from error
        # OpenSSL has just checked that the signature is strict DER, which the quick test relies on.
        if not is_low_s(signature):
            raise IdentityError(IdentityCode.HIGH_S, "of the two forms of a signature only low S is accepted")
        return member

    def _admit(self, creator: bytes) -> tuple[float, float, Member]:
        try:
            known = self._examine(creator)
        except IdentityError:
            raise
        except Exception as error:  # hostile bytes in foreign parsers: whatever they raise means the same
            raise IdentityError(IdentityCode.MALFORMED, "the creator's certificate cannot be read") from error
        with self._adding:
            if len(self._known) >= _MAX_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[creator] = known
        return known

    def _examine(self, creator: bytes) -> tuple[float, float, Member]:
        mspid, pem = _parse_creator(creator)
        if mspid not in self._organisations:
            raise IdentityError(
                IdentityCode.UNKNOWN_MSP, f"no organisation of this channel is called {mspid!r:.80}"
            )
        authorities, classification = self._organisations[mspid]
        certificate = load_certificate(pem)
        authority = issuer_of(certificate, [known for known in authorities if known.issues_members])
        _check_leaf(certificate)
        if authority.has_revoked(certificate.serial_number):
            raise IdentityError(IdentityCode.REVOKED, f"{mspid} has revoked this certificate")
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise IdentityError(IdentityCode.WRONG_CURVE, "a member's key must be on P-256")
        ou = organisational_units(certificate)
        fingerprint = fingerprint_of(mspid, certificate)
        member = Member(
            mspid,
            common_name(certificate),
            role_of(certificate),
            ou,
            certificate,
            key,
            fingerprint,
            classification.roles_of(fingerprint, ou, authority.chain),
            authority.chain,
        )
        not_before_s = max(authority.not_before_s, certificate.not_valid_before_utc.timestamp())
        not_after_s = min(authority.not_after_s, certificate.not_valid_after_utc.timestamp())
        return not_before_s, not_after_s, member


def _parse_creator(creator: bytes) -> tuple[str, bytes]:
    if len(creator) > _MAX_CREATOR_BYTES:
        raise IdentityError(IdentityCode.MALFORMED, "a creator has at most 20 KiB")
    message = identities_pb2.SerializedIdentity.FromString(creator)
    mspid, pem = message.mspid, message.id_bytes
    # One identity has one encoding: unknown fields and repeated ones are not let in.
    if identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=pem).SerializeToString() != creator:
        raise IdentityError(
            IdentityCode.MALFORMED, "a creator holds an MSP id and a certificate, nothing else"
        )
    return mspid, pem


def _check_leaf(certificate: x509.Certificate) -> None:
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            raise IdentityError(
                IdentityCode.CA_CERTIFICATE, "a certificate authority does not act as a member"
            )
        if isinstance(value, x509.KeyUsage) and not value.digital_signature:
            raise IdentityError(
                IdentityCode.CA_CERTIFICATE, "this certificate's key is not meant for signatures"
            )
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise IdentityError(
                IdentityCode.MALFORMED, f"unknown critical extension {extension.oid.dotted_string}"
            )

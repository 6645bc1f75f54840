"""Certificates for transport security, from an authority that vouches for machines, not for members."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, NoReturn, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from fedpact.identity.certificate_fields import authority_builder, key_usage, subject_name
from fedpact.identity.certificates import check_name, load_certificate
from fedpact.identity.errors import IdentityCode, IdentityError
from fedpact.identity.private_files import make_private_folder, write_private_file
from fedpact.identity.signer import PrivateKeySigner, load_private_key

__all__ = ["TlsAuthority", "TlsPair"]

_ROOT_DAYS = 3650
_LEAF_DAYS = 730
_BACKDATE = timedelta(minutes=5)  # for machines whose clock is behind
_MAX_HOSTS = 64


class TlsPair(NamedTuple):
    """A certificate and its private key, PEM."""

    certificate: bytes
    key: bytes


class TlsAuthority:
    """Issues the certificates of servers and, for mutual TLS, of their clients.

    Parameters
    ----------
    certificate : the root.
    key : its P-256 key.
    """

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def create(cls, organisation: str) -> Self:
        """Make a root, valid for ten years, with a random key.

        Parameters
        ----------
        organisation : whose machines it is for, 1 to 60 printable characters.

        Raises
        ------
        IdentityError
            BAD_NAME.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        name = subject_name(check_name(f"tls.{organisation}"), organisation, ou=None)
        builder = authority_builder(name, name, key.public_key(), 0)
        return cls(_dated(builder, _ROOT_DAYS).sign(key, hashes.SHA256()), key)

    @property
    def certificate_pem(self) -> bytes:
        """What clients and servers trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue_server(self, hosts: Sequence[str]) -> TlsPair:
        """Issue the certificate of a server, valid for two years.

        Parameters
        ----------
        hosts : names and IP addresses under which clients reach it, 1 to 64; the first is its common name.

        Raises
        ------
        IdentityError
            BAD_NAME.
        """
        if not 0 < len(hosts) <= _MAX_HOSTS:
            raise IdentityError(IdentityCode.BAD_NAME, f"a server has 1 to {_MAX_HOSTS} names")
        names = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
        return self._issue(hosts[0], ExtendedKeyUsageOID.SERVER_AUTH, names)

    def issue_client(self, name: str) -> TlsPair:
        """Issue the certificate that a client shows, valid for two years.

        It opens the connection only: who acts is told by the signatures of its identity.

        Parameters
        ----------
        name : common name, 1 to 64 printable characters without '/'.

        Raises
        ------
        IdentityError
            BAD_NAME.
        """
        return self._issue(name, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def save(self, folder: Path) -> None:
        """Write `certificate.pem` and `key.pem` (PKCS8, 0600)."""
        make_private_folder(folder)
        write_private_file(folder / "key.pem", PrivateKeySigner(self._key).private_key_pem())
        write_private_file(folder / "certificate.pem", self.certificate_pem)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        IdentityError
            KEY_LOCKED, MALFORMED, KEY_MISMATCH.
        """
        certificate = load_certificate((folder / "certificate.pem").read_bytes())
        key = load_private_key((folder / "key.pem").read_bytes(), None)
        if certificate.public_key() != key.public_key():
            raise IdentityError(IdentityCode.KEY_MISMATCH, "the private key does not belong to the root")
        return cls(certificate, key)

    def _issue(
        self, name: str, purpose: x509.ObjectIdentifier, names: x509.SubjectAlternativeName | None
    ) -> TlsPair:
        key = ec.generate_private_key(ec.SECP256R1())
        organisation = self.certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)[0]
        builder = (
            x509.CertificateBuilder(
                self.certificate.subject,
                subject_name(check_name(name), str(organisation.value), ou=None),
                key.public_key(),
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        certificate = _dated(builder, _LEAF_DAYS).sign(self._key, hashes.SHA256())
        return TlsPair(
            certificate.public_bytes(serialization.Encoding.PEM), PrivateKeySigner(key).private_key_pem()
        )

    def __repr__(self) -> str:
        return f"TlsAuthority({self.certificate.subject.rfc4514_string()!r})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an authority is never pickled or copied")


def _dated(builder: x509.CertificateBuilder, days: int) -> x509.CertificateBuilder:
    start = (datetime.now(UTC) - _BACKDATE).replace(microsecond=0)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(start).not_valid_after(start + timedelta(days=days))


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    labels = host.removeprefix("*.").split(".")
    plain = all(label.replace("-", "a").isalnum() and len(label) < 64 for label in labels)
    if not (host.isascii() and plain and len(host) < 254):
        raise IdentityError(IdentityCode.BAD_NAME, f"{host!r:.80} is no host's name or IP address")
    return x509.DNSName(host)

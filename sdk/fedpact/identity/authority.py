"""An organisation's certificate authority: a root, and the identities it issues."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fedpact.identity.certificate_fields import authority_builder, key_usage, subject_name
from fedpact.identity.certificates import (
    NODE_OUS,
    attributes_extension,
    check_mspid,
    check_name,
    load_certificate,
)
from fedpact.identity.errors import IdentityCode, IdentityError
from fedpact.identity.identity import Identity
from fedpact.identity.private_files import make_private_folder, write_private_file
from fedpact.identity.revocation import make_revocation_list
from fedpact.identity.seeds import derive_bytes, derive_private_key
from fedpact.identity.signer import PrivateKeySigner, load_private_key

__all__ = ["CertificateAuthority"]

_CA_YEARS = 10
_IDENTITY_YEARS = 2
# A certificate made "now" is dated back, as Fabric CA does, for peers whose clock is behind.
_BACKDATE = timedelta(minutes=5)


class CertificateAuthority:
    """Issues the certificates of one organisation.

    Parameters
    ----------
    mspid
        The organisation's MSP identifier.
    certificate
        The root certificate.
    key
        Its P-256 key.
    seed
        Where the keys and serial numbers of the issued certificates come from; None: random.
    """

    def __init__(
        self,
        mspid: str,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        *,
        seed: bytes | None = None,
    ) -> None:
        self.mspid = check_mspid(mspid)
        self.certificate = certificate
        self._key = key
        self._seed = seed

    @classmethod
    def create(
        cls,
        organisation: str,
        mspid: str,
        *,
        seed: bytes | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        path_length: int = 0,
    ) -> Self:
        """Make a root for an organisation.

        Parameters
        ----------
        organisation
            Its name, 1 to 61 printable characters.
        mspid
            Its MSP identifier.
        seed
            Derive every key, serial number and signature from it: one seed and one `not_before`
            give byte-identical certificates. For demonstrations and tests only.
        not_before, not_after
            Validity, with a time zone. Default: five minutes ago, and ten years after the start.
        path_length
            How many levels of intermediate authorities may be below it.

        Raises
        ------
        IdentityError
            BAD_NAME, BAD_VALIDITY.
        """
        check_mspid(mspid)
        start, end = _validity(not_before, not_after, _CA_YEARS)
        name = subject_name(check_name(f"ca.{organisation}"), organisation, ou=None)
        label = f"{mspid}/authority"
        key = ec.generate_private_key(ec.SECP256R1()) if seed is None else derive_private_key(seed, label)
        builder = authority_builder(name, name, key.public_key(), path_length)
        builder = builder.serial_number(_serial(seed, f"{label}/{start}/{end}"))
        builder = builder.not_valid_before(start).not_valid_after(end)
        certificate = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=seed is not None)
        return cls(mspid, certificate, key, seed=seed)

    def intermediate(self, name: str) -> Self:
        """Make an authority below this one, valid as long; it has a random key.

        Once its certificate stands in the channel's configuration, this authority no longer vouches
        for members itself.

        Parameters
        ----------
        name
            Its common name: 1 to 64 printable characters without '/'.

        Raises
        ------
        IdentityError
            BAD_NAME; BAD_ROOT when this authority may have none below it.
        """
        constraints = self.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        if not constraints.path_length:
            raise IdentityError(
                IdentityCode.BAD_ROOT, "this authority was made without room for others below it"
            )
        key = ec.generate_private_key(ec.SECP256R1())
        subject = subject_name(check_name(name), self.organisation, ou=None)
        builder = authority_builder(
            self.certificate.subject, subject, key.public_key(), constraints.path_length - 1
        )
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(self.certificate.not_valid_before_utc)
        builder = builder.not_valid_after(self.certificate.not_valid_after_utc).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        return type(self)(self.mspid, builder.sign(self._key, hashes.SHA256()), key)

    def revoke(
        self, serial_numbers: Iterable[int], *, previous: bytes | None = None, at: datetime | None = None
    ) -> bytes:
        """Make the next revocation list (PEM) for the channel's configuration.

        Parameters
        ----------
        serial_numbers
            Of certificates that this authority has issued.
        previous
            The list before, whose entries stay; None: this is the first.
        at
            When they are revoked, with a time zone; default now.

        Raises
        ------
        IdentityError
            BAD_REVOCATION_LIST.
        """
        return make_revocation_list(
            self.certificate,
            self._key,
            serial_numbers,
            previous=previous,
            at=datetime.now(UTC) if at is None else at,
            deterministic=self._seed is not None,
        )

    @property
    def certificate_pem(self) -> bytes:
        """The root certificate, as the channel's configuration carries it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def organisation(self) -> str:
        """The organisation's name."""
        return str(self.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)

    def issue(
        self,
        name: str,
        *,
        role: str | None,
        ou: str = "client",
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Identity:
        """Make a key and a certificate for a member, a device or a node.

        Parameters
        ----------
        name
            Common name: 1 to 64 printable characters without '/'.
        role
            One of `fedpact.identity.ROLES`, or None for a node.
        ou
            Node OU: ``client``, ``peer``, ``admin`` or ``orderer``.
        not_before, not_after
            Validity, with a time zone, within the root's. Default: the root's own start when the
            authority has a seed, else five minutes ago; and two years after the start, or the
            root's end.

        Raises
        ------
        IdentityError
            BAD_NAME, BAD_ROLE, BAD_NODE_OU, BAD_VALIDITY.
        """
        if ou not in NODE_OUS:
            raise IdentityError(IdentityCode.BAD_NODE_OU, f"unknown Node OU {ou!r}")
        start, end = self._validity_within(not_before, not_after)
        label = f"{self.mspid}/identity/{check_name(name)}"
        signer = (
            PrivateKeySigner.generate()
            if self._seed is None
            else PrivateKeySigner.from_seed(self._seed, label)
        )
        serial = _serial(self._seed, f"{label}/{role}/{ou}/{start}/{end}")
        builder = (
            x509.CertificateBuilder(
                self.certificate.subject, subject_name(name, self.organisation, ou), signer.public_key
            )
            .serial_number(serial)
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(authority=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .add_extension(attributes_extension(role), critical=False)
        )
        certificate = builder.sign(self._key, hashes.SHA256(), ecdsa_deterministic=self._seed is not None)
        return Identity(self.mspid, certificate.public_bytes(serialization.Encoding.PEM), signer)

    def save(self, folder: Path, *, password: bytes | None = None) -> None:
        """Write `certificate.pem`, `key.pem` (PKCS8, 0600) and `mspid`; the seed is not kept."""
        make_private_folder(folder)
        write_private_file(folder / "key.pem", PrivateKeySigner(self._key).private_key_pem(password))
        write_private_file(folder / "certificate.pem", self.certificate_pem)
        write_private_file(folder / "mspid", self.mspid.encode())

    @classmethod
    def load(cls, folder: Path, *, password: bytes | None = None) -> Self:
        """Read what `save` wrote; identities issued from here on have random keys.

        Raises
        ------
        IdentityError
            KEY_LOCKED, MALFORMED, KEY_MISMATCH.
        """
        certificate = load_certificate((folder / "certificate.pem").read_bytes())
        key = load_private_key((folder / "key.pem").read_bytes(), password)
        if certificate.public_key() != key.public_key():
            raise IdentityError(
                IdentityCode.KEY_MISMATCH, "the private key does not belong to the certificate"
            )
        return cls((folder / "mspid").read_text(), certificate, key)

    def _validity_within(self, start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
        root_start, root_end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        if start is None:
            start = root_start if self._seed is not None else max(root_start, _now())
        begins, ends = _validity(start, end, _IDENTITY_YEARS)
        if end is None:
            ends = min(ends, root_end)
        if not (root_start <= begins < ends <= root_end):
            raise IdentityError(IdentityCode.BAD_VALIDITY, "an identity is valid only while its root is")
        return begins, ends

    def __repr__(self) -> str:
        return f"CertificateAuthority({self.mspid!r}, {self.organisation!r})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an authority is never pickled or copied")


def _now() -> datetime:
    return (datetime.now(UTC) - _BACKDATE).replace(second=0, microsecond=0)


def _validity(start: datetime | None, end: datetime | None, years: int) -> tuple[datetime, datetime]:
    if start is None:
        start = _now()
    if end is None:
        end = start + timedelta(days=365 * years)
    if start.tzinfo is None or end.tzinfo is None or start >= end:
        raise IdentityError(
            IdentityCode.BAD_VALIDITY, "validity needs time zones and must end after it begins"
        )
    return start.astimezone(UTC).replace(microsecond=0), end.astimezone(UTC).replace(microsecond=0)


def _serial(seed: bytes | None, label: str) -> int:
    if seed is None:
        return x509.random_serial_number()
    return int.from_bytes(derive_bytes(seed, f"{label}/serial", 19), "big") | 1

"""What stands in the certificates that an authority issues."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["authority_builder", "key_usage", "subject_name"]


def authority_builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey, path_length: int
) -> x509.CertificateBuilder:
    """Begin the certificate of an authority that may have so many levels of others below it."""
    return (
        x509.CertificateBuilder(issuer, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def subject_name(name: str, organisation: str, ou: str | None) -> x509.Name:
    """Make a subject: organisation, Node OU if any, common name."""
    units = [] if ou is None else [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, ou)]
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            *units,
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def key_usage(*, authority: bool) -> x509.KeyUsage:
    """Say what a key is for: signing certificates and revocation lists, or signing messages."""
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )

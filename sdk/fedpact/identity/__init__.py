"""Identities of a consortium: certificates, the authorities that issue them, signers, wallets."""

from fedpact.identity.authority import CertificateAuthority
from fedpact.identity.certificates import NODE_OUS, ROLES, common_name, public_key_hex, role_of
from fedpact.identity.errors import IdentityCode, IdentityError
from fedpact.identity.identity import Identity
from fedpact.identity.signer import PrivateKeySigner, Signer
from fedpact.identity.wallet import Wallet

__all__ = [
    "NODE_OUS",
    "ROLES",
    "CertificateAuthority",
    "Identity",
    "IdentityCode",
    "IdentityError",
    "PrivateKeySigner",
    "Signer",
    "Wallet",
    "common_name",
    "public_key_hex",
    "role_of",
]

"""Usual changes of a channel's configuration, for `session.channel.propose`.

    session.channel.propose(add_organisation(newcomer), set_batch_rules(timeout_ms=100))

A `Change` alters a copy of the channel group in force; any function of one group will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from fedpact.identity.certificates import load_certificate
from fedpact.identity.errors import IdentityCode, IdentityError
from fedpact.wire import config_changes
from fedpact.wire.batch import BatchRules
from fedpact.wire.errors import ConfigError
from fedpact.wire.organisations import Organisation

if TYPE_CHECKING:
    from fabric_protos.common import configtx_pb2

    from fedpact.identity.authority import CertificateAuthority

Change: TypeAlias = "Callable[[configtx_pb2.ConfigGroup], None]"

_NO_POLICIES: Mapping[str, str] = {}


def add_organisation(
    organisation: Organisation, *, policies: Mapping[str, str] = _NO_POLICIES, orders: bool = True
) -> Change:
    """Let an organisation in.

    Parameters
    ----------
    organisation : whom it vouches for.
    policies : text of those of its own policies that are not the usual ones, by name.
    orders : whether its orderers may sign blocks, too.

    Raises
    ------
    ConfigError, IdentityError, PolicyError
        From `propose`: it is there already; its certificates, or its policies, are not good.
    """

    def change(group: configtx_pb2.ConfigGroup) -> None:
        config_changes.add_organisation(group, organisation, orders=orders)
        for name, text in policies.items():
            config_changes.set_policy(group, f"/Channel/Application/{organisation.name}/{name}", text)

    return change


def remove_organisation(mspid: str) -> Change:
    """Let an organisation go; what it has committed stays valid. ConfigError from `propose` without it."""
    return lambda group: config_changes.remove_organisation(group, mspid)


def set_batch_rules(**rules: int) -> Change:
    """Cut blocks by other rules; those not named stay.

    Parameters
    ----------
    rules : the fields of `BatchRules`: max_messages, max_bytes, absolute_max_bytes, timeout_ms (ms).

    Raises
    ------
    ConfigError
        From `propose`: a number is out of bounds.
    """

    def change(group: configtx_pb2.ConfigGroup) -> None:
        now = BatchRules.from_group(group.groups["Orderer"])
        config_changes.set_batch_rules(group, replace(now, **rules))

    return change


def set_policy(path: str, text: str) -> Change:
    """Replace or add a policy, such as ``/Channel/Application/Endorsement``.

    ConfigError and PolicyError from `propose`.
    """
    return lambda group: config_changes.set_policy(group, path, text)


def set_anchor_peers(mspid: str, addresses: Sequence[str]) -> Change:
    """Name an organisation's anchor peers, ``host:port``; ConfigError from `propose`."""
    return lambda group: config_changes.set_anchor_peers(group, mspid, addresses)


def publish_revocation_list(mspid: str, revocations: bytes) -> Change:
    """Publish a revocation list (PEM) of one of an organisation's authorities.

    ConfigError and IdentityError from `propose`.
    """
    return lambda group: config_changes.publish_revocation_list(group, mspid, revocations)


def revoke(authority: CertificateAuthority, certificates: Iterable[bytes]) -> Change:
    """Revoke certificates: the authority's next list, with the entries of the one published before.

    Parameters
    ----------
    authority : that issued them.
    certificates : PEM.

    Raises
    ------
    IdentityError
        MALFORMED; FOREIGN_CA for a certificate of another authority.
    ConfigError
        From `propose`: the organisation is not there.
    """
    pems = tuple(certificates)
    if not pems:
        raise ConfigError("no certificate is named")
    for pem in pems:
        issuer([authority], pem)
    serial_numbers = [load_certificate(pem).serial_number for pem in pems]

    def change(group: configtx_pb2.ConfigGroup) -> None:
        previous = config_changes.published_list(group, authority.mspid, authority.certificate)
        revocations = authority.revoke(serial_numbers, previous=previous)
        config_changes.publish_revocation_list(group, authority.mspid, revocations)

    return change


def issuer(authorities: Iterable[CertificateAuthority], certificate: bytes) -> CertificateAuthority:
    """Return the authority that has issued a certificate (PEM).

    Raises
    ------
    IdentityError
        MALFORMED; FOREIGN_CA when none of them has.
    """
    loaded = load_certificate(certificate)
    for authority in authorities:
        try:
            loaded.verify_directly_issued_by(authority.certificate)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return authority
    raise IdentityError(IdentityCode.FOREIGN_CA, "no authority here has issued this certificate")

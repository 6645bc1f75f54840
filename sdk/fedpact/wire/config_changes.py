"""Usual changes of a configuration, each made on a copy of its channel group.

group = desired(bundle)
add_organisation(group, newcomer)
update = compute_update(bundle, group)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cryptography import x509
from fabric_protos.common import configtx_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

from fedpact.identity.errors import IdentityCode, IdentityError
from fedpact.wire.batch import BatchRules
from fedpact.wire.bundle import Bundle
from fedpact.wire.config_blocks import value_of
from fedpact.wire.config_groups import application_organisation, orderer_organisation, put_policy, put_value
from fedpact.wire.errors import ConfigError, WireCode, read
from fedpact.wire.organisations import Organisation
from fedpact.wire.policies import encode
from fedpact.wire.policy_tree import CHANNEL
from fedpact.wire.roots import load_authorities, load_revocation_list, signed_by

__all__ = [
    "add_organisation",
    "desired",
    "publish_revocation_list",
    "published_list",
    "remove_organisation",
    "replace_roots",
    "set_anchor_peers",
    "set_batch_rules",
    "set_policy",
]

_BOTH = ("Application", "Orderer")
_MAX_PORT = 65_535


def desired(bundle: Bundle) -> configtx_pb2.ConfigGroup:
    """Return a copy of the channel group in force, to be changed."""
    copy = configtx_pb2.ConfigGroup()
    copy.CopyFrom(bundle.config.channel_group)
    return copy


def add_organisation(
    group: configtx_pb2.ConfigGroup, organisation: Organisation, *, orders: bool = True
) -> None:
    """Let an organisation run contracts with the usual policies and, unless told otherwise, order.

    Raises
    ------
    ConfigError
        It is there already.
    IdentityError
        Its certificates are not good.
    """
    load_authorities(organisation)
    known = {Organisation.from_group(name, inner).mspid for _, name, inner in _organisations(group)}
    if organisation.mspid in known or any(organisation.name in group.groups[part].groups for part in _BOTH):
        raise ConfigError(f"{organisation.mspid} is in the channel already")
    group.groups["Application"].groups[organisation.name].CopyFrom(application_organisation(organisation))
    if orders:
        group.groups["Orderer"].groups[organisation.name].CopyFrom(orderer_organisation(organisation))


def remove_organisation(group: configtx_pb2.ConfigGroup, mspid: str) -> None:
    """Take an organisation out of the channel; raises ConfigError when it is not there.

    Policies that name it stay as they are.
    """
    for part, name in [(part, name) for part, name, _ in _of(group, mspid)]:
        del group.groups[part].groups[name]


def set_batch_rules(group: configtx_pb2.ConfigGroup, rules: BatchRules) -> None:
    """Cut blocks by other rules."""
    for key, value in rules.values().items():
        put_value(group.groups["Orderer"], key, value)


def set_policy(group: configtx_pb2.ConfigGroup, path: str, text: str) -> None:
    """Replace a policy, or add one.

    Parameters
    ----------
    group
        The channel group.
    path
        Such as ``/Channel/Application/Endorsement``.
    text
        A signature policy, or ``ANY|ALL|MAJORITY <name>``.

    Raises
    ------
    ConfigError
        There is no such group.
    PolicyError
        The text is no policy.
    """
    policy = encode(text)
    *groups, name = path.removeprefix(f"{CHANNEL}/").split("/")
    for part in groups:
        if part not in group.groups:
            raise ConfigError(f"the channel has no group for {path[:200]!r}")
        group = group.groups[part]
    put_policy(group, name, policy)


def publish_revocation_list(group: configtx_pb2.ConfigGroup, mspid: str, revocations: bytes) -> None:
    """Publish a revocation list (PEM); it replaces earlier ones of the same authority.

    Raises
    ------
    ConfigError
        The organisation is not there.
    IdentityError
        BAD_REVOCATION_LIST when none of its authorities has signed the list.
    """
    wanted = load_revocation_list(revocations)
    for part, name, inner in _of(group, mspid):
        authorities = load_authorities(Organisation.from_group(name, inner))
        issuer = next((known for known in authorities if signed_by(wanted, known.certificate)), None)
        if issuer is None:
            raise IdentityError(
                IdentityCode.BAD_REVOCATION_LIST, f"no authority of {mspid} has signed this list"
            )
        msp = _msp(inner)
        kept = [
            known
            for known in msp.revocation_list
            if not signed_by(load_revocation_list(known), issuer.certificate)
        ]
        del msp.revocation_list[:]
        msp.revocation_list.extend([*kept, revocations])
        _put_msp(group.groups[part].groups[name], msp)


def published_list(group: configtx_pb2.ConfigGroup, mspid: str, authority: x509.Certificate) -> bytes | None:
    """Return the revocation list (PEM) that an authority of an organisation has published; None: none yet.

    Raises
    ------
    ConfigError
        The organisation is not there.
    """
    for _, _, inner in _of(group, mspid):
        for known in _msp(inner).revocation_list:
            if signed_by(load_revocation_list(known), authority):
                return bytes(known)
    return None


def set_anchor_peers(group: configtx_pb2.ConfigGroup, mspid: str, addresses: Sequence[str]) -> None:
    """Name the peers (``host:port``) by which other organisations find this one's; none takes them away.

    Raises
    ------
    ConfigError
        The organisation does not run contracts here, or an address is none.
    """
    peers = []
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) <= _MAX_PORT:
            raise ConfigError(f"{address[:200]!r} is no host:port")
        peers.append(peer_pb2.AnchorPeer(host=host, port=int(port)))
    found = [name for part, name, _ in _of(group, mspid) if part == "Application"]
    if not found:
        raise ConfigError(f"{mspid[:100]!r} runs no contracts in the channel")
    organisation = group.groups["Application"].groups[found[0]]
    if peers:
        put_value(organisation, "AnchorPeers", peer_pb2.AnchorPeers(anchor_peers=peers))
    elif "AnchorPeers" in organisation.values:
        del organisation.values["AnchorPeers"]


def replace_roots(
    group: configtx_pb2.ConfigGroup,
    mspid: str,
    roots: Sequence[bytes],
    intermediates: Sequence[bytes] = (),
) -> None:
    """Let other authorities (PEM) vouch for an organisation's members.

    To renew a root without a gap, first publish both, later only the new one.

    Raises
    ------
    ConfigError
        The organisation is not there.
    IdentityError
        The certificates are not good.
    """
    for part, name, inner in _of(group, mspid):
        msp = _msp(inner)
        del msp.root_certs[:], msp.intermediate_certs[:]
        msp.root_certs.extend(roots)
        msp.intermediate_certs.extend(intermediates)
        _put_msp(group.groups[part].groups[name], msp)
        load_authorities(Organisation.from_group(name, group.groups[part].groups[name]))


def _of(group: configtx_pb2.ConfigGroup, mspid: str) -> list[tuple[str, str, configtx_pb2.ConfigGroup]]:
    found = [item for item in _organisations(group) if Organisation.from_group(*item[1:]).mspid == mspid]
    if not found:
        raise ConfigError(f"{mspid[:100]!r} is not in the channel")
    return found


def _organisations(
    group: configtx_pb2.ConfigGroup,
) -> Iterator[tuple[str, str, configtx_pb2.ConfigGroup]]:
    for part in _BOTH:
        for name, inner in group.groups[part].groups.items():
            yield part, name, inner


def _msp(organisation: configtx_pb2.ConfigGroup) -> msp_config_pb2.FabricMSPConfig:
    outer = value_of(organisation, "MSP", msp_config_pb2.MSPConfig)
    return read(msp_config_pb2.FabricMSPConfig, outer.config, WireCode.BAD_BLOCK)


def _put_msp(organisation: configtx_pb2.ConfigGroup, msp: msp_config_pb2.FabricMSPConfig) -> None:
    put_value(
        organisation,
        "MSP",
        msp_config_pb2.MSPConfig(type=0, config=msp.SerializeToString(deterministic=True)),
    )

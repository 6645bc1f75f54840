"""An organisation of a channel: whom it vouches for, as Fabric's MSP configuration says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from fabric_protos.common import configtx_pb2, configuration_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

from fedpact.wire.config_blocks import value_of
from fedpact.wire.errors import WireCode, WireError, read

__all__ = ["NODE_ROLES", "NodeOU", "Organisation", "RequiredOU"]

NODE_ROLES: Final = ("client", "peer", "admin", "orderer")

_FABRIC_MSP: Final = 0


class NodeOU(NamedTuple):
    """Which organisational unit makes somebody a client, peer, admin or orderer.

    `certifier`, a PEM certificate of one of the organisation's authorities, narrows it to those
    whom this authority has issued; empty: any of them.
    """

    role: str
    unit: str
    certifier: bytes = b""


class RequiredOU(NamedTuple):
    """One of the organisational units (as its authority `certifier` issues it) that members must have."""

    unit: str
    certifier: bytes


_USUAL_OUS: Final = tuple(NodeOU(role, role) for role in NODE_ROLES)


@dataclass(frozen=True, slots=True)
class Organisation:
    """A member of the consortium, or an organisation that runs orderers.

    Attributes
    ----------
    mspid
        MSP identifier, such as ``Org1MSP``.
    root_certificates
        PEM certificates of the authorities that vouch for its members.
    intermediate_certificates
        PEM certificates of authorities below them.
    revocation_lists
        PEM lists of certificates that these authorities have revoked.
    admins
        PEM certificates of administrators named one by one.
    node_ous
        What the Node OUs are called; empty: the organisation does not tell its members apart.
    required_ous
        Units of which every member must have one; empty: no such rule.
    tls_root_certificates, tls_intermediate_certificates
        PEM certificates of the authorities of its servers.
    endpoints
        Its orderers, or its anchor peers: ``host:port``.
    name
        What its group in the configuration is called; the MSP identifier unless given.
    """

    mspid: str
    root_certificates: tuple[bytes, ...]
    intermediate_certificates: tuple[bytes, ...] = ()
    revocation_lists: tuple[bytes, ...] = ()
    admins: tuple[bytes, ...] = ()
    node_ous: tuple[NodeOU, ...] = _USUAL_OUS
    required_ous: tuple[RequiredOU, ...] = ()
    tls_root_certificates: tuple[bytes, ...] = ()
    tls_intermediate_certificates: tuple[bytes, ...] = ()
    endpoints: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.mspid)

    @classmethod
    def from_group(cls, name: str, group: configtx_pb2.ConfigGroup) -> Self:
        """Read an organisation's group of a configuration.

        Raises
        ------
        WireError
            BAD_BLOCK when the group has no readable MSP, or one that is not of X.509 certificates.
        """
        outer = value_of(group, "MSP", msp_config_pb2.MSPConfig)
        if outer.type != _FABRIC_MSP:
            raise WireError(WireCode.BAD_BLOCK, f"unknown type {outer.type} of an organisation's MSP")
        msp = read(msp_config_pb2.FabricMSPConfig, outer.config, WireCode.BAD_BLOCK)
        return cls(
            msp.name,
            tuple(msp.root_certs),
            tuple(msp.intermediate_certs),
            tuple(msp.revocation_list),
            tuple(msp.admins),
            _node_ous(msp.fabric_node_ous),
            tuple(
                RequiredOU(unit.organizational_unit_identifier, unit.certificate)
                for unit in msp.organizational_unit_identifiers
            ),
            tuple(msp.tls_root_certs),
            tuple(msp.tls_intermediate_certs),
            _endpoints(group),
            name,
        )

    def to_msp(self) -> msp_config_pb2.MSPConfig:
        """Describe the organisation as Fabric's ``MSPConfig``."""
        config = msp_config_pb2.FabricMSPConfig(
            name=self.mspid,
            root_certs=self.root_certificates,
            intermediate_certs=self.intermediate_certificates,
            revocation_list=self.revocation_lists,
            admins=self.admins,
            crypto_config=msp_config_pb2.FabricCryptoConfig(
                signature_hash_family="SHA2", identity_identifier_hash_function="SHA256"
            ),
            organizational_unit_identifiers=[
                _identifier(unit, certifier) for unit, certifier in self.required_ous
            ],
            tls_root_certs=self.tls_root_certificates,
            tls_intermediate_certs=self.tls_intermediate_certificates,
        )
        if self.node_ous:
            units = {
                f"{role}_ou_identifier": _identifier(unit, certifier)
                for role, unit, certifier in self.node_ous
            }
            config.fabric_node_ous.CopyFrom(msp_config_pb2.FabricNodeOUs(enable=True, **units))
        return msp_config_pb2.MSPConfig(type=_FABRIC_MSP, config=config.SerializeToString(deterministic=True))


def _identifier(unit: str, certifier: bytes) -> msp_config_pb2.FabricOUIdentifier:
    return msp_config_pb2.FabricOUIdentifier(organizational_unit_identifier=unit, certificate=certifier)


def _node_ous(units: msp_config_pb2.FabricNodeOUs) -> tuple[NodeOU, ...]:
    if not units.enable:
        return ()
    found = []
    for role in NODE_ROLES:
        field = f"{role}_ou_identifier"
        if units.HasField(field):
            unit = getattr(units, field)
            found.append(NodeOU(role, unit.organizational_unit_identifier, unit.certificate))
    return tuple(found)


def _endpoints(group: configtx_pb2.ConfigGroup) -> tuple[str, ...]:
    orderers = value_of(group, "Endpoints", configuration_pb2.OrdererAddresses).addresses
    peers = value_of(group, "AnchorPeers", peer_pb2.AnchorPeers).anchor_peers
    return (*orderers, *(f"{peer.host}:{peer.port}" for peer in peers))

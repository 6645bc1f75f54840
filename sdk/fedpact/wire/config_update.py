"""Changes of a channel's configuration: proposed, signed by administrators, ordered, and checked by all.

    update = compute_update(bundle, group)                        what changes; every signature covers it
    signatures = [sign_update(update, admin) for admin in ...]    each organisation's administrator
    envelope = update_envelope(update, signatures, submitter)     CONFIG_UPDATE, handed to an orderer
    config = bundle.updated(envelope)                             the orderer checks and applies it
    ordered = config_envelope(config, envelope, orderer)          CONFIG, alone in a block
    bundle = next_bundle(bundle, ordered, number)                 every node checks it again

The rules are those of Fabric's ``common/configtx``. Signers' certificates must be valid at the time that the
update's envelope names; whether that time is near the orderer's clock is for the orderer to check.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Final

from fabric_protos.common import common_pb2, configtx_pb2

from fedpact.identity.errors import IdentityError
from fedpact.wire.blocks import BlockSigner
from fedpact.wire.bundle import Bundle
from fedpact.wire.config_authorisation import ConfigUpdateCode, ConfigUpdateError, authorised, read_update
from fedpact.wire.config_blocks import open_config_envelope
from fedpact.wire.config_delta import compute_sets
from fedpact.wire.errors import ConfigError, WireCode, WireError, check_size, read
from fedpact.wire.headers import transaction_id
from fedpact.wire.membership import Member, Membership
from fedpact.wire.policies import PolicyError
from fedpact.wire.policy_tree import CHANNEL
from fedpact.wire.proposals import NONCE_BYTES

__all__ = [
    "ConfigUpdateCode",
    "ConfigUpdateError",
    "compute_update",
    "config_envelope",
    "next_bundle",
    "sign_update",
    "update_envelope",
    "updated",
]

NS: Final = 1_000_000_000


def compute_update(current: Bundle, group: configtx_pb2.ConfigGroup) -> bytes:
    """Return the update that leads from the current configuration to a desired one.

    Parameters
    ----------
    current
        What is in force.
    group
        The desired channel group; its versions do not matter. `config_changes` helps to make one.

    Returns
    -------
    bytes
        A serialised ``ConfigUpdate``: exactly what signatures cover.

    Raises
    ------
    ConfigUpdateError
        NO_CHANGE.
    """
    sets = compute_sets(current.config.channel_group, group)
    if sets is None:
        raise ConfigUpdateError(ConfigUpdateCode.NO_CHANGE, "this is the configuration in force")
    update = configtx_pb2.ConfigUpdate(channel_id=current.channel_id, read_set=sets[0], write_set=sets[1])
    data: bytes = update.SerializeToString(deterministic=True)
    return data


def sign_update(update: bytes, signer: BlockSigner) -> configtx_pb2.ConfigSignature:
    """Sign an update as an administrator of an organisation."""
    header = _signature_header(signer)
    return configtx_pb2.ConfigSignature(signature_header=header, signature=signer.sign(header + update))


def update_envelope(
    update: bytes,
    signatures: Iterable[configtx_pb2.ConfigSignature],
    submitter: BlockSigner,
    *,
    timestamp_ns: int | None = None,
) -> bytes:
    """Make the CONFIG_UPDATE envelope that a client hands to an orderer.

    Parameters
    ----------
    update
        From `compute_update`.
    signatures
        Of those whose agreement the changed elements ask for.
    submitter
        Signs the envelope; a member who may write to the channel.
    timestamp_ns
        Nanoseconds since 1970; default now. The signers' certificates must be valid then.

    Raises
    ------
    ConfigUpdateError
        MALFORMED.
    """
    channel_id = read_update(update).channel_id
    content = configtx_pb2.ConfigUpdateEnvelope(config_update=update, signatures=signatures)
    return _envelope(
        common_pb2.CONFIG_UPDATE, channel_id, content.SerializeToString(), submitter, timestamp_ns
    )


def updated(bundle: Bundle, envelope: bytes) -> configtx_pb2.Config:
    """Check a CONFIG_UPDATE envelope as an orderer does and return the configuration it leads to.

    Raises
    ------
    ConfigUpdateError
        MALFORMED, TOO_LARGE, WRONG_CHANNEL, NO_CHANGE, STALE, BAD_VERSION, BAD_MOD_POLICY,
        BAD_SIGNATURE, NOT_AUTHORISED, BAD_CONFIG.
    """
    opened, header, payload = _open(envelope, common_pb2.CONFIG_UPDATE)
    membership = bundle.membership()
    submitter = _submitter(membership, opened, header, payload)
    writers = f"{CHANNEL}/Writers"
    if not (bundle.has_policy(writers) and bundle.policy(writers).satisfied_by([submitter])):
        raise ConfigUpdateError(
            ConfigUpdateCode.NOT_AUTHORISED, f"{submitter.id} may not write to the channel"
        )
    config = _applied(bundle, membership, header, payload)
    if config.channel_group == bundle.config.channel_group:
        raise ConfigUpdateError(ConfigUpdateCode.NO_CHANGE, "the update changes nothing")
    _check_successor(bundle, config, bundle.block_number + 1)
    return config


def config_envelope(
    config: configtx_pb2.Config, last_update: bytes, signer: BlockSigner, *, timestamp_ns: int | None = None
) -> bytes:
    """Make the CONFIG envelope that an orderer puts alone into a block.

    Parameters
    ----------
    config
        From `updated`.
    last_update
        The CONFIG_UPDATE envelope that led to it.
    signer
        The orderer.
    timestamp_ns
        Nanoseconds since 1970; default now.

    Raises
    ------
    ConfigUpdateError
        MALFORMED.
    """
    envelope, header, _ = _open(last_update, common_pb2.CONFIG_UPDATE)
    content = configtx_pb2.ConfigEnvelope(config=config, last_update=envelope)
    data = content.SerializeToString(deterministic=True)
    return _envelope(common_pb2.CONFIG, header.channel_id, data, signer, timestamp_ns)


def next_bundle(bundle: Bundle, envelope: bytes, block_number: int) -> Bundle:
    """Check a CONFIG envelope against the configuration in force; return what is in force from then on.

    The update in it is applied again: it must lead to exactly the configuration beside it.

    Parameters
    ----------
    bundle
        What is in force before the block.
    envelope
        Serialised ``common.Envelope`` of the configuration block.
    block_number
        Number of that block.

    Raises
    ------
    ConfigUpdateError
        As for `updated`; BAD_SEQUENCE, BAD_RESULT.
    """
    opened, header, payload = _open(envelope, common_pb2.CONFIG)
    if header.channel_id != bundle.channel_id:
        raise ConfigUpdateError(ConfigUpdateCode.WRONG_CHANNEL, "the configuration is for another channel")
    try:
        content = open_config_envelope(envelope).envelope
    except WireError as error:
        raise ConfigUpdateError(ConfigUpdateCode.MALFORMED, str(error)) from error
    if content.config.sequence != bundle.sequence + 1:
        raise ConfigUpdateError(
            ConfigUpdateCode.BAD_SEQUENCE,
            f"configuration {content.config.sequence} does not follow {bundle.sequence}",
        )
    membership = bundle.membership()
    _submitter(membership, opened, header, payload)
    _, header, payload = _open(content.last_update.SerializeToString(), common_pb2.CONFIG_UPDATE)
    config = _applied(bundle, membership, header, payload)
    if config.channel_group != content.config.channel_group:
        raise ConfigUpdateError(
            ConfigUpdateCode.BAD_RESULT, "the update does not lead to the configuration beside it"
        )
    return _check_successor(bundle, config, block_number)


def _applied(
    bundle: Bundle, membership: Membership, header: common_pb2.ChannelHeader, payload: common_pb2.Payload
) -> configtx_pb2.Config:
    if header.channel_id != bundle.channel_id:
        raise ConfigUpdateError(ConfigUpdateCode.WRONG_CHANNEL, "the update is for another channel")
    try:
        signed = read(configtx_pb2.ConfigUpdateEnvelope, payload.data, WireCode.BAD_BLOCK)
    except WireError as error:
        raise ConfigUpdateError(ConfigUpdateCode.MALFORMED, str(error)) from error
    group = authorised(bundle, membership, signed, _seconds(header))
    return configtx_pb2.Config(sequence=bundle.sequence + 1, channel_group=group)


def _check_successor(bundle: Bundle, config: configtx_pb2.Config, block_number: int) -> Bundle:
    """Return what a new configuration means, if a channel may go over to it."""
    try:
        successor = Bundle.from_config(bundle.channel_id, config, block_number)
    except (WireError, ConfigError, IdentityError, PolicyError) as error:
        raise ConfigUpdateError(ConfigUpdateCode.BAD_CONFIG, str(error)) from error
    for before, after in (
        (bundle.organisations, successor.organisations),
        (bundle.orderer_organisations, successor.orderer_organisations),
    ):
        known = {organisation.name: organisation.mspid for organisation in before}
        for organisation in after:
            if known.get(organisation.name, organisation.mspid) != organisation.mspid:
                raise ConfigUpdateError(
                    ConfigUpdateCode.BAD_CONFIG, f"{organisation.name} changes its MSP identifier"
                )
    return successor


def _submitter(
    membership: Membership,
    envelope: common_pb2.Envelope,
    header: common_pb2.ChannelHeader,
    payload: common_pb2.Payload,
) -> Member:
    try:
        signature_header = read(
            common_pb2.SignatureHeader, payload.header.signature_header, WireCode.BAD_BLOCK
        )
        creator = signature_header.creator
        return membership.verify(creator, envelope.payload, envelope.signature, _seconds(header))
    except (IdentityError, WireError) as error:
        raise ConfigUpdateError(ConfigUpdateCode.BAD_SIGNATURE, str(error)) from error


def _open(data: bytes, kind: int) -> tuple[common_pb2.Envelope, common_pb2.ChannelHeader, common_pb2.Payload]:
    try:
        check_size(data, "envelope")
        envelope = read(common_pb2.Envelope, data, WireCode.BAD_BLOCK)
        payload = read(common_pb2.Payload, envelope.payload, WireCode.BAD_PAYLOAD)
        header = read(common_pb2.ChannelHeader, payload.header.channel_header, WireCode.BAD_CHANNEL_HEADER)
    except WireError as error:
        code = ConfigUpdateCode.TOO_LARGE if error.code == WireCode.TOO_LARGE else ConfigUpdateCode.MALFORMED
        raise ConfigUpdateError(code, str(error)) from error
    if header.type != kind:
        raise ConfigUpdateError(ConfigUpdateCode.MALFORMED, f"an envelope of type {header.type}")
    return envelope, header, payload


def _envelope(
    kind: common_pb2.HeaderType, channel_id: str, data: bytes, signer: BlockSigner, timestamp_ns: int | None
) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    header = common_pb2.ChannelHeader(
        type=kind, channel_id=channel_id, tx_id=transaction_id(nonce, signer.creator)
    )
    moment = time.time_ns() if timestamp_ns is None else timestamp_ns
    header.timestamp.seconds, header.timestamp.nanos = divmod(moment, NS)
    payload = common_pb2.Payload(
        header=common_pb2.Header(
            channel_header=header.SerializeToString(), signature_header=_signature_header(signer, nonce)
        ),
        data=data,
    ).SerializeToString()
    made: bytes = common_pb2.Envelope(payload=payload, signature=signer.sign(payload)).SerializeToString()
    return made


def _signature_header(signer: BlockSigner, nonce: bytes | None = None) -> bytes:
    header = common_pb2.SignatureHeader(creator=signer.creator, nonce=nonce or os.urandom(NONCE_BYTES))
    data: bytes = header.SerializeToString()
    return data


def _seconds(header: common_pb2.ChannelHeader) -> float:
    return float(header.timestamp.seconds + header.timestamp.nanos / NS)

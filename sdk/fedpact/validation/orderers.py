"""Whether a block follows its predecessor and was made by the channel's orderers."""

from __future__ import annotations

from collections.abc import Sequence

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from fedpact.identity.errors import IdentityError
from fedpact.validation.channel_rules import ChannelRules
from fedpact.wire.blocks import ParsedBlock, data_hash


class BlockError(ValueError):
    """A block that does not belong to the chain; the text says why."""


def check_link(block: ParsedBlock, *, number: int, previous_hash: bytes) -> None:
    """Verify that a block is the next one and holds what its header says.

    Parameters
    ----------
    block : the block.
    number : the one it must have.
    previous_hash : header hash of the block before.

    Raises
    ------
    BlockError
        If it is not.
    """
    if block.number != number:
        raise BlockError(f"block {block.number} came where block {number} was due")
    if block.previous_hash != previous_hash:
        raise BlockError(f"block {number} does not follow the block before")
    if data_hash(block.envelopes) != block.data_hash:
        raise BlockError(f"the transactions of block {number} do not have their hash")
    fault = envelopes_fault(block.envelopes) if number else ""  # nobody signs the genesis block
    if fault:
        raise BlockError(f"block {number}: {fault}")


def envelopes_fault(envelopes: Sequence[bytes]) -> str:
    """Return which envelope is not exactly one `common.Envelope` with payload and signature; empty if none.

    The data hash covers the envelopes' bytes one after the other, not where one ends: two in one place would
    have the hash of both and parse as the second. As Fabric's `VerifyTransactionsAreWellFormed`.
    """
    for position, data in enumerate(envelopes):
        try:
            envelope = common_pb2.Envelope.FromString(data)
        except DecodeError:
            return f"transaction {position} is no envelope"
        if not (envelope.payload and envelope.signature) or envelope.SerializeToString() != data:
            return f"transaction {position} is not exactly one signed envelope"
    return ""


def signature_fault(block: ParsedBlock, rules: ChannelRules, at_s: float) -> str:
    """Return what is wrong with a block's signatures; empty if nothing.

    Every signature must hold, and together they must satisfy the policy BlockValidation.

    Parameters
    ----------
    block : the block.
    rules : of the configuration in force before it.
    at_s : when its signers must be valid, seconds since 1970: the latest time that a valid transaction of
        the block claims, else of the nearest block before that has one. 0 where there is none yet: what is
        not valid may claim anything, and so their validity is not asked for.
    """
    if not block.signatures:
        return "it has no signature"
    members = []
    for signer, message, signature in block.signatures:
        try:
            moment_s = at_s or rules.membership.valid_from_s(signer)
            members.append(rules.membership.verify(signer, message, signature, moment_s))
        except IdentityError as error:
            return str(error)
    if rules.bundle.block_policy.satisfied_by(members):
        return ""
    return f"{', '.join(member.id for member in members)[:200]} cannot sign blocks"

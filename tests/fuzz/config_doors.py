"""Doors for configurations and blocks: updates of real administrators, blocks from elsewhere, archive files.

What real administrators sign is in force, however mad: a node whose configuration a damaged update changed is
compared with a follower and founded anew.
"""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from fabric_protos.common import common_pb2, configtx_pb2
from google.protobuf.message import DecodeError
from tests.fuzz.choices import Choices
from tests.fuzz.defects import Defect, place_of
from tests.fuzz.forged_messages import Damage, field_bytes
from tests.fuzz.wire_mutations import damage_bytes, mutate

from fedpact.identity import Identity
from fedpact.ledger import LedgerError, inspect_ledger
from fedpact.wire.blocks import build_block, parse_block
from fedpact.wire.config import BatchRules
from fedpact.wire.config_changes import desired, set_anchor_peers, set_batch_rules, set_policy
from fedpact.wire.config_update import ConfigUpdateError, compute_update, config_envelope, updated
from fedpact.wire.errors import WireError
from fedpact.wire.headers import transaction_id
from fedpact_network.embedded.archive import ArchiveError, chain_of
from fedpact_network.embedded.archive_backup import back_up, restore
from fedpact_network.embedded.archive_blocks import export_blocks, import_blocks

if TYPE_CHECKING:
    from tests.fuzz.target import Target

CONFIG_LAYERS = (
    "group",
    "group",
    "group",
    "update",
    "update",
    "config signature",
    "update envelope",
    "update envelope",
    "channel header",
    "signature header",
    "payload",
    "signature",
    "envelope",
    "",
)
POLICIES = (
    "MAJORITY Endorsement",
    "ANY Endorsement",
    "OR('Org1MSP.peer')",
    "OutOf(2, 'Org1MSP.peer', 'Org2MSP.peer', 'Org3MSP.peer')",
)


def config_updates(target: Target, choices: Choices) -> None:
    """Propose a new configuration, damaged and signed again by administrators."""
    tx_id, signed = _update(target, choices, Damage(choices, choices.one_of(CONFIG_LAYERS)))
    before, height = target.ledger.bundle.sequence, target.ledger.height()
    request = field_bytes(1, tx_id.encode()) + field_bytes(2, b"consortium") + field_bytes(3, signed)
    outcome = target.submit(signed, tx_id, request, choices.one_of(("broadcast", "broadcast", "submit")))
    if outcome.status == "OK":
        target.wait_for_block(height, at_most_s=1.0)
    if target.ledger.bundle.sequence != before:
        target.elsewhere.follow(target)
        target.found_anew()


def blocks_from_elsewhere(target: Target, choices: Choices) -> None:
    """Offer a follower the next block, damaged; or one that a real orderer made of damaged envelopes."""
    elsewhere = target.elsewhere
    number = elsewhere.ledger.height()
    if choices.maybe(50) and number < target.ledger.height():
        data = next(iter(target.ledger.blocks(number)))
        if not elsewhere.offer(mutate(data, choices), genuine=parse_block(data).hash):
            elsewhere.append(data)
        if elsewhere.ledger.state_hash() != target.ledger.state_hash_at(number):
            raise Defect("follower", f"it has another state after block {number}")
        return
    stray = target.stray
    tip = parse_block(next(iter(stray.ledger.blocks(stray.ledger.height() - 1))))
    envelopes = [_ordered(target, choices) for _ in range(1 + choices.below(3) * choices.below(2))]
    block = build_block(
        tip.number + 1,
        tip.hash,
        envelopes,
        signer=target.orderer,
        last_config=stray.ledger.bundle.block_number,
    )
    before = stray.ledger.state_hash(), stray.ledger.bundle.sequence
    if not stray.offer(block.SerializeToString(), genuine=b""):
        return
    verdicts = parse_block(next(iter(stray.ledger.blocks(tip.number + 1)))).filter
    target.statuses.update(f"stray verdict {code}" for code in set(verdicts))
    if all(verdicts) and before != (stray.ledger.state_hash(), stray.ledger.bundle.sequence):
        raise Defect("stray", f"verdicts {list(verdicts)} changed the state")
    if stray.ledger.bundle.sequence != before[1] or stray.ledger.height() > 40:
        stray.holds_together()
        stray.begin(target)


def archives(target: Target, choices: Choices) -> None:
    """Import an export, or restore a backup, that somebody has damaged."""
    kept, take, suffix = choices.one_of(
        ((export_blocks, import_blocks, "blocks"), (back_up, restore, "backup"))
    )
    folder = Path(target.folder.name)
    source = folder / f"kept.{suffix}"
    if not source.exists():
        kept(target.url, source)
    with (
        closing(inspect_ledger(f"embedded://{folder}/kept.backup"))
        if suffix == "backup"
        else closing(inspect_ledger(target.url)) as ledger
    ):
        blocks = list(ledger.blocks())
        true = chain_of(ledger) if suffix == "backup" else None
    data = source.read_bytes()
    broken, place = folder / "broken", folder / "imported"
    for _ in range(1 + choices.below(3)):
        data = _somewhere(data, choices)
    broken.write_bytes(data)
    try:
        chain = take(broken, f"embedded://{place}/ledger.db")
    except (ArchiveError, LedgerError) as error:
        target.statuses[f"archive {error.code}"] += 1
        left = [path.name for path in place.rglob("*") if path.is_file() and path.suffix != ".lock"]
        if left:
            raise Defect("archive", f"{error.code} left {left} behind") from error
    except Exception as error:
        raise Defect(place_of(error), f"{take.__name__} raised {error!r}") from error
    else:
        target.statuses["archive OK"] += 1
        with closing(inspect_ledger(f"embedded://{place}/ledger.db")) as ledger:
            made = chain_of(ledger)
            held = list(ledger.blocks())
        if made != chain or (true is not None and chain != true):
            raise Defect("archive", f"a damaged file became {made}, announced as {chain}")
        if [parse_block(one).hash for one in held] != [parse_block(one).hash for one in blocks[: len(held)]]:
            raise Defect("archive", "a damaged file became another chain")
    finally:
        shutil.rmtree(place, ignore_errors=True)
        broken.unlink()


def _somewhere(data: bytes, choices: Choices) -> bytes:
    """Damage a few bytes of a file, or where it ends."""
    start = choices.below(max(len(data), 1))
    part = data[start : start + 1 + choices.below(200)]
    if choices.maybe(10):
        return data[:start]
    if choices.maybe(40) and part:
        return data[:start] + bytes((part[0] ^ 1 << choices.below(8),)) + data[start + 1 :]
    return data[:start] + damage_bytes(part, choices) + data[start + len(part) :]


def _changed_group(target: Target, choices: Choices, damage: Damage) -> configtx_pb2.ConfigGroup:
    group = desired(target.ledger.bundle)
    how = choices.below(3)
    if how == 0:
        set_batch_rules(group, BatchRules(max_messages=10 + choices.below(90), timeout_ms=5))
    elif how == 1:
        set_anchor_peers(group, "Org2MSP", [f"localhost:{1 + choices.below(60000)}"])
    else:
        set_policy(group, "/Channel/Application/Endorsement", choices.one_of(POLICIES))
    changed = configtx_pb2.ConfigGroup()
    try:
        changed.ParseFromString(damage.at("group", group.SerializeToString(deterministic=True)))
    except DecodeError:
        return group
    return changed


def _update(target: Target, choices: Choices, damage: Damage) -> tuple[str, bytes]:
    """Return an update's transaction id and envelope, damaged in a layer and signed again."""
    bundle = target.ledger.bundle
    try:
        update = compute_update(bundle, _changed_group(target, choices, damage))
    except ConfigUpdateError:
        update = configtx_pb2.ConfigUpdate(channel_id="consortium").SerializeToString()
    update = damage.at("update", update)
    content = field_bytes(1, update)
    admins = target.admins if choices.maybe(85) else target.admins[: choices.below(3)]
    for admin in admins:
        header = _signature_header(admin, damage)
        signature = configtx_pb2.ConfigSignature(
            signature_header=header, signature=admin.sign(header + update)
        )
        content += field_bytes(2, damage.at("config signature", signature.SerializeToString()))
    submitter = target.admins[0] if choices.maybe(90) else target.someone(choices)
    return _enveloped(common_pb2.CONFIG_UPDATE, damage.at("update envelope", content), submitter, damage)


def _ordered(target: Target, choices: Choices) -> bytes:
    """Return what a mad orderer puts into a block: a CONFIG envelope, damaged and signed again."""
    if choices.maybe(20):
        return mutate(choices.one_of(target.seen)[1], choices)
    layer = choices.one_of(("config", "config", *CONFIG_LAYERS))
    damage = Damage(choices, layer)
    _, update = _update(target, choices, damage)
    try:
        bundle = target.stray.ledger.bundle
        whole = config_envelope(updated(bundle, update), update, target.orderer)
    except (ConfigUpdateError, WireError):
        content = configtx_pb2.ConfigEnvelope(config=target.ledger.bundle.config)
        content.config.sequence += 1
        data = content.SerializeToString()
    else:
        data = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(whole).payload).data
    signer = target.orderer if choices.maybe(90) else target.someone(choices)
    return _enveloped(common_pb2.CONFIG, damage.at("config", data), signer, damage)[1]


def _enveloped(kind: int, data: bytes, signer: Identity, damage: Damage) -> tuple[str, bytes]:
    header = _signature_header(signer, damage)
    try:
        parsed = common_pb2.SignatureHeader.FromString(header)
        tx_id = transaction_id(parsed.nonce, parsed.creator)
    except DecodeError:
        tx_id = "0" * 64
    channel = common_pb2.ChannelHeader(type=kind, channel_id="consortium", tx_id=tx_id)
    channel.timestamp.GetCurrentTime()
    head = common_pb2.Header(
        channel_header=damage.at("channel header", channel.SerializeToString()), signature_header=header
    )
    payload = damage.at("payload", common_pb2.Payload(header=head, data=data).SerializeToString())
    signature = damage.at("signature", signer.sign(payload))
    whole = common_pb2.Envelope(payload=payload, signature=signature).SerializeToString()
    return tx_id, damage.at("envelope", whole)


def _signature_header(signer: Identity, damage: Damage) -> bytes:
    header = common_pb2.SignatureHeader(creator=signer.creator, nonce=os.urandom(24))
    return damage.at("signature header", header.SerializeToString())

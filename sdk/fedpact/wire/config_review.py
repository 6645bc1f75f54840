"""What an update of a configuration changes, in words, and whose signatures it still needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from fabric_protos.common import configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2
from google.protobuf.message import Message

from fedpact.wire.bundle import Bundle
from fedpact.wire.config_authorisation import (
    ConfigUpdateCode,
    ConfigUpdateError,
    read_update,
    signers_of,
)
from fedpact.wire.config_delta import Element, elements
from fedpact.wire.errors import WireCode, WireError, read
from fedpact.wire.membership import Member
from fedpact.wire.policies import Policy, PolicyError

__all__ = ["ElementChange", "Review", "review"]

_VALUES: Mapping[str, type[Message]] = {
    "AnchorPeers": peer_pb2.AnchorPeers,
    "BatchSize": orderer_pb2.BatchSize,
    "BatchTimeout": orderer_pb2.BatchTimeout,
    "ConsensusType": orderer_pb2.ConsensusType,
    "Capabilities": configuration_pb2.Capabilities,
    "Endpoints": configuration_pb2.OrdererAddresses,
    "OrdererAddresses": configuration_pb2.OrdererAddresses,
}


class ElementChange(NamedTuple):
    """One element that an update changes.

    Attributes
    ----------
    path : such as ``/Channel/Orderer/BatchTimeout``.
    change : ``added``, ``changed`` or ``removed``; of a group, ``changed`` means which elements it has.
    content : what it says then, where there are words for it.
    policy : path of the policy that the signatures must satisfy; empty where it is that of the group.
    satisfied : whether they do.
    """

    path: str
    change: str
    content: str
    policy: str
    satisfied: bool


class Review(NamedTuple):
    """An update as its signers should see it.

    Attributes
    ----------
    changes : by path.
    signers : members whose valid signatures it has, ``<mspid>/<name>``.
    """

    changes: tuple[ElementChange, ...]
    signers: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether the signatures suffice."""
        return all(change.satisfied for change in self.changes)


def review(
    bundle: Bundle, update: bytes, signatures: Iterable[configtx_pb2.ConfigSignature], at_s: float
) -> Review:
    """Say what an update changes of the configuration in force, and who has signed it.

    Parameters
    ----------
    bundle : what is in force.
    update : serialised ``ConfigUpdate``.
    signatures : gathered so far; those that are not valid count for nothing.
    at_s : when the signers' certificates must be valid, seconds since 1970.

    Raises
    ------
    ConfigUpdateError
        MALFORMED, WRONG_CHANNEL, TOO_LARGE; STALE where the configuration has moved on.
    """
    message = read_update(update)
    if message.channel_id != bundle.channel_id:
        raise ConfigUpdateError(ConfigUpdateCode.WRONG_CHANNEL, "the update is for another channel")
    content = configtx_pb2.ConfigUpdateEnvelope(config_update=update, signatures=signatures)
    signers = signers_of(bundle.membership(), content, at_s)
    try:
        current = elements(bundle.config.channel_group)
        before, after = elements(message.read_set), elements(message.write_set)
        changes = [
            ElementChange(path, change, words, policy, not policy or _holds(bundle, policy, signers))
            for path, change, words, policy in _changes(current, before, after)
        ]
    except WireError as error:
        raise ConfigUpdateError(ConfigUpdateCode.MALFORMED, str(error)) from error
    return Review(tuple(sorted(changes)), tuple(sorted(member.id for member in signers)))


def _holds(bundle: Bundle, policy: str, signers: list[Member]) -> bool:
    return bundle.has_policy(policy) and bundle.policy(policy).satisfied_by(signers)


def _changes(
    current: Mapping[tuple[str, str], Element],
    before: Mapping[tuple[str, str], Element],
    after: Mapping[tuple[str, str], Element],
) -> Iterator[tuple[str, str, str, str]]:
    for key, element in after.items():
        kind, path = key
        if key in before and before[key].content.version == element.content.version:
            continue
        old = current.get(key)
        if old is None:
            if kind != "groups":
                yield path, "added", _words(path, element), ""
            continue
        if element.content.version != old.content.version + 1:
            text = f"{path} has version {old.content.version} by now"
            raise ConfigUpdateError(ConfigUpdateCode.STALE, text)
        mod_policy = old.content.mod_policy
        policy = mod_policy if mod_policy.startswith("/") else f"{old.group}/{mod_policy}"
        yield path, "changed", _words(path, element), policy
        if kind == "groups":
            for gone in _gone(path, old, element):
                yield gone, "removed", "", policy


def _gone(path: str, old: Element, new: Element) -> Iterator[str]:
    for kind in ("groups", "values", "policies"):
        for name in sorted(set(getattr(old.content, kind)) - set(getattr(new.content, kind))):
            yield f"{path}/{name}"


def _words(path: str, element: Element) -> str:
    """Return an element's content for people; empty where there are no words for it."""
    content, name = element.content, path.rpartition("/")[2]
    try:
        if isinstance(content, configtx_pb2.ConfigPolicy):
            return _policy_words(content.policy)
        if isinstance(content, configtx_pb2.ConfigValue):
            if name == "MSP":
                return _msp_words(content.value)
            if name in _VALUES:
                return " ".join(str(read(_VALUES[name], content.value, WireCode.BAD_BLOCK)).split())
    except (WireError, PolicyError):
        return "unreadable"
    return ""


def _policy_words(policy: policies_pb2.Policy) -> str:
    return Policy.from_proto(policy).text


def _msp_words(value: bytes) -> str:
    outer = read(msp_config_pb2.MSPConfig, value, WireCode.BAD_BLOCK)
    msp = read(msp_config_pb2.FabricMSPConfig, outer.config, WireCode.BAD_BLOCK)
    counts = {
        "roots": len(msp.root_certs),
        "intermediates": len(msp.intermediate_certs),
        "revocation lists": len(msp.revocation_list),
    }
    return f"{msp.name}: " + ", ".join(f"{name} {count}" for name, count in counts.items())

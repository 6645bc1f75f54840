"""Who may do what: Fabric's resources, each guarded by a policy that the channel's configuration names."""

from __future__ import annotations

from fedpact.validation import ChannelRules
from fedpact.wire.bundle import Bundle
from fedpact.wire.definitions import LIFECYCLE
from fedpact.wire.membership import Member
from fedpact.wire.policy_language import PolicyError
from fedpact.wire.proposals import ParsedProposal
from fedpact_network.embedded.channel import Channel
from fedpact_network.embedded.errors import Refusal, RefusalCode

PROPOSE = "peer/Propose"
BLOCKS = "event/Block"
FILTERED_BLOCKS = "event/FilteredBlock"
COMMIT_STATUS = "gateway/CommitStatus"
CHAINCODE_EVENTS = "gateway/ChaincodeEvents"
ORDERER_READERS = "/Channel/Readers"
ORDERER_WRITERS = "/Channel/Writers"

_MAX_KNOWN = 10_000


class AccessControl:
    """Decides by the configuration in force, and remembers until the next one.

    Parameters
    ----------
    channel : whose configuration.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._allowed: tuple[ChannelRules, set[tuple[str, bytes]]] = (channel.rules, set())

    def check(self, resource: str, member: Member) -> None:
        """Refuse a member what the policy of a resource does not allow.

        Parameters
        ----------
        resource : a name of Fabric's such as ``peer/Propose``, or the path of a policy.
        member : whose signature was verified.

        Raises
        ------
        Refusal
            POLICY_UNSATISFIED.
        """
        rules, allowed = self._allowed
        if rules is not self._channel.rules:
            rules, allowed = self._channel.rules, set()
            self._allowed = rules, allowed
        asked = (resource, member.fingerprint)
        if asked in allowed:
            return
        path = _guard(rules.bundle, resource)
        if not _satisfied(rules.bundle, path, member):
            text = "failed evaluating policy on signed data during check policy on channel "
            text += f"[{self._channel.id}] with policy [{path}]: [signature set did not satisfy policy]"
            raise Refusal(RefusalCode.POLICY_UNSATISFIED, text)
        if len(allowed) >= _MAX_KNOWN:
            allowed.clear()
        allowed.add(asked)

    def check_proposal(self, proposal: ParsedProposal, member: Member) -> None:
        """Refuse a proposal as a peer does; the lifecycle checks its administrators' functions itself.

        Raises
        ------
        Refusal
            POLICY_UNSATISFIED; CONTRACT_REFUSED where Fabric's system chaincode asks.
        """
        if proposal.chaincode != LIFECYCLE:
            self.check(PROPOSE, member)
            return
        function = proposal.args[0] if proposal.args else b""
        resource = f"{LIFECYCLE}/{function.decode(errors='replace')}"
        try:
            self._channel.bundle.acl(resource)
        except PolicyError:
            return
        try:
            self.check(resource, member)
        except Refusal as refusal:
            text = f"Failed to authorize invocation due to failed ACL check: {refusal.message}"
            raise Refusal(RefusalCode.CONTRACT_REFUSED, f"chaincode response 500, {text}") from refusal


def _guard(bundle: Bundle, resource: str) -> str:
    return resource if resource.startswith("/") else bundle.acl(resource)


def _satisfied(bundle: Bundle, path: str, member: Member) -> bool:
    return bundle.has_policy(path) and bundle.policy(path).satisfied_by([member])

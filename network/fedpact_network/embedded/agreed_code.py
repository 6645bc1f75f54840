"""What is executed under a name: the installed code, if it is what the channel's members agreed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from fedpact.validation import ChannelRules
from fedpact.wire.definitions import (
    LIFECYCLE,
    Definition,
    DefinitionCode,
    DefinitionError,
    collections_of,
    find_definition,
    runnable,
)
from fedpact.wire.envelopes import Response
from fedpact.wire.proposals import ParsedProposal
from fedpact.wire.rwsets import Row, Version
from fedpact.wire.simulation import Collections, Simulation
from fedpact_chaincode.chaincode import Response as Answer
from fedpact_chaincode.lifecycle.layout import NAMESPACES, SYSTEM_VERSION, field_key
from fedpact_chaincode.lifecycle.system_chaincode import Lifecycle
from fedpact_chaincode.stub import Stub
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.snapshots import Snapshot

_MAX_KNOWN = 1024
_REFUSED_STATUS = 400


class Executable(Protocol):
    """What can be called under a name; a `fedpact_chaincode.Chaincode` is one."""

    @property
    def version(self) -> str:
        """Part of every endorsement."""

    def invoke(self, stub: Stub, /) -> Answer:
        """Execute the call in `stub.args`; a status of 400 or more is a refusal."""


class Rows(Protocol):
    """A committed state."""

    def get(self, namespace: str, key: str, /) -> Row | None:
        """Return the row of a key."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a chaincode runs.

    Attributes
    ----------
    definition : what was agreed; of a chaincode without a definition, what holds for all those.
    version : of the installed code.
    collections : of private data, as a simulation takes them.
    chosen : which organisations endorse plain writes, by the caller's; filled by the endorser.
    """

    definition: Definition
    version: str
    collections: Collections
    chosen: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Executed(NamedTuple):
    """An execution that its contract has not refused."""

    simulation: Simulation
    response: Response
    terms: Terms


class _Known(NamedTuple):
    rules: ChannelRules
    agreed: Version | None
    terms: Terms


class AgreedCode:
    """Finds the terms of chaincodes, and refuses to run what was not agreed on.

    Parameters
    ----------
    chaincodes : what is installed, by name.
    required : whether chaincodes without a committed definition are refused.
    """

    def __init__(self, chaincodes: Mapping[str, Executable], *, required: bool) -> None:
        self._chaincodes = chaincodes
        self._required = required
        self._known: dict[str, _Known] = {}

    def terms(self, rules: ChannelRules, rows: Rows, name: str) -> Terms:
        """Return the terms of a chaincode that may run.

        Parameters
        ----------
        rules : of the configuration in force.
        rows : the committed state.
        name : the chaincode's.

        Raises
        ------
        Refusal
            UNKNOWN_CHAINCODE: it is not installed; NOT_DEFINED: the members agreed on nothing yet and this
            node asks for it; OTHER_CODE_AGREED: they agreed on other code than is installed here.
        """
        # Every new definition has another sequence, so that the version of its row tells them apart.
        row = rows.get(LIFECYCLE, field_key(NAMESPACES, name, "Sequence"))
        agreed = None if row is None else row.version
        known = self._known.get(name)
        if known is not None and known.rules is rules and known.agreed == agreed:
            return known.terms
        terms = self._find(rules, rows, name)
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[name] = _Known(rules, agreed, terms)
        return terms

    def execute(
        self,
        rules: ChannelRules,
        snapshot: Snapshot,
        proposal: ParsedProposal,
        acting: Sequence[str],
        at_s: float,
    ) -> Executed:
        """Execute a proposal.

        Parameters
        ----------
        rules : of the configuration in force.
        snapshot : the committed state.
        proposal : checked before.
        acting : organisations whose peers will sign the result.
        at_s : the node's time.

        Raises
        ------
        Refusal
            As `terms`, and CONTRACT_REFUSED.
        """
        terms = self.terms(rules, snapshot, proposal.chaincode)
        simulation = Simulation(snapshot, proposal, proposal.transient, terms.collections)
        if proposal.chaincode == LIFECYCLE:
            answer = self._lifecycle(rules, acting, at_s).invoke(simulation)
        else:
            answer = self._chaincodes[proposal.chaincode].invoke(simulation)
        response = Response(answer.status, answer.message, answer.payload)
        if response.status >= _REFUSED_STATUS:
            text = f"chaincode response {response.status}, {response.message}"
            raise Refusal(RefusalCode.CONTRACT_REFUSED, text)
        return Executed(simulation, response, terms)

    def _lifecycle(self, rules: ChannelRules, acting: Sequence[str], at_s: float) -> Lifecycle:
        return Lifecycle(
            acting,
            rules.bundle.mspids,
            has_policy=rules.bundle.has_policy,
            is_admin=lambda creator: "admin" in rules.membership.identify(creator, at_s).roles,
            installed={name: code.version for name, code in self._chaincodes.items()},
        )

    def _find(self, rules: ChannelRules, rows: Rows, name: str) -> Terms:
        installed = self._chaincodes.get(name)
        version = None if installed is None else installed.version
        if name == LIFECYCLE:
            version = SYSTEM_VERSION
        try:
            definition = find_definition(rows, rules.bundle, name)
            runnable(definition, version)
        except DefinitionError as error:
            if error.code is DefinitionCode.NOT_INSTALLED:
                raise Refusal(RefusalCode.UNKNOWN_CHAINCODE, f"chaincode {name[:128]} not found") from error
            raise Refusal(
                RefusalCode.OTHER_CODE_AGREED, f"cannot run chaincode {name[:128]}: {error.detail}"
            ) from error
        if definition is None and self._required:
            raise Refusal(
                RefusalCode.NOT_DEFINED,
                f"make sure the chaincode {name[:128]} has been successfully defined on channel "
                f"{rules.bundle.channel_id} and try again: the members have not agreed on it",
            )
        definition = definition or rules.undefined(name)
        return Terms(definition, version or "", {name: collections_of(definition, rules.bundle)})

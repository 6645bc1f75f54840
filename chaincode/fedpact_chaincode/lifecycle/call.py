"""One call of `_lifecycle`, and what it may ask about the channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fedpact_chaincode.lifecycle.layout import NAMESPACES
from fedpact_chaincode.lifecycle.records import OrganisationStore, PublicStore, read_field
from fedpact_chaincode.stub import Stub


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes
    ----------
    stub : the ledger.
    mspid : the caller's organisation.
    acting, organisations, has_policy, installed : as for `Lifecycle`.
    """

    stub: Stub
    mspid: str
    acting: frozenset[str]
    organisations: tuple[str, ...]
    has_policy: Callable[[str], bool]
    installed: Mapping[str, str]

    @property
    def public(self) -> PublicStore:
        """The public state."""
        return PublicStore(self.stub)

    @property
    def own(self) -> OrganisationStore:
        """The collection of the caller's organisation."""
        return OrganisationStore(self.stub, self.mspid)

    def committed_sequence(self, name: str) -> int:
        """Return the sequence of a chaincode's committed definition; 0 if there is none."""
        sequence = read_field(self.public, NAMESPACES, name, "Sequence")
        return sequence if isinstance(sequence, int) else 0

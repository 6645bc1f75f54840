"""What all groups of cases share: the backend's side, and the stage that each case acts on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fedpact.ledger import Ledger, LedgerView, inspect_ledger
from fedpact.testing.channels import Capability, Channel, Rules
from fedpact.testing.stage import Stage

MakeStage = Callable[[Rules], Stage]


class LedgerCases(ABC):
    """A group of cases. A backend's test class overrides what stands here.

    Attributes
    ----------
    capabilities : what the backend's ledgers can do.
    """

    capabilities: frozenset[Capability] = frozenset()

    @abstractmethod
    def create_ledger(self, channel: Channel) -> Ledger:
        """Create a ledger of this channel that runs its chaincodes."""

    @abstractmethod
    def open_ledger(self, channel: Channel, url: str) -> Ledger:
        """Open a ledger that was closed; only called where it is capable of REOPENING."""

    def inspect_ledger(self, url: str) -> LedgerView:
        """Open a ledger for reading, beside its node; only called where it is capable of INSPECTION."""
        return inspect_ledger(url)

    def need(self, capability: Capability) -> None:
        """Skip the case unless the backend declares a capability."""
        if capability not in self.capabilities:
            pytest.skip(f"not a ledger that {capability}")

    @pytest.fixture
    def make_stage(self, tmp_path: Path) -> Iterator[MakeStage]:
        """Make ledgers by their rules; at the end each is audited and closed."""
        with ExitStack() as stages:

            def make(rules: Rules) -> Stage:
                folder = tmp_path / f"ledger{len(list(tmp_path.iterdir()))}"
                folder.mkdir()
                return stages.enter_context(Stage(self, folder, rules))

            yield make

    @pytest.fixture
    def stage(self, make_stage: MakeStage) -> Stage:
        """Make a ledger with the usual rules."""
        return make_stage(Rules())

"""All groups of cases together."""

from __future__ import annotations

from fedpact.testing.groups.beside import BesideCases
from fedpact.testing.groups.chain import ChainCases
from fedpact.testing.groups.configuration import ConfigurationCases
from fedpact.testing.groups.conflicts import ConflictCases
from fedpact.testing.groups.consortium import ConsortiumCases
from fedpact.testing.groups.crowds import CrowdCases
from fedpact.testing.groups.key_policies import KeyPolicyCases
from fedpact.testing.groups.life import LifeCases
from fedpact.testing.groups.lifecycle import LifecycleCases
from fedpact.testing.groups.pages import PageCases
from fedpact.testing.groups.private_data import PrivateDataCases
from fedpact.testing.groups.reading import ReadingCases
from fedpact.testing.groups.refusals import RefusalCases
from fedpact.testing.groups.submitting import SubmitCases


class LedgerSuite(
    LifeCases,
    SubmitCases,
    ConflictCases,
    RefusalCases,
    ReadingCases,
    ChainCases,
    CrowdCases,
    BesideCases,
    PageCases,
    LifecycleCases,
    PrivateDataCases,
    KeyPolicyCases,
    ConfigurationCases,
    ConsortiumCases,
):
    """What every ledger must do; see `fedpact.testing` for how a backend takes part."""

"""An ordering node and one that follows it, either killed under load: both tell and hold the same."""

import os

import pytest
from tests.chaos.two_nodes import campaign

KILLS = int(os.environ.get("FEDPACT_CHAOS_KILLS", "8")) // 2


@pytest.mark.slow
@pytest.mark.timeout(120 + 20 * KILLS)
def test_nothing_is_lost_and_both_nodes_hold_the_same(folder, seed):
    facts = campaign(folder, KILLS, seed)
    print(facts)
    assert facts["valid"] > KILLS

"""A node that is killed under load loses nothing that it acknowledged, and does nothing twice."""

import os
import random

import pytest
from tests.chaos.kills import campaign

KILLS = int(os.environ.get("FEDPACT_CHAOS_KILLS", "8"))


@pytest.mark.slow
@pytest.mark.timeout(120 + 20 * KILLS)
def test_nothing_is_lost_and_nothing_done_twice_over_many_kills(folder, seed):
    facts = campaign(folder, KILLS, seed)
    print(facts)
    assert facts["valid"] > KILLS
    assert facts["submitted again"] > 0 or KILLS < 20


def test_the_referee_notices_what_is_lost(folder):
    """The checks themselves can fail: an acknowledgement that the ledger does not hold is found."""
    from tests.chaos.founding import found
    from tests.chaos.referee import Referee
    from tests.chaos.told import Told

    place = found(folder)
    referee = Referee(place)
    referee.after_restart()
    tx_id = random.Random(1).randbytes(32).hex()
    Told(folder, "liar").write("valid", tx_id, block=1)
    with pytest.raises(AssertionError, match="lost"):
        referee.after_restart()

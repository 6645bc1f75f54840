import subprocess
import sys

import pytest

import fedpact_flower


@pytest.mark.parametrize("name", fedpact_flower.__all__)
def test_every_public_name_is_there(name):
    assert getattr(fedpact_flower, name).__name__ == name


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="FedSum"):
        _ = fedpact_flower.FedSum


@pytest.mark.parametrize("module", ["arrays", "client", "mutual_validation", "recorded", "runtime"])
def test_flower_does_not_call_home_whatever_is_imported_first(module):
    code = f"import fedpact_flower.{module}, flwr.supercore.telemetry as t; print(t.FLWR_TELEMETRY_ENABLED)"
    clean = {"PATH": "", "HOME": "/nonexistent"}
    done = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"

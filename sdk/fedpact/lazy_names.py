"""Public names of a package, imported on first use; some of their homes need the extra that brings numpy."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping


def lazily(
    package: str, homes: Mapping[str, str], refusal: Callable[[str], Exception]
) -> Callable[[str], object]:
    """Make a package's `__getattr__`.

    Parameters
    ----------
    package : its `__name__`.
    homes : the module, below the package, of each name.
    refusal : makes the error for an environment without numpy, from advice for people.
    """

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            home = importlib.import_module(f"{package}.{homes[name]}")
        except ModuleNotFoundError as error:
            if error.name != "numpy":
                raise
            raise refusal(f"{package} needs numpy, which is not installed: install fedpact[models]") from None
        found: object = getattr(home, name)
        return found

    return find

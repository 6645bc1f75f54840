"""Profiles of tables and images: columns, units, target and label histogram as terms."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fedpact.retrieval.terms import Profile, scaled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# what a request can name weighs most: which columns, and what they should predict
COLUMN_SHARE, UNIT_SHARE, TARGET_SHARE, LABEL_SHARE = 0.45, 0.1, 0.3, 0.15
SHAPE_SHARE, TONE_SHARE, DIRECTION_SHARE = 0.4, 0.15, 0.15
BINS = 8


def label_histogram(
    labels: Sequence[float] | NDArray[np.generic], *, edges: Sequence[float] | None = None
) -> dict[str, int]:
    """Count the labels of a dataset.

    Parameters
    ----------
    labels : classes, or values of a regression's target.
    edges : for a regression, growing borders of bins, the same for all owners: a bin holds the values
        from its lower border up to but without its upper one, the first and last are open. None: every
        different value is a class of its own.

    Returns
    -------
    Count by class, or by number of the bin; empty bins are left out.
    """
    values = [float(label) for label in labels]
    if edges is None:
        return dict(sorted(Counter(f"{value:g}" for value in values).items()))
    if list(edges) != sorted(set(edges)):
        raise ValueError("the borders of bins must grow")
    return dict(sorted(Counter(f"bin{bisect_right(edges, value)}" for value in values).items()))


def table_profile(
    columns: Mapping[str, str], target: str, *, labels: Mapping[str, int] | None = None
) -> Profile:
    """Return a table's profile; without labels, that of a request for such a table.

    Parameters
    ----------
    columns : unit by name of column ("" for none).
    target : what is predicted.
    labels : the histogram of the target, from `label_histogram`.

    Returns
    -------
    Terms such as "column:bmi", "unit:bmi=kg/m2", "target:progression", "label:progression=bin3".
    """
    weights = dict.fromkeys((f"column:{name}" for name in columns), COLUMN_SHARE / max(1, len(columns)))
    units = [f"unit:{name}={unit}" for name, unit in columns.items() if unit]
    weights |= dict.fromkeys(units, UNIT_SHARE / max(1, len(units)))
    weights[f"target:{target}"] = TARGET_SHARE
    return scaled(weights | _shared(f"label:{target}", labels or {}, LABEL_SHARE))


def image_profile(
    images: NDArray[np.uint8], target: str, *, labels: Mapping[str, int] | None = None
) -> Profile:
    """Return a profile of images: shape, target, labels, tones and directions of edges.

    Parameters
    ----------
    images : uint8 [n, height, width] or [n, height, width, channels]; n may be 0 for a request.
    target : what is predicted.
    labels : the histogram of the target.

    Returns
    -------
    Terms such as "image:28x28x1", "tone:2" (mean brightness in eighths) and "direction:5" (of the
    strongest gradients, in eighths of the half circle). Cost O(pixels).
    """
    import numpy as np

    if images.ndim not in (3, 4):
        raise ValueError("images are [n, height, width] or [n, height, width, channels]")
    channels = images.shape[3] if images.ndim == 4 else 1
    height, width = images.shape[1:3]
    weights = {f"image:{height}x{width}x{channels}": SHAPE_SHARE, f"target:{target}": TARGET_SHARE}
    weights |= _shared(f"label:{target}", labels or {}, LABEL_SHARE)
    if len(images):
        grey = images.astype(np.float32) if images.ndim == 3 else images.mean(axis=3, dtype=np.float32)
        tones = np.clip(grey.mean(axis=(1, 2)) * BINS / 256, 0, BINS - 1).astype(int)
        weights |= _shared("tone", Counter(str(tone) for tone in tones), TONE_SHARE)
        weights |= _shared("direction", _directions(grey), DIRECTION_SHARE)
    return scaled(weights)


def _directions(grey: NDArray[np.float32]) -> dict[str, float]:
    import numpy as np

    down = grey[:, 1:, :-1] - grey[:, :-1, :-1]
    right = grey[:, :-1, 1:] - grey[:, :-1, :-1]
    angle = np.mod(np.arctan2(down, right), np.pi)
    places = np.minimum((angle * (BINS / np.pi)).astype(int), BINS - 1)
    strength = np.bincount(places.ravel(), weights=np.hypot(down, right).ravel(), minlength=BINS)
    return {str(place): float(weight) for place, weight in enumerate(strength)}


def _shared(prefix: str, counts: Mapping[str, float], share: float) -> dict[str, float]:
    total = sum(counts.values())
    joint = ":" if prefix in {"tone", "direction"} else "="
    return {f"{prefix}{joint}{name}": share * count / total for name, count in counts.items() if total}

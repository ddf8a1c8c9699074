"""Groups of rows that belong together: patients, households, copies of one another.

A group is never divided. If rows are distinct, its rows decide its number, and its name
does not matter. Otherwise a hash of the name does.
"""

from hashlib import blake2b
from typing import Any

import numpy as np

from .distinct import mixed

# A part of the rows holds whole groups, unless these would be fewer than this.
MIN_GROUPS = 20


def check_groups(groups: Any, n_rows: int) -> np.ndarray:
    """A 64-bit hash of each row's group, (n_rows,).

    Raises
    ------
    ValueError
        Unless there is one value for each row, and none is missing.
    """
    values = np.asarray(groups)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(
            "Pass groups as a one-dimensional array-like, of one value for each row of "
            f"X: it has the shape {values.shape}."
        )
    if len(values) != n_rows:
        raise ValueError(
            "Pass groups with one value for each row of X: there are "
            f"{len(values)} values and {n_rows} rows."
        )
    if values.dtype.kind == "f":
        missing = np.isnan(values)
        with np.errstate(invalid="ignore", over="ignore"):
            # Adding zero turns -0 into 0.
            bits = (values.astype(np.float64) + 0.0).view(np.int64)
    elif values.dtype.kind in "mM":
        missing = np.isnat(values)
        bits = values.view(np.int64)
    elif values.dtype.kind in "biu":
        missing = np.zeros(n_rows, dtype=bool)
        bits = values.astype(np.int64)
    else:
        listed = values.tolist()
        missing = np.array([_is_missing(value) for value in listed], dtype=bool)
        bits = np.zeros(n_rows, dtype=np.int64)
        if not missing.any():
            bits = _hashed(listed)
    if missing.any():
        raise ValueError(
            "Pass groups without missing values: give rows that belong to no other a "
            f"group of their own. {int(missing.sum())} of {n_rows} values are missing."
        )
    return mixed(bits).view(np.int64)


def _is_missing(value: Any) -> bool:
    """Whether an object stands for a missing value."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value


def _hashed(values: list[Any]) -> np.ndarray:
    """Hashes of objects, by their representation."""
    try:
        known = dict.fromkeys(values, 0)
    except TypeError as error:
        raise ValueError(
            f"Pass groups of numbers, strings, dates or other hashable values. {error}."
        ) from error
    for value in known:
        digest = blake2b(repr(value).encode(errors="replace"), digest_size=8).digest()
        known[value] = int.from_bytes(digest, "little", signed=True)
    return np.fromiter((known[value] for value in values), np.int64, len(values))


def rows_of_some(groups: np.ndarray, n_rows: int) -> np.ndarray:
    """The rows of the first groups, about ``n_rows`` of them, in ascending order.

    So similar rows keep their share. The first `MIN_GROUPS` groups are taken whatever
    their size.
    """
    _, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    n_groups = int(np.searchsorted(np.cumsum(sizes), n_rows, side="right"))
    return np.flatnonzero(number < max(n_groups, MIN_GROUPS))

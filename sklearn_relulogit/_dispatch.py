"""What a user hands in: left where it is, if scikit-learn's dispatch says so, or moved.

With ``sklearn.config_context(array_api_dispatch=True)`` arrays of other libraries than
numpy are not turned into numpy's.
"""

from typing import Any

import numpy as np
from sklearn import get_config

from ._arrays import Arrays, Numpy, arrays_of, is_torch_array, to_numpy


def is_dispatched(A: Any) -> bool:
    """Whether something is an array of another library than numpy, to stay such."""
    if isinstance(A, np.ndarray) or not (
        hasattr(A, "__array_namespace__") or is_torch_array(A)
    ):
        return False
    return bool(get_config()["array_api_dispatch"])


def place_of(A: Any) -> Arrays:
    """The functions of what a user hands in; those of numpy of no array at all."""
    return arrays_of(A) if is_dispatched(A) else Numpy


def on_host(A: Any) -> Any:
    """What a user hands in, on the host if it is an array of another library."""
    if isinstance(A, list | tuple) and get_config()["array_api_dispatch"]:
        # scikit-learn 1.7 takes no lists beside arrays of other libraries.
        return np.asarray(A)
    return to_numpy(A) if is_dispatched(A) else A


def moved(A: Any, xp: Arrays) -> Any:
    """What a user hands in, where the other arrays are."""
    if place_of(A) == xp:
        return A
    A = on_host(A)
    return A if xp is Numpy else xp.sent(np.asarray(A))

"""Parameters and inputs of every kind, mostly wrong: no crash, no silent NaN.

    python tests/benchmarks/fuzz.py [COUNT] [SEED]

Each case is a fit and, if it succeeds, predictions. It must end in finite results or in
a documented exception. It prints the counts of both. Memory is limited to that in use
and four gigabytes, so that absurd sizes are refused and not tried.
"""

import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV

# A TypeError is scikit-learn's for sparse labels or weights, and unknown types. An
# OverflowError is Python's for integers that are larger than any float.
DOCUMENTED = (ValueError, TypeError, MemoryError, OverflowError)

HUGE = [10**400, 2**63, 2**64 - 1, 10**18, -(10**30)]
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 0.0, -0.0, 0.5, 1e-320, 1e300, np.nan, np.inf,
    -np.inf, "", "auto", "balanced", "x" * 1000, b"auto", (), [], {}, set(), (1,),
    (0,), (1, -1), (2.5,), ("3",), ((1, 2), (3,)), np.array([2, 3]), np.array([]),
    np.array(3), np.float32(1.5), np.int8(2), np.bool_(True), 1 + 2j, Decimal("1.5"),
    Fraction(1, 3), object(), type, len, np.nan_to_num, range(3), {0: 1.0, 1: 2.0},
    {0: np.nan}, {0: 10**400}, {"a": 1}, np.random.RandomState(0),
    np.random.default_rng(0), pd.NA, pd.NaT, np.datetime64("2020"), *HUGE,
]  # fmt: skip


class Refusing:
    """An object that fails to be an array-like."""

    shape = (10, 2)

    def __len__(self) -> int:
        return 10

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise ValueError("this is no array")


def broken_sparse(rng: np.random.RandomState, X: np.ndarray) -> Any:
    """A sparse matrix whose arrays were broken after it was made."""
    name = rng.choice(["csr", "csc", "coo", "bsr", "lil", "dia"])
    with warnings.catch_warnings():
        # DIA is for few diagonals, and these are many.
        warnings.simplefilter("ignore", scipy.sparse.SparseEfficiencyWarning)
        S = getattr(scipy.sparse, f"{name}_array")(X)
    wrong = rng.choice([-1, -(2**31), 2**31 - 1, X.shape[1], 10**6])
    if name == "lil":
        S.rows[rng.randint(len(X))] = [int(wrong)] * X.shape[1]
        return S
    if name == "dia":
        S.offsets = S.offsets + rng.randint(-5, 6)
        return S
    if name == "coo":
        arrays = [S.coords[0], S.coords[1], S.data]
    else:
        arrays = [S.indices, S.indptr, S.data]
    array = arrays[rng.randint(3)]
    how = rng.randint(3)
    if how == 0 and len(array):
        array[rng.randint(len(array))] = wrong
    elif how == 1 and name != "coo":
        setattr(S, rng.choice(["indices", "indptr", "data"]), array[: len(array) // 2])
    else:
        rng.shuffle(array)
    return S


def duplicated(rng: np.random.RandomState, X: np.ndarray) -> Any:
    """A valid matrix with several entries for one place, and explicit zeros."""
    n = 3 * X.size
    rows, columns = (rng.randint(length, size=n) for length in X.shape)
    S = scipy.sparse.coo_array((rng.randint(-1, 2, n) * 1.0, (rows, columns)), X.shape)
    indptr = np.arange(len(X) + 1) * X.shape[1]
    indices = rng.randint(X.shape[1], size=X.size)
    csr = scipy.sparse.csr_array((X.ravel().copy(), indices, indptr), X.shape)
    return [S, csr][rng.randint(2)]


def payload(rng: np.random.RandomState, X: np.ndarray) -> np.ndarray:
    """NaNs with odd bits, infinities, subnormals, the largest numbers."""
    X = X.copy()
    bits = np.array([0x7FF0000000000001, 0xFFF8DEADBEEF0000], np.uint64)
    values = [*bits.view(np.float64), np.inf, -np.inf, 5e-324, -1.7e308, 1.7e308]
    for _ in range(rng.randint(1, 5)):
        X[rng.randint(len(X)), rng.randint(X.shape[1])] = values[rng.randint(7)]
    return X


def odd_X(rng: np.random.RandomState, X: np.ndarray) -> Any:
    objects = X.astype(object)
    objects[0, 0] = ODD[rng.randint(len(ODD))]
    makers: list[Callable[[], Any]] = [
        lambda: payload(rng, X),
        lambda: payload(rng, X).astype(np.float32),
        lambda: scipy.sparse.csr_array(payload(rng, X)),
        lambda: broken_sparse(rng, X),
        lambda: broken_sparse(rng, X),
        lambda: duplicated(rng, X),
        lambda: objects,
        lambda: objects.tolist(),
        lambda: X * 10.0 ** rng.randint(-300, 300),
        lambda: X.astype(
            rng.choice(["f2", "g", ">f8", "i1", "u8", "?", "c16", "S5", "U5", "M8[s]"])
        ),
        lambda: X[: rng.randint(3)],
        lambda: X[:, : rng.randint(2)],
        lambda: X[rng.randint(len(X))],
        lambda: X[np.newaxis],
        lambda: np.broadcast_to(X[0], X.shape),
        lambda: np.lib.stride_tricks.as_strided(X, (4, 3), (8, 16)),
        lambda: np.ma.masked_less(X, 0),
        lambda: pd.DataFrame(X, columns=[*"aa", *range(X.shape[1] - 2)]),
        lambda: pd.DataFrame(X).astype("Float64").mask(rng.uniform(size=X.shape) < 0.1),
        lambda: pd.DataFrame(X).astype("category"),
        lambda: np.matrix(X),
        lambda: np.rec.fromarrays(X.T),
        lambda: memoryview(X),
        lambda: (row for row in X),
        lambda: [list(row) for row in X[:-1]] + [[1.0]],
        Refusing,
        lambda: ODD[rng.randint(len(ODD))],
    ]
    with np.errstate(all="ignore"):
        return makers[rng.randint(len(makers))]()


def odd_vector(rng: np.random.RandomState, y: np.ndarray) -> Any:
    objects = y.astype(object)
    objects[rng.randint(len(y))] = ODD[rng.randint(len(ODD))]
    makers: list[Callable[[], Any]] = [
        lambda: objects,
        lambda: objects.tolist(),
        lambda: payload(rng, y[:, np.newaxis].astype(float)).ravel(),
        lambda: y.astype(rng.choice(["f2", "g", "i1", "u8", "?", "S5", "U5", "M8[s]"])),
        lambda: y[:, np.newaxis],
        lambda: np.stack([y, y], axis=1),
        lambda: y[:-1],
        lambda: y[:0],
        lambda: y * 10.0 ** rng.randint(-320, 308),
        lambda: -y,
        lambda: scipy.sparse.csr_array(y[:, np.newaxis]),
        lambda: pd.Series(y, dtype="Int64").mask(rng.uniform(size=len(y)) < 0.1),
        lambda: pd.Series(y).astype("category"),
        lambda: pd.Series(y.astype(str), dtype="string"),
        lambda: np.ma.masked_less(y, 1),
        lambda: np.arange(len(y)),
        lambda: iter(y),
        lambda: ODD[rng.randint(len(ODD))],
    ]
    with np.errstate(all="ignore"):
        return makers[rng.randint(len(makers))]()


def case(seed: int) -> tuple[Any, dict[str, Any], Any]:
    """An estimator, the arguments of fit, and the rows to predict."""
    rng = np.random.RandomState(seed)
    n, p = rng.randint(4, 40), rng.randint(2, 6)
    X = rng.standard_normal((n, p))
    y = rng.randint(0, rng.randint(2, 5), n)
    cls = [ReLULogisticClassifier, ReLULogisticClassifierCV][int(rng.randint(4) == 0)]
    parameters = {
        "hidden_layer_sizes": [(), (3,), (2, 2)][rng.randint(3)],
        "max_iter": 5,
        "random_state": 0,
    }
    if cls is ReLULogisticClassifier:
        parameters["alpha"] = ["auto", 0.0, 1.0, 1e-300, 1e300][rng.randint(5)]
    else:
        parameters |= {"alphas": [1.0], "cv": 2}
    fit: dict[str, Any] = {"X": X, "y": y}
    new = X
    kinds = rng.choice(
        ["parameter", "X", "y", "weight", "new", "validation", "groups"], 2
    )
    for kind in kinds[: rng.randint(1, 3)]:
        if kind == "parameter":
            name = rng.choice(sorted(cls().get_params()))
            value = ODD[rng.randint(len(ODD))]
            # The number of printed lines, or of fits.
            large = isinstance(value, int | float | np.number) and not value <= 3
            if name not in ("verbose", "n_init") or not large:
                parameters[name] = value
        elif kind == "X":
            fit["X"] = odd_X(rng, X)
        elif kind == "y":
            fit["y"] = odd_vector(rng, y)
        elif kind == "weight":
            fit["sample_weight"] = odd_vector(rng, rng.randint(0, 3, n))
        elif kind == "groups":
            fit["groups"] = odd_vector(rng, rng.randint(0, 4, n))
        elif kind == "new":
            new = odd_X(rng, X)
        else:
            fit["X_val"] = odd_X(rng, X)
            fit["y_val"] = odd_vector(rng, y)
            if rng.randint(2):
                fit["sample_weight_val"] = odd_vector(rng, y)
    return cls(**parameters), fit, new


def outcome(seed: int) -> str:
    """The outcome of a case.

    Raises
    ------
    AssertionError
        If the outcome is not allowed.
    """
    try:
        estimator, arguments, new = case(seed)
    except DOCUMENTED:
        return "no such input"  # numpy, scipy or pandas cannot make it.
    before = dict(vars(estimator))
    what = "fit"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # Few iterations are intended; scikit-learn and pandas warn about the input.
            warnings.simplefilter("ignore", ConvergenceWarning)
            for category in (UserWarning, FutureWarning, DeprecationWarning):
                warnings.simplefilter("ignore", category)
            try:
                estimator.fit(**arguments)
            except DOCUMENTED:
                assert vars(estimator).keys() == before.keys()
                raise
            if getattr(estimator, "refit", True) is False:
                return "search without refit"
            assert np.isfinite(estimator.loss_)
            what = "predict"
            proba = estimator.predict_proba(new)
            log_proba = estimator.predict_log_proba(new)
            assert np.isfinite(proba).all()
            assert np.isfinite(log_proba).all()
            assert np.abs(proba.sum(axis=1) - 1).max(initial=0) < 1e-5
            assert np.isin(estimator.predict(new), estimator.classes_).all()
    except DOCUMENTED as error:
        kind = next(kind for kind in DOCUMENTED if isinstance(error, kind))
        return f"{what}: {kind.__name__}"
    return "right"


def limit_memory() -> None:
    """Limit the memory, as far as the system can."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, resource.RLIM_INFINITY))


def main(count: int, first: int) -> int:
    limit_memory()
    outcomes: Counter[str] = Counter()
    failed = 0
    for seed in range(first, first + count):
        try:
            outcomes[outcome(seed)] += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            failed += 1
            print(f"seed {seed}: {type(error).__name__}: {error}")
            if failed <= 20:
                traceback.print_exc(limit=-4)
    for name, number in outcomes.most_common():
        print(f"{number:7d}  {name}")
    print(f"{count} cases, {failed} that should not be")
    return int(failed > 0)


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*(numbers + [2000, 0][len(numbers) :])))

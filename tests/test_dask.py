"""Dask data: the same bits as in memory, on any number of workers, also lost ones."""

import os
import signal

import dask.array as da
import dask.bag
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from conftest import assert_same_fit, slow, watch_evaluations
from dask.distributed import Client, LocalCluster, get_client
from joblib import parallel_backend
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._rows.cluster import MAX_ATTEMPTS, Chunk, ClusterMap
from sklearn_relulogit._rows.dask import OnCluster
from sklearn_relulogit._rows.distinct import Keyed, keyed, smallest_keys
from sklearn_relulogit._rows.rows import Given
from sklearn_relulogit._rows.statistics import moments_of

METHODS = ["decision_function", "predict", "predict_proba", "predict_log_proba"]


def cluster_of(n_workers):
    return LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        memory_limit=0,
    )


@pytest.fixture(scope="module")
def client():
    with cluster_of(2) as cluster, Client(cluster) as client:
        yield client


def problem(n_samples=3000, n_classes=2, seed=0):
    X, y = make_classification(
        n_samples,
        10,
        n_informative=6,
        n_classes=n_classes,
        random_state=seed,
    )
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def chunked(*arrays, rows=700):
    return [da.from_array(array, chunks=(rows, *array.shape[1:])) for array in arrays]


def make(hidden=(8,), **kwargs):
    return ReLULogisticClassifier(
        hidden, **{"alpha": 100.0, "random_state": 0} | kwargs
    )


def read(X, y):
    """The rows of a fit, from two Dask arrays."""
    return OnCluster.read(
        make(), Given(X, y), reset=True, class_weight=None, linear=False
    )


def objective_of(clf, X, y, alpha, sample_weight=1.0):
    """The objective as the docstring of the class defines it."""
    codes = np.searchsorted(clf.classes_, y)
    nll = -clf.predict_log_proba(X)[np.arange(len(y)), codes]
    penalty = alpha / 2 * sum((W**2).sum() for W in clf.coefs_)
    weights = np.broadcast_to(sample_weight, y.shape)
    return (weights @ nll + penalty) / weights.sum()


@pytest.mark.parametrize(
    ("hidden", "n_classes"),
    [
        ((8,), 2),
        ((), 4),
        slow((), 2),
        slow((8,), 4),
    ],
)
# Only the paths are compared, so the fits need not end.
@pytest.mark.filterwarnings("ignore:The fit ended by its iteration limit")
def test_a_fit_is_that_in_memory(client, hidden, n_classes):
    X, y = problem(2000, n_classes=n_classes)
    s = np.random.default_rng(0).uniform(0, 2, len(y))
    # Rounding grows with the iterations.
    clf = make(hidden, max_iter=25)
    inside = objective_of(clf.fit(X, y, s), X, y, 100.0, s)
    curve = clf.loss_curve_
    clf.fit(*chunked(X, y, s))
    outside = objective_of(clf, X, y, 100.0, s)
    assert clf.loss_ == pytest.approx(outside, rel=1e-12)
    assert_allclose(clf.loss_curve_[:20], curve[:20], rtol=1e-12)
    assert outside == pytest.approx(inside, rel=1e-9)
    # The bound would see another penalty.
    assert objective_of(clf, X, y, 100.001, s) != pytest.approx(inside, rel=1e-9)


def elsewhere(array):
    """The same numbers at addresses that are not multiples of their size."""
    memory = np.empty(array.nbytes + 1, np.uint8)[1:]
    moved = memory.view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


@pytest.mark.parametrize("hidden", [(), (20,)])
def test_the_same_bits_wherever_a_chunk_is_in_memory(client, hidden):
    """Messages have any address, and workers get chunks in any order."""
    X, y = problem(6000)
    s = np.random.default_rng(0).uniform(0, 2, len(y))
    arrays = chunked(X, y, s, rows=1700)
    clf, curves = make(hidden, alpha=1.0, max_iter=3, tol=0.0), []
    for function in (np.array, elsewhere, np.array):
        with pytest.warns(ConvergenceWarning):
            clf.fit(*(array.map_blocks(function) for array in arrays))
        curves.append((clf.loss_curve_, [W.tolist() for W in clf.coefs_]))
    assert curves[0] == curves[1] == curves[2]


@pytest.mark.slow
def test_the_same_bits_for_any_number_of_workers():
    X, y = problem(5000)
    # Enough chunks for the workers to add up.
    X, y = chunked(X, y, rows=250)
    fits = []
    for n_workers in (1, 2, 3):
        with cluster_of(n_workers) as cluster, Client(cluster) as client:
            client.wait_for_workers(n_workers)
            clf = make((8, 4), early_stopping=True, max_iter=15)
            with pytest.warns(ConvergenceWarning):
                fits.append(clf.fit(X, y))
    for clf in fits[1:]:
        assert clf.validation_loss_curve_ == fits[0].validation_loss_curve_
        assert_same_fit(clf, fits[0])


@pytest.mark.slow
def test_a_worker_that_dies_takes_nothing_along():
    X, y = chunked(*problem(4000), rows=200)
    X, y = X.map_blocks(np.array), y.map_blocks(np.array)
    with cluster_of(2) as cluster, Client(cluster) as client:
        whole = make().fit(X, y)
        pids = list(client.run(os.getpid).values())

        def kill():
            os.kill(pids[0], signal.SIGKILL)

        with watch_evaluations(at=5, action=kill) as evaluations:
            clf = make().fit(X, y)
        assert pids[0] not in client.run(os.getpid).values()
    assert clf.n_evaluations_ == len(evaluations) > 10
    assert_same_fit(clf, whole)


def test_what_the_cluster_forgets_is_sent_again(client):
    (chunks,) = chunked(np.arange(20.0), rows=2)
    chunks = [Chunk(delayed) for delayed in chunks.to_delayed()]
    cluster_map = ClusterMap()
    sums = cluster_map.each(np.sum, chunks)
    assert_array_equal(sums, np.arange(20.0).reshape(-1, 2).sum(axis=1))
    client.cancel([chunk.future for chunk in chunks[:3]])
    assert cluster_map.each(np.sum, chunks) == sums


def test_losses_without_end_are_an_error(client):
    attempts = []

    class Losing(ClusterMap):
        def _attempt(self, *args):
            attempts.append(args)
            raise OSError("gone")

    told = r"lost workers or data, 5 times in a row \(OSError: gone\)"
    with pytest.raises(RuntimeError, match=told):
        Losing().each(np.sum, [])
    assert len(attempts) == MAX_ATTEMPTS == 5


def test_the_data_stay_on_the_workers(client, monkeypatch):
    rng = da.random.default_rng(0)
    X = rng.standard_normal((200_000, 20), chunks=(20_000, 20))
    y = (X[:, 0] > 0).astype(int)
    received, samples = [], []
    gather = Client.gather

    def spy(self, futures, *args, **kwargs):
        results = gather(self, futures, *args, **kwargs)
        for result in results:
            if isinstance(result, Keyed):
                samples.append(result.block.X.shape)
            else:
                entries = result if isinstance(result, tuple) else (result,)
                received.extend(map(np.size, entries))
        return results

    monkeypatch.setattr(Client, "gather", spy)
    with pytest.warns(ConvergenceWarning):
        make(max_iter=3, early_stopping=True).fit(X, y)
    assert 0 < max(received) <= 8 * 20 + 8 + 8 + 1
    # Except the importances, which come from a sample.
    ((n_rows, _),) = samples
    assert n_rows <= 10_000


NAMES = list("abcdefghij")


def given_and_lazy(kind):
    """X and y of some kind, in memory and as Dask collections."""
    X, y = problem(1500)
    if kind == "frame":
        X, labels = pd.DataFrame(X, columns=NAMES), np.array(["no", "yes"])[y]
        frame = dd.from_pandas(X.assign(label=labels), npartitions=4)
        return X, labels, frame[NAMES], frame["label"]
    if kind == "float32":
        X = X.astype(np.float32)
    if kind == "sparse":
        X[np.abs(X) < 0.5] = 0
    lazy_X, lazy_y = chunked(X, y, rows=400)
    if kind == "sparse":
        X, lazy_X = scipy.sparse.csr_array(X), lazy_X.map_blocks(scipy.sparse.csr_array)
    if kind == "unknown":
        keep = da.from_array(np.ones(len(y), bool), chunks=400)
        lazy_X, lazy_y = lazy_X[keep], lazy_y.rechunk(500)
    return X, y, lazy_X, y if kind == "mixed" else lazy_y


@pytest.mark.parametrize(
    "kind", ["frame", *map(slow, ["sparse", "float32", "unknown", "mixed"])]
)
def test_kinds_of_collections(client, kind):
    X, y, lazy_X, lazy_y = given_and_lazy(kind)
    inside, clf = make().fit(X, y), make().fit(lazy_X, lazy_y)
    rtol = 1e-3 if kind == "float32" else 1e-9
    assert clf.loss_ == pytest.approx(inside.loss_, rel=rtol)
    assert clf.coefs_[0].dtype == inside.coefs_[0].dtype
    assert_array_equal(clf.classes_, inside.classes_)
    for method in METHODS:
        lazy = getattr(clf, method)(lazy_X)
        whole = lazy.compute()
        expected = getattr(clf, method)(X)
        assert isinstance(lazy, da.Array)
        assert lazy.ndim == whole.ndim == expected.ndim
        assert lazy.dtype == whole.dtype == expected.dtype
        assert lazy.numblocks[0] == lazy_X.npartitions
        if expected.dtype.kind == "f":
            assert_allclose(whole, expected, rtol=1e-4 if kind == "float32" else 1e-9)
        else:
            assert_array_equal(whole, expected)


def test_the_names_of_the_columns_of_a_frame(client):
    _, _, lazy_X, lazy_y = given_and_lazy("frame")
    clf = make((), max_iter=1, tol=10.0).fit(lazy_X, lazy_y)
    assert clf.feature_names_in_.tolist() == NAMES
    assert clf.classes_.tolist() == ["no", "yes"]
    with pytest.raises(ValueError, match="feature names should match"):
        clf.predict(lazy_X[NAMES[::-1]])


@pytest.mark.slow
def test_validation_data_and_class_weights(client):
    X, y = problem(3000, n_classes=3)
    X, y, X_val, y_val = X[800:], y[800:], X[:800], y[:800]
    clf = make(
        class_weight="balanced", early_stopping=True, n_iter_no_change=5, alpha=0.1
    )
    s_val = np.linspace(0, 1, 800)
    validation = {"X_val": X_val, "y_val": y_val, "sample_weight_val": s_val}
    with pytest.warns(ConvergenceWarning):
        clf.set_params(max_iter=15).fit(X, y, **validation)
    inside = clf.validation_loss_curve_
    lazy = dict(zip(validation, chunked(*validation.values(), rows=300), strict=True))
    for data in (lazy, validation):
        with pytest.warns(ConvergenceWarning):
            clf.fit(*chunked(X, y), **data)
        assert_allclose(clf.validation_loss_curve_, inside, rtol=1e-7)


def test_the_split_gives_each_class_its_share(client):
    X, y = problem(2000, n_classes=3)
    X[:, 0] = np.arange(2000) / 1000
    y[y == 2] = 1
    y[[5, 900]] = 2
    rows = read(*chunked(X, y, rows=300)).split(0.1, np.random.RandomState(0))
    training, validation = (
        np.concatenate(rows.cluster_map.each(_rows_of, chunks))
        for chunks in (rows.training, rows.validation)
    )
    assert rows.weight_sums == [len(training), len(validation)]
    assert_array_equal(np.sort(np.concatenate([training, validation])), np.arange(2000))
    for code in range(3):
        assert (y[validation] == code).sum() == share_of((y == code).sum(), 0.1)
    # Every chunk gives its share too.
    assert np.ptp(np.bincount(validation // 300)[:6]) <= 3


def share_of(n_rows, share):
    """The nearest whole number, the lower of two, but at least one row."""
    return np.maximum(np.ceil(share * n_rows - 0.5), 1)


def _rows_of(block):
    return np.rint(block.X[:, 0] * 1000).astype(int)


@pytest.mark.slow
def test_starts_and_warm_starts(client):
    X, y = problem()
    lazy = chunked(X, y)
    clf = make(n_init=3)
    inside = clf.fit(X, y).restart_losses_
    for n_jobs in (1, 2):
        clf.set_params(n_jobs=n_jobs).fit(*lazy)
        assert_allclose(clf.restart_losses_, inside, rtol=1e-6)
    clf = make(warm_start=True, random_state=1).fit(X, y)
    before = clf.loss_
    clf.fit(*lazy)
    assert clf.n_iter_ < 20
    assert clf.loss_curve_[0] <= before * (1 + 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("sparse", [False, True])
def test_the_penalty_is_chosen_as_in_memory(client, sparse):
    X, y = problem(1500)
    # A repeat is a weight.
    X, y = np.concatenate([X, X[:500]]), np.concatenate([y, y[:500]])
    lazy_X, lazy_y = chunked(X, y, rows=300)
    if sparse:
        X, lazy_X = scipy.sparse.csr_array(X), lazy_X.map_blocks(scipy.sparse.csr_array)
    clf = make(alpha="auto")
    inside = clf.fit(X, y).alpha_losses_
    alpha = clf.alpha_
    clf.fit(lazy_X, lazy_y)
    assert clf.alpha_ == alpha
    assert_allclose(list(clf.alpha_losses_.values()), list(inside.values()), rtol=1e-2)


def test_the_search_gets_a_bounded_part(client):
    """The same rows as in memory, however they are chunked."""
    X, y = problem(30_000)
    for rows in (4000, 7000):
        outside = read(*chunked(X, y, rows=rows))
        data = Block(X, np.argsort(outside.class_order)[y], np.ones(len(y)))
        inside = smallest_keys([keyed(data, moments_of(data))], 10_000)
        assert inside.block.X.shape == (10_000, 10)
        sample, keys, _ = outside.sample(10_000)
        assert_array_equal(keys, inside.keys)
        for array, expected in zip(sample, inside.block, strict=True):
            assert_array_equal(array, expected)


def test_data_that_overflow_are_named(client):
    X, y = problem(1000)
    X[:, 3] *= 1e200
    with pytest.raises(ValueError, match=r"overflows.*in feature 3\.") as inside:
        make(alpha=1.0).fit(X, y)
    with pytest.raises(ValueError, match="overflows") as outside:
        make(alpha=1.0).fit(*chunked(X, y))
    assert str(outside.value) == str(inside.value)
    X, y = problem(1000)
    X[:, 3] *= 1e6
    advice = r"feature \d varies by .*, feature 3 by 1e\+06"
    for data in ((X, y), chunked(X, y)):
        with pytest.warns(ConvergenceWarning, match=advice):
            make(alpha=1.0, max_iter=3).fit(*data)


def without_the_first(X, y, rows):
    """Two Dask arrays whose first chunk is empty."""
    lazy_X, lazy_y = chunked(X, y, rows=rows)
    keep = da.from_array(np.arange(len(y)) >= rows, chunks=rows)
    return lazy_X[keep], lazy_y[keep]


def test_empty_chunks_are_allowed(client):
    X, y = problem(1000)
    clf = make().fit(*without_the_first(X, y, 250))
    assert clf.loss_ == pytest.approx(make().fit(X[250:], y[250:]).loss_, rel=1e-9)


def test_a_split_meets_an_empty_chunk(client):
    X, y = problem(1000)
    rows = read(*without_the_first(X, y, 250)).split(0.1, np.random.RandomState(0))
    n_validation = share_of(np.bincount(y[250:]), 0.1).sum()
    assert rows.weight_sums == [750 - n_validation, n_validation]


@pytest.mark.slow
def test_a_search_meets_an_empty_chunk(client):
    X, y = problem(1000)
    clf = make(alpha="auto").fit(*without_the_first(X, y, 250))
    inside = make(alpha="auto").fit(X[250:], y[250:])
    assert clf.alpha_ == inside.alpha_
    assert clf.loss_ == pytest.approx(inside.loss_, rel=1e-2)


def bad_nan(X, y):
    X[700, 2] = np.nan
    return {"X": chunked(X)[0], "y": chunked(y)[0]}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (lambda X, y: {"X": X, "y": chunked(y)[0]}, TypeError, "X is of type ndarray"),
        (
            lambda X, y: {"X": da.from_array(X, chunks=(500, 5)), "y": y},
            ValueError,
            r"X must be chunked by rows alone, .* 2 chunks: X.rechunk\(\{1: -1\}\)",
        ),
        (
            lambda X, y: {"X": da.from_array(y), "y": y},
            ValueError,
            "X must have two dimensions",
        ),
        (
            lambda X, y: {"X": chunked(X)[0], "y": y[:-1]},
            ValueError,
            r"numbers of rows differ: \{'X': 1000, 'y': 999\}",
        ),
        (lambda X, y: {"X": chunked(X)[0], "y": None}, ValueError, "requires y"),
        (lambda X, y: {"X": chunked(X)[0], "y": X}, ValueError, "Pass y as one col"),
        (
            lambda X, y: {"X": chunked(X)[0], "y": 0 * y},
            ValueError,
            "at least 2 classes",
        ),
        (bad_nan, ValueError, "Input X contains NaN"),
        (
            lambda X, y: {"X": chunked(X)[0], "y": y, "sample_weight": -y},
            ValueError,
            "Negative values in sample_weight",
        ),
        (
            lambda X, y: {"X": chunked(X)[0], "y": y, "sample_weight": 0 * y},
            ValueError,
            "sample_weight must have a positive, finite sum",
        ),
        (
            lambda X, y: {"X": chunked(X)[0], "y": y, "X_val": X, "y_val": y + 1},
            ValueError,
            r"y_val holds classes that y does not: \[2\]",
        ),
        (
            lambda X, y: {"X": chunked(X)[0], "y": y, "X_val": X[:, 1:], "y_val": y},
            ValueError,
            "X_val is not valid: X has 9 features",
        ),
    ],
)
def test_bad_data(client, arguments, error, message):
    clf = make()
    with pytest.raises(error, match=message):
        clf.fit(**arguments(*problem(1000)))
    assert not hasattr(clf, "n_features_in_")


@pytest.mark.slow
def test_searches_on_dasks_joblib_backend(client):
    X, y = load_digits(return_X_y=True)
    X, y = X[:600] / 16, y[:600]
    grid = GridSearchCV(make((10,)), {"alpha": [0.3, 3.0]}, cv=3)
    path = ReLULogisticClassifierCV((10,), alphas=[10.0, 1.0], cv=3, random_state=0)
    here = grid.fit(X, y).cv_results_["mean_test_score"], path.fit(X, y).scores_
    with parallel_backend("dask"):
        grid.fit(X, y)
        path.fit(X, y)
    assert_array_equal(grid.cv_results_["mean_test_score"], here[0])
    assert_array_equal(path.scores_, here[1])
    assert get_client() is client


LABELS = {
    "bool": lambda y: y > 0,
    "category": lambda y: pd.Categorical(np.where(y, "b", "a")),
    "category of integers": lambda y: pd.Categorical(y + 5),
    "Int64": lambda y: pd.array(y, dtype="Int64"),
    "UInt8": lambda y: pd.array(y, dtype="UInt8"),
    "boolean": lambda y: pd.array(y > 0, dtype="boolean"),
    "Float64": lambda y: pd.array(y, dtype="Float64"),
    "string": lambda y: pd.array(np.where(y, "b", "a"), dtype="string"),
    "int64[pyarrow]": lambda y: pd.array(y, dtype="int64[pyarrow]"),
    "bool[pyarrow]": lambda y: pd.array(y > 0, dtype="bool[pyarrow]"),
    "string[pyarrow]": lambda y: pd.array(np.where(y, "b", "a"), "string[pyarrow]"),
    "datetime": lambda y: pd.to_datetime(np.where(y, "2021-01-01", "2020-01-01")),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_type_are_those_in_memory(client, kind):
    X, y = problem(400)
    frame = pd.DataFrame(X, columns=NAMES).assign(label=LABELS[kind](y))
    lazy = dd.from_pandas(frame, npartitions=3)
    clf = make((), max_iter=1, tol=10.0)
    expected = clf.fit(frame[NAMES], frame["label"]).classes_
    # The labels come as a series, and as a frame of one column.
    for labels in (lazy["label"], lazy[["label"]]):
        classes = clf.fit(lazy[NAMES], labels).classes_
        assert classes.dtype == expected.dtype
        assert_array_equal(classes, expected)


def test_a_comparison_of_strings_is_a_target(client):
    X, y = problem(400)
    frame = pd.DataFrame(X, columns=NAMES).assign(s=np.where(y, "b", "a"))
    lazy = dd.from_pandas(frame, npartitions=3)
    clf = make().fit(lazy[NAMES], lazy["s"] == "b")
    assert_array_equal(clf.classes_, [0, 1])
    assert clf.loss_ == pytest.approx(make().fit(X, y).loss_, rel=1e-9)


@pytest.mark.parametrize("dtype", ["Float32", "float32[pyarrow]"])
def test_pandas_own_types_of_float32(client, dtype):
    X, y = problem(400)
    frame = pd.DataFrame(X, columns=NAMES).astype(dtype)
    lazy = dd.from_pandas(frame.assign(y=y, w=pd.array(y + 1.0, "Float32")), 3)
    clf = make((), max_iter=1, tol=10.0).fit(lazy[NAMES], lazy["y"], lazy["w"])
    proba = clf.predict_proba(lazy[NAMES])
    assert clf.coefs_[0].dtype == proba.dtype == proba.compute().dtype == np.float32


def test_rows_of_weight_zero_are_no_rows_to_split(client):
    """Neither those of sample weights nor those of class weights."""
    X, y = problem(60, n_classes=3)
    weights = np.where(np.arange(60) < 24, 1.0, 0.0)
    for class_weight in (None, {2: 0.0}):
        rows = OnCluster.read(
            make(),
            Given(*chunked(X, y, weights, rows=7)),
            reset=True,
            class_weight=class_weight,
            linear=False,
        ).split(0.25, np.random.RandomState(0))
        counts = np.bincount(y[:24])
        if class_weight is not None:
            counts = counts[:2]
        n_validation = share_of(counts, 0.25).sum()
        assert rows.weight_sums == [counts.sum() - n_validation, n_validation]
    clf = make((3,), early_stopping=True).fit(*chunked(X, y, weights, rows=8))
    without = make((3,), early_stopping=True).fit(*chunked(X[:24], y[:24], rows=8))
    assert_allclose(clf.predict_proba(X), without.predict_proba(X), rtol=1e-9)


@pytest.mark.filterwarnings("ignore:Leave out the rows of the classes")
def test_the_search_without_rows_of_the_last_class(client):
    """Its weight is zero, so that the halves have none of its rows."""
    X, y = problem(600, n_classes=3)
    clf = make((4,), alpha="auto", class_weight={2: 0.0})
    inside = clf.fit(X, y).alpha_losses_
    proba = clf.predict_proba(X)
    clf.fit(*chunked(X, y, rows=200))
    assert_allclose(list(clf.alpha_losses_.values()), list(inside.values()), rtol=1e-2)
    assert list(clf.alpha_losses_) == list(inside)
    assert proba.shape == (600, 3)
    assert clf.predict_proba(X)[:, 2].max() < 0.01


def test_validation_data_that_are_not_scaled(client):
    X, y = problem(400)
    clf = make(alpha=1.0, max_iter=3)
    for X_val in (X * 50, *chunked(X * 50, rows=100)):
        y_val = y if isinstance(X_val, np.ndarray) else chunked(y, rows=100)[0]
        with pytest.warns(ConvergenceWarning, match=r"Scale X_val .* 50 in X_val"):
            clf.fit(*chunked(X, y), X_val=X_val, y_val=y_val)


def bag(array):
    return dask.bag.from_sequence(array.tolist())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        # Errors in chunks name the argument.
        ({"X_val": np.nan}, ValueError, "^X_val is not valid: Input X contains NaN"),
        ({"X": np.nan}, ValueError, "^Input X contains NaN"),
        (
            {"sample_weight_val": -1.0},
            ValueError,
            "^Negative values in sample_weight_val:",
        ),
        ({"sample_weight": -1.0}, ValueError, "^Negative values in sample_weight:"),
        # Neither an array nor a series.
        ({"y": bag}, TypeError, "^y must be a Dask array or series.* Got Bag"),
        ({"y_val": bag}, TypeError, "^y_val must be a Dask array or series"),
        ({"X": bag}, TypeError, "^X must be a Dask array or data frame.* Got Bag"),
        ({"y": np.array(["a", 1], object)}, ValueError, "^Give all labels in y one"),
        ({"y": np.array([b"a", b"b"])}, ValueError, "^Decode the labels in y"),
        ({"y": np.eye(2)}, ValueError, r"^Pass y as one column.*\(400, 2\).*argmax"),
        ({"y_val": np.eye(2)}, ValueError, "^Pass y_val as one column"),
    ],
)
def test_faults_of_chunks_and_of_strange_collections(client, change, error, message):
    X, y = problem(400)
    given = {"X": X, "y": y, "sample_weight": np.ones(400)}
    given |= {f"{name}_val": array.copy() for name, array in given.items()}
    ((name, value),) = change.items()
    if isinstance(value, float):
        given[name][300] = value
    elif isinstance(value, np.ndarray):
        given[name] = value[y]
    lazy = {name: chunked(array, rows=100)[0] for name, array in given.items()}
    if callable(value):
        lazy[name] = value(y)
    with pytest.raises(error, match=message):
        make().fit(**lazy)
    if name.endswith("_val") and not callable(value):
        # Validation data in memory are one chunk.
        inside = {name: given[name] for name in given if name.endswith("_val")}
        with pytest.raises(error, match=message):
            make().fit(**lazy | inside)


@pytest.mark.parametrize("dtype", ["string", "Int64"])
def test_labels_that_are_missing(client, dtype):
    X, y = problem(400)
    labels = pd.Series(y if dtype == "Int64" else y.astype(str)).astype(dtype)
    labels[[3, 390]] = None
    lazy = dd.from_pandas(pd.DataFrame(X, columns=NAMES).assign(y=labels), 3)
    with pytest.raises(ValueError, match=r"^Leave out the rows without a label: y "):
        make().fit(lazy[NAMES], lazy["y"])

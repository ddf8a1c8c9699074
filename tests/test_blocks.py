"""Row blocks, rows taken from any kind of matrix, and the BLAS limit."""

import threading

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_relulogit import _blocks
from sklearn_relulogit._blocks import row_slices, single_threaded_blas, take_rows


def blas_threads():
    return [
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]


@pytest.mark.parametrize("n_samples", [1, 511, 512, 513, 5000, 100_003])
@pytest.mark.parametrize("width", [1, 101, 5000])
def test_slices_cover_the_rows_evenly(n_samples, width):
    slices = row_slices(np.empty((n_samples, 1)), width)
    assert_array_equal(
        np.concatenate([np.arange(n_samples)[rows] for rows in slices]),
        np.arange(n_samples),
    )
    lengths = [rows.stop - rows.start for rows in slices]
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= _blocks.MAX_BLOCK_ROWS
    assert (
        max(lengths) <= _blocks.MIN_BLOCK_ROWS
        or max(lengths) * width <= _blocks.BLOCK_NUMBERS
    )


def test_sparse_blocks_are_large_enough_for_their_gradient():
    X = scipy.sparse.random_array((4000, 100), density=0.001, rng=0, format="csr")
    (rows,) = row_slices(X, 101)
    assert rows == slice(0, 4000)


@pytest.mark.parametrize(
    ("X", "copied"),
    [
        (np.arange(60.0).reshape(10, 6), False),
        (np.asfortranarray(np.arange(60.0).reshape(10, 6)), False),
        (np.arange(60.0).reshape(10, 6)[:, ::2], True),
        (np.arange(60.0).reshape(10, 6)[::2], False),
        (np.arange(60.0, dtype=np.float32).reshape(10, 6), True),
    ],
    ids=["C", "F", "strided columns", "strided rows", "float32"],
)
def test_rows_are_copied_only_where_they_must_be(X, copied):
    X.flags.writeable = False
    block = take_rows(X, slice(1, 4), np.dtype(np.float64))
    assert_array_equal(block, X[1:4])
    assert block.dtype == np.float64
    assert np.shares_memory(block, X) != copied


def test_blas_is_held_at_one_thread_and_given_back():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert before
        with single_threaded_blas():
            assert set(blas_threads()) == {1}
            with single_threaded_blas():
                assert set(blas_threads()) == {1}
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


def test_the_limit_lasts_until_the_last_thread_leaves():
    """The first to enter leaves first: the usual way for a limit to get lost."""
    second_entered, first_left = threading.Event(), threading.Event()
    seen = []

    def second():
        with single_threaded_blas():
            second_entered.set()
            first_left.wait(10)
            seen.append(set(blas_threads()))

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        thread = threading.Thread(target=second)
        with single_threaded_blas():
            thread.start()
            second_entered.wait(10)
        first_left.set()
        thread.join()
        assert seen == [{1}]
        assert blas_threads() == before


def test_the_limit_is_given_back_after_an_error():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(RuntimeError), single_threaded_blas():
            raise RuntimeError
        assert blas_threads() == before

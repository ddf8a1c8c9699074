"""The limit of one BLAS thread."""

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_relulogit._threads import n_blas_threads, single_threaded_blas


def blas_threads():
    return [
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]


def test_blas_is_held_at_one_thread_and_given_back():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert before
        assert n_blas_threads() == 2
        with single_threaded_blas():
            assert set(blas_threads()) == {1}
            with single_threaded_blas():
                assert set(blas_threads()) == {1}
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


def test_the_limit_lasts_until_the_last_thread_leaves():
    """The first to enter leaves first, which is how a limit usually gets lost."""
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


def test_what_others_set_meanwhile_stays_where_nothing_was_held():
    with threadpool_limits(1, user_api="blas"):
        with single_threaded_blas():
            other = threadpool_limits(2, user_api="blas")
        assert n_blas_threads() == 2
        other.restore_original_limits()
        assert n_blas_threads() == 1


def test_without_a_blas_library_there_is_one_thread(monkeypatch):
    monkeypatch.setattr("sklearn_relulogit._threads._blas_libraries", lambda: ([], []))
    assert n_blas_threads() == 1

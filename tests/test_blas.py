"""The limit of one BLAS thread."""

import dis
import itertools
import sys
import threading
from contextlib import nullcontext

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


# Where Python looks whether an interrupt is pending: as a function begins or goes on,
# after calls, and where loops jump back.
LOOKS = ("RESUME", "CALL", "CALL_KW", "CALL_FUNCTION_EX", "JUMP_BACKWARD")


def interrupted_at(number, function):
    """Call a function, with an interrupt the so manieth time that Python looks."""
    looks, previous = 0, {}

    def trace(frame, event, argument):
        nonlocal looks
        frame.f_trace_opcodes = True
        if event == "opcode":
            if previous.get(id(frame)) in LOOKS:
                looks += 1
                if looks == number:
                    raise KeyboardInterrupt
            code = frame.f_code.co_code[frame.f_lasti]
            previous[id(frame)] = dis.opname[code]
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("within", [False, True])
def test_an_interrupt_anywhere_in_the_limit_itself(within):
    bodies = []

    def hold():
        with single_threaded_blas():
            bodies.append(n_blas_threads())

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        for number in itertools.count(1):
            context = single_threaded_blas() if within else nullcontext()
            interrupted = False
            with context:
                try:
                    interrupted_at(number, hold)
                except KeyboardInterrupt:
                    interrupted = True
                assert set(blas_threads()) == ({1} if within else {2})
            assert blas_threads() == before
            if not interrupted:
                break
    assert number > 20
    assert set(bodies) == {1}

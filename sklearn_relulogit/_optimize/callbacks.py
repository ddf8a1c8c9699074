"""The bridge to scikit-learn's callbacks, `sklearn.callback` (1.9 and newer).

A fit is a task. Its subtasks are the iterations or, with several restarts, the restarts
with their iterations. With a search for the penalty, the fit has two subtasks. The
first is the search, whose subtasks are the penalties. The second is the final fit, with
the subtasks above. With an older scikit-learn `set_callbacks` raises an error that says
what is missing; everything else works.
"""

import threading
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import sklearn

from .lbfgs import Iterate, Monitor
from .monitors import Report, Watcher

# The largest number of starts that replace those that end as a constant.
MORE_STARTS = 3

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ModuleNotFoundError:
    # A type checker sees the newer scikit-learn, and this class as a duplicate.

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's class."""

        def set_callbacks(self, *callbacks: Any) -> Self:
            """Raise an error: this scikit-learn has no callbacks."""
            raise NotImplementedError(
                "Callbacks need scikit-learn 1.9 or newer. This is scikit-learn "
                f"{sklearn.__version__}."
            )

        def _init_callback_context(self, **how: Any) -> None:
            """Do nothing: there are no callbacks."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method unchanged."""
        return method


CALLBACK = "callback"

__all__ = [
    "CALLBACK",
    "CallbackSupportMixin",
    "FitTask",
    "SearchTask",
    "with_callbacks",
]


class FitTask:
    """The callbacks' view of one fit, and the printed report of it.

    Without callbacks it tells nobody.

    Parameters
    ----------
    context : CallbackContext or None
        The context of the fit. None without callbacks.
    estimator : estimator
    metadata : dict or None
        The arguments of `fit` other than X and y.
    searches : bool
        Whether there is a search before the final fit.

    Attributes
    ----------
    report : Report
        Prints the lines of `verbose`.
    enough : threading.Event
        Set when a callback asks that no other restart begins: at the end of one, or
        at the end of an iteration of the only one.
    """

    def __init__(
        self,
        context: Any = None,
        estimator: Any = None,
        metadata: dict[str, Any] | None = None,
        searches: bool = False,
    ) -> None:
        self.report = Report(int(getattr(estimator, "verbose", 0)))
        self.enough = threading.Event()
        self._context = context
        self._arguments = {"estimator": estimator, "metadata": metadata}
        self._searches = searches
        # The task of the final fit, or of the whole fit if there is no search.
        self._final: Any = None
        self._one, self._max_iter = True, 0

    @classmethod
    def of(
        cls,
        estimator: Any,
        sample_weight: Any,
        n_init: int,
        searches: bool,
        refit: bool,
    ) -> Self:
        """The view of an estimator's fit."""
        context = None
        if getattr(estimator, "_skl_callbacks", None):
            one = n_init == 1
            max_subtasks = _max_subtasks(n_init, estimator.max_iter)
            context = estimator._init_callback_context(
                max_subtasks=1 + refit if searches else max_subtasks,
                sequential_subtasks=searches or one,
            )
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        return cls(context, estimator, metadata, searches)

    def open(
        self, rows: Any, fitted_attributes: Callable[[np.ndarray], dict[str, Any]]
    ) -> None:
        """Begin the fit, with the data that callbacks may ask for.

        Parameters
        ----------
        rows : Rows
            Callbacks may score on their X and y.
        fitted_attributes : callable
            theta -> the attributes with which a copy of the estimator can predict.
        """
        if self._context is None:
            return
        self._arguments |= {"X": rows.X, "y": rows.y}
        self._fitted_attributes = fitted_attributes
        self.begin(self._context)

    def search(
        self,
        max_penalties: int,
        fitted_attributes: Callable[[np.ndarray], dict[str, Any]],
    ) -> "list[SearchTask]":
        """Begin the search; return a list of the watcher of its penalties.

        ``fitted_attributes`` belong to the networks of the search.
        """
        if self._context is None:
            return []
        self._of_search = fitted_attributes
        context = self._context.subcontext(
            task_name="search", max_subtasks=max_penalties
        )
        self.begin(context)
        return [SearchTask(self, context)]

    def begin_final(self, n_restarts: int, max_iter: int) -> None:
        """Begin the final fit.

        Parameters
        ----------
        n_restarts, max_iter : int
            The number of restarts, and the largest number of iterations of each.
        """
        if self._context is None:
            return
        one = self._one = n_restarts == 1
        self._final, self._max_iter = self._context, max_iter
        if self._searches:
            self._final = self._context.subcontext(
                task_name="final-fit",
                max_subtasks=_max_subtasks(n_restarts, max_iter),
                sequential_subtasks=one,
            )
            self.begin(self._final)

    def begin(self, context: Any, theta: np.ndarray | None = None) -> None:
        """Tell the callbacks that a task begins, with its initial parameters."""
        context.call_on_fit_task_begin(**self._arguments, **self._fitted(theta))

    def end(
        self, context: Any, theta: np.ndarray | None = None, in_search: bool = False
    ) -> bool:
        """Tell the callbacks that a task has ended; return whether one asks to stop."""
        fitted = self._fitted(theta, in_search)
        return bool(context.call_on_fit_task_end(**self._arguments, **fitted))

    def _fitted(
        self, theta: np.ndarray | None, in_search: bool = False
    ) -> dict[str, Any]:
        if theta is None:
            return {}
        attributes = self._of_search if in_search else self._fitted_attributes
        # A function: scikit-learn calls it only if a callback wants the estimator.
        return {"reconstruction_attributes": lambda: attributes(theta)}

    def monitors(self, index: int) -> list[Monitor]:
        """The monitor of one restart, in a list.

        The list is empty without callbacks, and before the final fit. Only one thread
        at a time may call this.
        """
        if self._final is None:
            return []
        if self._one:
            return [_Iterations(self, self._final, is_fit=True)]
        restart = self._final.subcontext(
            task_name="restart", task_id=index, max_subtasks=self._max_iter
        )
        return [_Iterations(self, restart, is_fit=False)]

    def close(self, theta: np.ndarray | None) -> None:
        """End the fit at theta, or at None without a network."""
        if self._context is None:
            return
        if self._final is not None and self._final is not self._context:
            self.end(self._final, theta)
        self.end(self._context, theta)


def _max_subtasks(n_restarts: int, max_iter: int) -> int:
    """The largest number of restarts or, with a single one, of iterations.

    More starts may replace those that end as a constant.
    """
    if n_restarts == 1:
        return max_iter * (1 + MORE_STARTS)
    return n_restarts + MORE_STARTS


class SearchTask(Watcher):
    """The callbacks' view of a search: one subtask for each penalty."""

    def __init__(self, task: FitTask, context: Any) -> None:
        self._task = task
        self._context = context
        self._penalty: Any = None

    def begin(self, alpha: float) -> None:
        self._penalty = self._context.subcontext(task_name="penalty")
        self._task.begin(self._penalty)

    def end(
        self, alpha: float, values: np.ndarray, mean: float, theta: np.ndarray
    ) -> bool:
        penalty, self._penalty = self._penalty, None
        return self._task.end(penalty, theta, in_search=True)

    def close(self, theta: np.ndarray | None) -> None:
        """End the search, with these parameters."""
        self._task.end(self._context, theta, in_search=True)


class _Iterations(Monitor):
    """One subtask of ``parent`` for each iteration."""

    def __init__(self, task: FitTask, parent: Any, is_fit: bool) -> None:
        self._task = task
        self._parent = parent
        self._is_fit = is_fit
        self._context: Any = None
        self._iterate: Iterate | None = None

    def begin_iteration(self, iterate: Iterate) -> None:
        if iterate.n_iter == 0 and not self._is_fit:
            self._task.begin(self._parent, iterate.theta)
        self._iterate = iterate
        if self._context is None:
            self._context = self._parent.subcontext(task_name="lbfgs-iter")
            self._task.begin(self._context, iterate.theta)

    def end_iteration(self, iterate: Iterate) -> str | None:
        context, self._context = self._context, None
        self._iterate = iterate
        if not self._task.end(context, iterate.theta):
            return None
        if self._is_fit:  # No other start takes the place of this one.
            self._task.enough.set()
        return CALLBACK

    def close(self) -> None:
        # Every task that began must end; if it led nowhere, without an estimator.
        if self._context is not None:
            self._task.end(self._context)
        if self._iterate is None or self._is_fit:
            return
        if self._task.end(self._parent, self._iterate.theta):
            self._task.enough.set()

"""The bridge to scikit-learn's callbacks, `sklearn.callback` (1.9 and newer).

A fit is a task; its subtasks are the iterations or, with several restarts, the
restarts, whose subtasks are the iterations. With an older scikit-learn
`set_callbacks` says what is missing, and all else works.
"""

import threading
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import sklearn

from .lbfgs import Iterate, Monitor

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ModuleNotFoundError:
    # A type checker sees the newer scikit-learn, and this class as its double.

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's."""

        def set_callbacks(self, *callbacks: Any) -> Self:
            """Refuse: this scikit-learn has no callbacks."""
            raise NotImplementedError(
                "Callbacks need scikit-learn 1.9 or newer. This is scikit-learn "
                f"{sklearn.__version__}."
            )

        def _init_callback_context(self, **how: Any) -> None:
            """No context: there are no callbacks."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Leave the method as it is."""
        return method


CALLBACK = "callback"

__all__ = ["CALLBACK", "CallbackSupportMixin", "FitTask", "with_callbacks"]


class FitTask:
    """The callbacks' view of one fit, or nothing at all where there are no callbacks.

    Parameters
    ----------
    context : CallbackContext or None
        That of the fit. None where there are no callbacks.
    estimator : estimator
    metadata : dict or None
        What `fit` was given beside X and y.

    Attributes
    ----------
    enough : threading.Event
        Set when a callback, at the end of a restart, asks that no other begins.
    """

    def __init__(
        self,
        context: Any = None,
        estimator: Any = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.enough = threading.Event()
        self._context = context
        self._arguments = {"estimator": estimator, "metadata": metadata}
        self._restarts: list[Any] = []

    def open(
        self,
        X: Any,
        y: Any,
        fitted_attributes: Callable[[np.ndarray], dict[str, Any]],
        n_restarts: int,
        max_iter: int,
    ) -> None:
        """The fit begins.

        Parameters
        ----------
        X, y
            What the callbacks may score on: the training data as they came.
        fitted_attributes : callable
            theta -> the attributes with which a copy of the estimator can predict.
        n_restarts, max_iter : int
            The number of restarts, and the largest number of iterations of each.
        """
        if self._context is None:
            return
        self._arguments |= {"X": X, "y": y}
        self._fitted_attributes = fitted_attributes
        self.begin(self._context)
        # Made ahead of time, since the restarts may run in parallel.
        self._restarts = (
            [self._context]
            if n_restarts == 1
            else [
                self._context.subcontext(
                    task_name="restart", task_id=index, max_subtasks=max_iter
                )
                for index in range(n_restarts)
            ]
        )

    def begin(self, context: Any, theta: np.ndarray | None = None) -> None:
        """Tell the callbacks that a task begins, with the parameters it starts from."""
        context.call_on_fit_task_begin(**self._arguments, **self._fitted(theta))

    def end(self, context: Any, theta: np.ndarray | None = None) -> bool:
        """Tell the callbacks that a task has ended; whether one asks to stop."""
        stop: bool = context.call_on_fit_task_end(
            **self._arguments, **self._fitted(theta)
        )
        return stop

    def _fitted(self, theta: np.ndarray | None) -> dict[str, Any]:
        if theta is None:
            return {}
        # A function: scikit-learn calls it only if a callback wants the estimator.
        return {"reconstruction_attributes": lambda: self._fitted_attributes(theta)}

    def monitors(self, index: int) -> list[Monitor]:
        """The monitor of one restart, in a list, empty without callbacks."""
        if self._context is None:
            return []
        restart = self._restarts[index]
        return [_Iterations(self, restart, is_fit=restart is self._context)]

    def close(self, theta: np.ndarray) -> None:
        """The fit has ended, at theta."""
        if self._context is not None:
            self.end(self._context, theta)


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
        return CALLBACK if self._task.end(context, iterate.theta) else None

    def close(self) -> None:
        # Every task that began must end, one that led nowhere with no estimator.
        if self._context is not None:
            self._task.end(self._context)
        if self._iterate is None or self._is_fit:
            return
        if self._task.end(self._parent, self._iterate.theta):
            self._task.enough.set()

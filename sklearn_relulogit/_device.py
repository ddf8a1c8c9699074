"""Rows on a device, as arrays of another library than numpy."""

from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from ._advice import different_scales, overflow_message
from ._arrays import arrays_of, numpy_dtype, to_numpy
from ._blocks import Block, Parts, cut, row_parts, rows_of, weight_of
from ._halves import keyed, most_rows, smallest_keys
from ._parameters import Shapes
from ._rows import Given, OrderedMap, Read, read_rows
from ._training import pays_in_float32

# Numbers that are brought to the host at a time.
FETCHED_NUMBERS = 2**22

# Rows from which on a stage in float32 pays with any layers.
MANY_ROWS = 2**20


class OnDevice:
    """Rows on a device; twin of `InMemory`.

    The features stay there. Labels and weights, one number a row, pass through the
    host once, to be checked and split.
    """

    def __init__(self, read: Read) -> None:
        self.X, self.y, self.classes, self._training, self._validation = read
        self.n_features: int = self.X.shape[1]
        self.dtype = numpy_dtype(self.X.dtype)
        self._xp = arrays_of(self.X)

    @classmethod
    def read(cls, estimator: BaseEstimator, given: Given, **how: Any) -> Self:
        """Check the arrays."""
        return cls(read_rows(estimator, given, **how))

    def ordered_map(self, n_threads: int) -> AbstractContextManager[OrderedMap]:
        """The device has its own threads."""
        return nullcontext(map)

    def cut(self, shapes: Shapes) -> tuple[Parts, Parts | None]:
        """One part of large blocks, whose sums are fetched together."""

        def of(data: Block) -> Parts:
            there = Block(
                data.X, self._xp.sent(data.y), self._xp.sent(data.sample_weight)
            )
            return Parts(
                cut(there, shapes),
                weight_of(data),
                weighted=bool((data.sample_weight != 1).any()),
                sparse=False,
                xp=self._xp,
            )

        validation = None if self._validation is None else of(self._validation)
        return of(self._training), validation

    def begins_in_float32(self, shapes: Shapes, training: Parts) -> bool:
        """Whether a first stage in float32 pays: as for the same rows in memory."""
        shape = (min(self.X.shape[0], MANY_ROWS), self.n_features)
        like = np.broadcast_to(self.dtype.type(0), shape)
        n_parts = len(row_parts(like, shapes))
        return pays_in_float32(self.dtype, training.sparse, shapes, n_parts)

    def of_the_search(self) -> Block:
        """Different rows to train on, as many as the search looks at."""
        X, y, sample_weight = self._training
        n_samples, n_rows = X.shape[0], most_rows(self.n_features)
        if n_samples <= n_rows:
            return Block(to_numpy(X), y, sample_weight)
        step = max(1, FETCHED_NUMBERS // self.n_features)
        pieces = (
            Block(to_numpy(rows_of(X, rows)), y[rows], sample_weight[rows])
            for start in range(0, n_samples, step)
            if (rows := slice(start, min(start + step, n_samples)))
        )
        sample = reduce(
            lambda sample, piece: smallest_keys([sample, piece], n_rows),
            map(keyed, pieces),
        )
        return smallest_keys([sample], n_rows).block

    def overflow_message(self, what: str, names: np.ndarray | None) -> str:
        """Why something computed from X may have overflowed, and what to do."""
        return overflow_message(what, self.X, names)

    def unscaled_features(self, names: np.ndarray | None) -> str:
        """A sentence about features of very different scale, or nothing."""
        deviation = self._xp.std(self.X, axis=0)
        return different_scales(to_numpy(deviation), names)

"""A Dask cluster as an ordered map: chunks that stay on its workers, and sums of them.

The workers receive what an evaluation needs, and return sums over chunks. The order of
the additions depends on the number of chunks alone. Dask is imported only for Dask
data.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from functools import partial, reduce
from operator import add
from typing import Any

import numpy as np

from .._model.blocks import Block, row_blocks
from .._model.objective import NumpySettings
from .._model.parameters import Shapes
from .._optional import optional_import
from .._threads import single_threaded_blas

# The caller's process adds up this many sums. If there are more, the workers first add
# up the sums of neighbours.
MAX_GATHERED, NEIGHBOURS = 16, 8

# How often a map is begun if lost workers break it off. Most losses do not, because the
# scheduler repeats the lost work.
MAX_ATTEMPTS = 5


class Chunk:
    """A value on the cluster: the task that computes it, and its future."""

    def __init__(self, lazy: Any) -> None:
        self.lazy = lazy
        self.future: Any = None

    def then(self, function: Callable[..., Any], *args: Any) -> "Chunk":
        """The chunk that the function makes of this one, on the worker."""
        return Chunk(delayed(function)(self.lazy, *args))


def delayed(function: Callable[..., Any]) -> Any:
    """The function, to be called on a worker."""
    dask = optional_import("dask", "dask", "Fitting Dask data")
    return dask.delayed(function, pure=False)


class ClusterMap:
    """``ClusterMap()(function, chunks, shapes)``: sums over neighbouring parts.

    They come in the order of the parts.

    A chunk is a Block and one part. Its worker divides the rows.

    The function is sent to each worker once. As long as the chunks are referenced, the
    scheduler keeps their graph. If a worker is lost, others compute its chunks again.
    """

    def __init__(self) -> None:
        self.client = _client()

    def __call__(
        self,
        function: Callable[[list[Block]], Any],
        chunks: Sequence[Chunk],
        shapes: Shapes,
    ) -> list[Any]:
        of_chunk = partial(_of_chunk, function, shapes)
        return self._results(of_chunk, chunks, _total, MAX_GATHERED)

    def each(
        self, function: Callable[[Any], Any], chunks: Sequence[Chunk]
    ) -> list[Any]:
        """The result of each chunk, in order."""
        return self._results(function, chunks, None, 0)

    def merged(
        self,
        function: Callable[[Any], Any],
        chunks: Sequence[Chunk],
        merge: Callable[[list[Any]], Any],
    ) -> Any:
        """The results, merged on the workers, neighbours first."""
        (result,) = self._results(function, chunks, merge, 1)
        return result

    def _results(
        self,
        function: Callable[[Any], Any],
        chunks: Sequence[Chunk],
        merge: Callable[[list[Any]], Any] | None,
        at_most: int,
    ) -> list[Any]:
        distributed = optional_import("distributed", "dask", "Fitting Dask data")
        losses = (distributed.KilledWorker, CancelledError, TimeoutError, OSError)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return self._attempt(function, chunks, merge, at_most)
            except losses as error:
                if attempt == MAX_ATTEMPTS or self.client.status != "running":
                    raise RuntimeError(
                        f"The Dask cluster lost workers or data, {attempt} times in a "
                        f"row ({type(error).__name__}: {error}). Often workers run out "
                        "of memory: use more workers, or smaller chunks."
                    ) from error
        raise AssertionError("unreachable")

    def _attempt(
        self,
        function: Callable[[Any], Any],
        chunks: Sequence[Chunk],
        merge: Callable[[list[Any]], Any] | None,
        at_most: int,
    ) -> list[Any]:
        self._compute(chunks)
        # A task, because scattered data would be lost with their worker.
        sent = self.client.submit(_same, function, pure=False)
        results = self.client.map(
            _on_worker,
            [sent] * len(chunks),
            [chunk.future for chunk in chunks],
            pure=False,
        )
        while merge is not None and len(results) > at_most:
            results = [
                self.client.submit(
                    merge, results[start : start + NEIGHBOURS], pure=False
                )
                for start in range(0, len(results), NEIGHBOURS)
            ]
        gathered: list[Any] = self.client.gather(results)
        return gathered

    def _compute(self, chunks: Sequence[Chunk]) -> None:
        """Start the chunks that were not computed, failed, or were lost."""
        failed = [
            chunk.future
            for chunk in chunks
            if chunk.future is not None and chunk.future.status == "error"
        ]
        if failed:
            self.client.retry(failed)
        missing = [
            chunk
            for chunk in chunks
            if chunk.future is None or chunk.future.status in ("cancelled", "lost")
        ]
        if missing:
            futures = self.client.compute([chunk.lazy for chunk in missing])
            for chunk, future in zip(missing, futures, strict=True):
                chunk.future = future


def _client() -> Any:
    """The client that the user made, or an error that says how to make one."""
    distributed = optional_import("distributed", "dask", "Fitting Dask data")
    try:
        client = distributed.get_client()
    except ValueError as error:
        raise ValueError(
            "Fitting Dask data needs a cluster that keeps them. Make a client first, "
            "with 'from dask.distributed import Client; client = Client()' for one on "
            "this machine, or pass arrays in memory."
        ) from error
    if client.asynchronous:
        raise ValueError(
            "Fitting Dask data needs a client that waits for its results. This one "
            "was made with asynchronous=True."
        )
    return client


def _same(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return function


def _on_worker(function: Callable[[Any], Any], chunk: Any) -> Any:
    with single_threaded_blas(), NumpySettings():
        return function(aligned(chunk) if isinstance(chunk, Block) else chunk)


def aligned(block: Block) -> Block:
    """The block, with numbers at addresses that are multiples of their size.

    What came in a message may lie elsewhere. Numpy adds such numbers up in pieces, so
    that the last digits of a sum would depend on the way that a chunk went.
    """
    arrays = (
        np.require(array, requirements="A") if isinstance(array, np.ndarray) else array
        for array in block
    )
    return Block(*arrays)


def _total(results: list[Any]) -> Any:
    """The sum of numbers, or of tuples entry by entry, from left to right."""
    if isinstance(results[0], tuple):
        return tuple(reduce(add, entries) for entries in zip(*results, strict=True))
    return reduce(add, results)


def _of_chunk(
    function: Callable[[list[Block]], Any], shapes: Shapes, block: Block
) -> Any:
    """The function of the chunk as one part: its row blocks, none if it is empty.

    Dividing it again for each evaluation takes microseconds. Stored row blocks would be
    a second copy of a chunk that a worker has moved to its disk.
    """
    parts = row_blocks(block, shapes) if block.X.shape[0] else []
    return function([piece for part in parts for piece in part])

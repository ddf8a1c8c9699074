"""The linear regions of a network over a plane: convex polygons, found exactly.

Each unit of the first layer splits the plane along a straight line. On each piece the
second layer is affine again, so each of its units splits that piece along a line, and
so on. Nothing is sampled, so no small region is missed.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from .._model.parameters import Layers

# A vertex counts as on a line if its distance is at most this share of the largest.
ON_THE_LINE = 1e-10


class Cell(NamedTuple):
    """A convex polygon on which the network or its first layers compute A x + c.

    ``vertices`` (n_vertices, 2), in cyclic order; ``A`` (m_l, 2); ``c`` (m_l,).
    """

    vertices: np.ndarray
    A: np.ndarray
    c: np.ndarray


def linear_cells(layers: Layers, vertices: np.ndarray) -> list[Cell]:
    """The linear regions inside a convex polygon, of a network of two inputs."""
    cells = [Cell(vertices, np.eye(2), np.zeros(2))]
    for W_T, b in layers[:-1]:
        cells = [_apply(cell, W_T, b) for cell in cells]
        cells = [piece for cell in cells for piece in _apply_relu(cell)]
    return [_apply(cell, *layers[-1]) for cell in cells]


def _apply(cell: Cell, W_T: np.ndarray, b: np.ndarray) -> Cell:
    """W (A x + c) + b on the same polygon."""
    return Cell(cell.vertices, W_T.T @ cell.A, W_T.T @ cell.c + b)


def _apply_relu(cell: Cell) -> list[Cell]:
    """relu(A x + c), on the pieces of the polygon where it is affine.

    With D the diagonal matrix of the units that are active there, it is D (A x + c).
    """
    polygons = [cell.vertices]
    values = cell.vertices @ cell.A.T + cell.c
    changes_sign = (values.min(axis=0) < 0) & (values.max(axis=0) > 0)
    for a, t in zip(cell.A[changes_sign], cell.c[changes_sign], strict=True):
        sides = [split_polygon(P, P @ a + t) for P in polygons]
        polygons = [side for pair in sides for side in pair if side is not None]
    pieces = []
    for P in polygons:
        D = cell.A @ P.mean(axis=0) + cell.c > 0
        pieces.append(Cell(P, D[:, np.newaxis] * cell.A, D * cell.c))
    return pieces


def split_polygon(
    P: np.ndarray, v: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The parts of a convex polygon where v > 0 and where v < 0; None if empty.

    ``v`` holds the values of an affine function at the vertices of ``P``.
    """
    v = np.where(np.abs(v) <= ON_THE_LINE * np.abs(v).max(), 0, v)
    if not (v < 0).any():
        return P, None
    if not (v > 0).any():
        return None, P
    next_P, next_v = np.roll(P, -1, axis=0), np.roll(v, -1)
    edges = np.flatnonzero(v * next_v < 0)
    share = (v[edges] / (v[edges] - next_v[edges]))[:, np.newaxis]
    crossings = P[edges] + share * (next_P[edges] - P[edges])
    # The new vertices, where v = 0, belong to both parts.
    P, v = np.insert(P, edges + 1, crossings, axis=0), np.insert(v, edges + 1, 0)
    return P[v >= 0], P[v <= 0]


def decision_pieces(cell: Cell) -> list[tuple[int, np.ndarray]]:
    """Split a cell into the polygons where each class has the largest logit.

    A single logit f stands for the two logits 0 and f.
    """
    A, c = _class_logits(cell)
    pieces = []
    for k in range(len(c)):
        P: np.ndarray | None = cell.vertices
        for j in range(len(c)):
            if P is not None and j != k:
                P, _ = split_polygon(P, P @ (A[k] - A[j]) + (c[k] - c[j]))
        if P is not None:
            pieces.append((k, P))
    return pieces


def boundary_segments(
    cell: Cell, pieces: list[tuple[int, np.ndarray]]
) -> list[np.ndarray]:
    """The decision boundary inside a cell: straight segments, (2, 2) each."""
    A, c = _class_logits(cell)
    segments = []
    # A segment is an edge of two pieces. It is taken from the first.
    for (k, P), (j, _) in combinations(pieces, 2):
        F = P @ A.T + c
        difference = np.abs(F[:, k] - F[:, j])
        equal = difference <= 1e-8 * max(difference.max(), 1e-300)
        edges = np.stack([P, np.roll(P, -1, axis=0)], axis=1)
        segments.extend(edges[equal & np.roll(equal, -1)])
    return segments


def class_proba(cell: Cell, x: np.ndarray) -> np.ndarray:
    """The probability of each class at a point of a cell."""
    A, c = _class_logits(cell)
    proba: np.ndarray = softmax(A @ x + c)
    return proba


def _class_logits(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """A, (K, 2), and c, (K,), of the logits of all K classes."""
    if len(cell.c) > 1:
        return cell.A, cell.c
    return np.vstack([0 * cell.A, cell.A]), np.append(0, cell.c)

"""The linear regions of a network over a plane: convex polygons, found exactly.

Each unit of the first layer cuts the plane along a straight line. On each piece the
second layer is affine again, so each of its units cuts that piece along a line, and
so on. Nothing is sampled, so no region is too small to be seen.
"""

from typing import NamedTuple

import numpy as np

from .._model.parameters import Layers

# A vertex this close to a line, as a share of the furthest one's distance, is on it.
ON_THE_LINE = 1e-10


class Cell(NamedTuple):
    """A linear region: on the polygon the network is f(x) = A x + c.

    ``vertices`` (n_vertices, 2), in cyclic order; ``A`` (m_L, 2); ``c`` (m_L,).
    """

    vertices: np.ndarray
    A: np.ndarray
    c: np.ndarray


def linear_cells(layers: Layers, vertices: np.ndarray) -> list[Cell]:
    """The linear regions inside a convex polygon, of a network of two inputs."""
    cells = [Cell(vertices, np.eye(2), np.zeros(2))]
    for W_T, b in layers[:-1]:
        cells = [
            piece for cell in cells for piece in _through_relu(_affine(cell, W_T, b))
        ]
    return [_affine(cell, *layers[-1]) for cell in cells]


def _affine(cell: Cell, W_T: np.ndarray, b: np.ndarray) -> Cell:
    """f_l behind what the cell holds."""
    return Cell(cell.vertices, W_T.T @ cell.A, W_T.T @ cell.c + b)


def _through_relu(cell: Cell) -> list[Cell]:
    """The pieces of a cell on which each unit is active or not, and D (A x + c)."""
    polygons = [cell.vertices]
    values = cell.vertices @ cell.A.T + cell.c
    cuts = (values.min(axis=0) < 0) & (values.max(axis=0) > 0)
    for a, t in zip(cell.A[cuts], cell.c[cuts], strict=True):
        polygons = [
            part for P in polygons for part in cut(P, P @ a + t) if part is not None
        ]
    pieces = []
    for P in polygons:
        D = cell.A @ P.mean(axis=0) + cell.c > 0
        pieces.append(Cell(P, D[:, np.newaxis] * cell.A, D * cell.c))
    return pieces


def cut(P: np.ndarray, v: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Where on a convex polygon v > 0 and where v < 0, None where nowhere.

    ``v`` holds the values of an affine function at the vertices of ``P``.
    """
    v = np.where(np.abs(v) <= ON_THE_LINE * np.abs(v).max(), 0, v)
    if not (v < 0).any():
        return P, None
    if not (v > 0).any():
        return None, P
    next_P, next_v = np.roll(P, -1, axis=0), np.roll(v, -1)
    crosses = v * next_v < 0
    share = np.where(crosses, v, 0) / np.where(crosses, v - next_v, 1)
    crossings = P + share[:, np.newaxis] * (next_P - P)
    # Each vertex, and behind it where the edge to the next one crosses the line.
    points = np.stack([P, crossings], axis=1).reshape(-1, 2)
    values = np.stack([v, np.zeros_like(v)], axis=1).ravel()
    there = np.stack([np.ones_like(crosses), crosses], axis=1).ravel()
    return points[there & (values >= 0)], points[there & (values <= 0)]


def decision_pieces(cell: Cell) -> list[tuple[int, np.ndarray]]:
    """Cut a cell into the polygons where each class has the largest logit.

    A single logit f stands for the two logits 0 and f.
    """
    A, c = class_logits(cell)
    pieces = []
    for k in range(len(c)):
        P: np.ndarray | None = cell.vertices
        for j in range(len(c)):
            if P is not None and j != k:
                P, _ = cut(P, P @ (A[k] - A[j]) + (c[k] - c[j]))
        if P is not None:
            pieces.append((k, P))
    return pieces


def boundary_segments(
    cell: Cell, pieces: list[tuple[int, np.ndarray]]
) -> list[np.ndarray]:
    """The decision boundary inside a cell: straight segments, (2, 2) each."""
    A, c = class_logits(cell)
    segments = []
    for k, P in pieces:
        F = P @ A.T + c
        for j, _ in pieces:
            # Each segment is an edge of two pieces, and taken from one.
            if j > k:
                difference = np.abs(F[:, k] - F[:, j])
                on = difference <= 1e-8 * max(difference.max(), 1e-300)
                both = on & np.roll(on, -1)
                ends = np.stack([P, np.roll(P, -1, axis=0)], axis=1)
                segments.extend(ends[both])
    return segments


def class_logits(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """A, (K, 2), and c, (K,), of the logits of all K classes."""
    if len(cell.c) > 1:
        return cell.A, cell.c
    return np.vstack([0 * cell.A, cell.A]), np.append(0, cell.c)

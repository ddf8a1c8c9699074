"""Logistic regression with a ReLU network for its score, by full-batch L-BFGS."""

from ._classifier import ReLULogisticClassifier

__all__ = ["ReLULogisticClassifier"]
__version__ = "0.1.0.dev0"

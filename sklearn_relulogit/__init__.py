"""Logistic regression with a ReLU network for its score, by full-batch L-BFGS."""

from ._classifier import ReLULogisticClassifier
from ._classifier_cv import ReLULogisticClassifierCV

__all__ = ["ReLULogisticClassifier", "ReLULogisticClassifierCV"]
__version__ = "0.1.0.dev0"

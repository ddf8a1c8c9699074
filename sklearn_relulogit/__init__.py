"""Logistic regression with a ReLU network for its score, by full-batch L-BFGS."""

from ._classifier import ReLULogisticClassifier
from ._classifier_cv import ReLULogisticClassifierCV
from ._explain.changes import NearestChange, nearest_change
from ._explain.contributions import Contributions, contributions
from ._explain.displays import (
    ContributionDependenceDisplay,
    ContributionsDisplay,
    ContributionSummaryDisplay,
    LinearRegionsDisplay,
    LossCurveDisplay,
)
from ._explain.network import local_linear
from ._explain.piecewise import fold_scaling
from ._explain.regions import LinearRegions, linear_regions
from ._explain.slopes import SlopeBounds, slope_bounds
from ._inference.estimates import Estimates
from ._inference.summary import Inference, inference
from ._tables.encoder import PiecewiseLinearEncoder
from ._tables.pipeline import tabular_pipeline
from .parts import trusted_types

__all__ = [
    "ContributionDependenceDisplay",
    "ContributionSummaryDisplay",
    "Contributions",
    "ContributionsDisplay",
    "Estimates",
    "Inference",
    "LinearRegions",
    "LinearRegionsDisplay",
    "LossCurveDisplay",
    "NearestChange",
    "PiecewiseLinearEncoder",
    "ReLULogisticClassifier",
    "ReLULogisticClassifierCV",
    "SlopeBounds",
    "contributions",
    "fold_scaling",
    "inference",
    "linear_regions",
    "local_linear",
    "nearest_change",
    "slope_bounds",
    "tabular_pipeline",
    "trusted_types",
]
__version__ = "0.1.0.dev0"

# Files of pickle and skops store types by these permanent names.
for _name in __all__:
    if isinstance(vars()[_name], type):
        vars()[_name].__module__ = __name__

"""The types inside saved models, under permanent names.

Files of skops, pickle and joblib name the types of the objects in them. Types of this
package have names in ``sklearn_relulogit`` and here, wherever they are defined.
"""

from ._classifier import ReLULogisticClassifier
from ._classifier_cv import ReLULogisticClassifierCV
from ._tables.constraints import ConstrainedPipeline
from ._tables.dates import DateParts
from ._tables.encoder import PiecewiseLinearEncoder
from ._tables.pipeline import ColumnsOfKind
from ._tables.reader import TableReader
from ._tables.readings import Categories, Dates, Numbers
from ._tables.target import TargetLogOdds
from ._tables.text import NumberStyle

__all__ = [
    "Categories",
    "ColumnsOfKind",
    "ConstrainedPipeline",
    "DateParts",
    "Dates",
    "NumberStyle",
    "Numbers",
    "TableReader",
    "TargetLogOdds",
]

for _name in __all__:
    vars()[_name].__module__ = __name__


def trusted_types() -> list[str]:
    """Names of the types of this package that a saved model may hold.

    skops loads a file only with a list of the types that are allowed in it. These types
    run no code from the file. So you can pass the list for any file with a classifier,
    encoder or pipeline of this package. Add the types of other packages in the file.

    Returns
    -------
    names : list of str
        Sorted names such as ``"sklearn_relulogit.ReLULogisticClassifier"``. Later
        releases keep them and may add more.

    Examples
    --------
    >>> import skops.io
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_relulogit import ReLULogisticClassifier, trusted_types
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = ReLULogisticClassifier((5,), alpha=1.0, random_state=0).fit(X, y)
    >>> data = skops.io.dumps(clf)
    >>> loaded = skops.io.loads(data, trusted=trusted_types())
    >>> bool((loaded.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    estimators = (
        ReLULogisticClassifier,
        ReLULogisticClassifierCV,
        PiecewiseLinearEncoder,
    )
    kinds = [*estimators, *(globals()[name] for name in __all__)]
    return sorted(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)

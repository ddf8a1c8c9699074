"""What saved models are made of, under names that stay.

A file of skops, pickle or joblib names the types of what it holds. Those of this
package are found at ``sklearn_relulogit`` and here, wherever they are defined.
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
    """The types of this package that a saved model may hold, by name.

    skops loads a file only with a list of the types that may be in it. These run no
    code of the file, so the list may be passed for any file of a classifier, encoder
    or pipeline of this package. Types of other packages in the file must be added.

    Returns
    -------
    names : list of str
        Such as ``"sklearn_relulogit.ReLULogisticClassifier"``, sorted. They stay the
        same in later releases, which may add some.

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

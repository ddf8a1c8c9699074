"""Write one small fit of each kind as a pickle of this release.

Run it once when a release is made, with the release installed, and keep what it writes:

    python tests/pickles/make.py

`test_persistence.py` loads the pickles of all releases and asks them for the
probabilities that stand beside them. Never write one again: they say what users have.
"""

import json
import pickle
from pathlib import Path

import numpy as np

import sklearn_relulogit
from sklearn_relulogit import ReLULogisticClassifier

HERE = Path(__file__).parent
X = np.array([[0.0, 0.0], [1.0, 0.2], [0.1, 1.0], [1.0, 0.9], [2.0, 0.5], [0.4, 2.0]])
FITS = {
    "linear": (ReLULogisticClassifier((), alpha=0.1), np.array([0, 1, 1, 0, 1, 0])),
    "binary": (
        ReLULogisticClassifier((3,), alpha=0.1, random_state=0),
        np.array(["a", "b", "b", "a", "b", "a"]),
    ),
    "multiclass": (
        ReLULogisticClassifier((3, 2), alpha=0.1, warm_start=True, random_state=0),
        np.array([3, 1, 2, 3, 1, 2]),
    ),
}


def main() -> None:
    """One file of pickles and one of probabilities, named after the release."""
    stem = HERE / sklearn_relulogit.__version__
    fits = {name: clf.fit(X, y) for name, (clf, y) in FITS.items()}
    with open(f"{stem}.pkl", "xb") as file:
        pickle.dump(fits, file)
    expected = {
        "X": X.tolist(),
        "proba": {name: clf.predict_proba(X).tolist() for name, clf in fits.items()},
    }
    Path(f"{stem}.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()

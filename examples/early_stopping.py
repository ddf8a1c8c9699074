"""Early stopping on the log-loss of validation data, split off or one's own.

With metadata routing, a pipeline scales the validation data as the training data.
"""

import numpy as np
import sklearn
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier


def main() -> None:
    """A penalty far too small, with and without early stopping."""
    X, y = load_digits(return_X_y=True)
    X = X + np.random.default_rng(0).normal(scale=6, size=X.shape)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, stratify=y, random_state=0
    )

    def show(name: str, model: object) -> None:
        clf = model[-1]
        loss = log_loss(y_test, model.predict_proba(X_test))
        print(f"  {name:25}{loss:.4f}  {clf.n_iter_:4} iterations: {clf.stop_reason_}")

    print("Noisy digits, alpha=0.001  test log-loss")
    for early_stopping in (False, True):
        clf = ReLULogisticClassifier(
            (100,),
            alpha=1e-3,
            early_stopping=early_stopping,
            n_iter_no_change=5,
            random_state=0,
        )
        model = make_pipeline(StandardScaler(), clf).fit(X_train, y_train)
        show(f"early_stopping={early_stopping}", model)

    X_fit, X_val, y_fit, y_val = train_test_split(
        X_train, y_train, stratify=y_train, random_state=1
    )
    with sklearn.config_context(enable_metadata_routing=True):
        clf.set_fit_request(X_val=True, y_val=True)
        model = make_pipeline(StandardScaler(), clf, transform_input=["X_val"])
        model.fit(X_fit, y_fit, X_val=X_val, y_val=y_val)
    show("own validation data", model)
    curve = model[-1].validation_loss_curve_
    print("  validation loss:", *(f"{loss:.3f}" for loss in curve))


if __name__ == "__main__":
    main()

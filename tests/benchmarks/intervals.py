"""Coverage of the intervals of probabilities, and their cost.

python tests/benchmarks/intervals.py                    ten minutes of a processor
python tests/benchmarks/intervals.py --repeats 3        quicker
python tests/benchmarks/intervals.py --features 10 --deviation 1.5
python tests/benchmarks/intervals.py --laws trees       a law that trees have learned
python tests/benchmarks/intervals.py rivals             other methods, on 300 rows
python tests/benchmarks/intervals.py columns            effects and contributions
python tests/benchmarks/intervals.py subset             4096 of 10,000 rows for all
python tests/benchmarks/intervals.py cost               seconds and memory

Five laws give the log-odds of two classes, with a standard deviation of 1, or
`--deviation`. Their features are independent and normal, five by default. Each law and
number of rows has `--repeats` data sets. A classifier with default settings is fitted
to each. Its 90 % intervals for the probabilities of 500 new rows are compared with the
true probabilities. It prints

- the share of rows whose interval contains the true probability,
- the mean width of the intervals,
- the degrees of freedom,
- the seconds of `inference` and 500 intervals, divided by those of the fit.

The other methods give intervals of the same form, with other standard errors:

- no bias prior: only the data limit the hidden biases
- last layer: only the weights of the last layer are unknown
- starts: the standard deviation over 20 starts of the fit
- bootstrap: the standard deviation over 10 fits to rows drawn with replacement

`columns` prints the coverage of average effects, with steps of a deviation and of a
hundredth of it. It prints their standard errors divided by the mean absolute errors
(1.25 if both are right), and the coverage of contributions. If a law is a sum of
functions of single columns, a true contribution is the difference of such a function.

`cost` prints the seconds of a fit, of `inference`, of 1000 intervals and of the average
effects of four columns. It also prints the largest memory of the process before and
after them.
"""

import argparse
import resource
import time
import warnings
from functools import cache

import numpy as np
from scipy.special import expit, ndtri
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor

from sklearn_relulogit import ReLULogisticClassifier, inference
from sklearn_relulogit._inference import fitted as of_fit
from sklearn_relulogit._inference.covariance import ByRows
from sklearn_relulogit._inference.fitted import against_the_rest, read
from sklearn_relulogit._inference.linear import Gradients, Prior

N_NEW, LEVEL = 500, 0.9

LAWS = {
    "linear": lambda X: X @ np.linspace(1, -1, X.shape[1]),
    "smooth": lambda X: np.sin(1.5 * X[:, 0]) + 0.5 * X[:, 1] ** 2 + X[:, 2],
    "product": lambda X: X[:, 0] * X[:, 1] + X[:, 2],
    "kinks": lambda X: np.abs(X[:, 0]) + np.maximum(X[:, 1], 0.5) + X[:, 2],
    "steps": lambda X: (X[:, 0] > 0) + (X[:, 1] > 0.5) - 1.0 * (X[:, 2] > -0.5),
}


@cache
def trees(n_features):
    """Boosting fitted to 2000 noisy rows of the smooth law and the product."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((2000, n_features))
    f = LAWS["smooth"](X) + LAWS["product"](X) + rng.standard_normal(2000)
    return HistGradientBoostingRegressor(random_state=0).fit(X, f)


LAWS["trees"] = lambda X: trees(X.shape[1]).predict(X)
FIVE = ["linear", "smooth", "product", "kinks", "steps"]


def draw(law, n, rng, n_features=5, deviation=1.0):
    """Features, log-odds and labels of rows."""
    X = rng.standard_normal((n, n_features))
    f = deviation * log_odds(law, X)
    return X, f, (rng.uniform(size=n) < expit(f)).astype(int)


def judged(centre, std, truth):
    """Coverage and mean width of the intervals of the probability."""
    margin = ndtri((1 + LEVEL) / 2) * std
    width = (expit(centre + margin) - expit(centre - margin)).mean()
    return (np.abs(truth - centre) <= margin).mean(), width


def study(laws, n, repeats, *of_law):
    """The table for one number of rows."""
    print(f"\n{n} rows       coverage    width  degrees of freedom  time over fit")
    rows = []
    for law in laws:
        found = []
        for seed in range(repeats):
            rng = np.random.RandomState(1000 + seed)
            X, _, y = draw(law, n, rng, *of_law)
            X_new, truth, _ = draw(law, N_NEW, rng, *of_law)
            start = time.perf_counter()
            clf = ReLULogisticClassifier(random_state=seed).fit(X, y)
            middle = time.perf_counter()
            sure = inference(clf, X, y)
            std = sure.std(X_new)
            end = time.perf_counter()
            coverage, width = judged(clf.decision_function(X_new), std, truth)
            ratio = (end - middle) / (middle - start)
            found.append([coverage, width, sure.degrees_of_freedom, ratio])
        rows.append(np.mean(found, axis=0))
        print_row(law, rows[-1])
    print_row("mean", np.mean(rows, axis=0))


def print_row(name, numbers):
    coverage, width, degrees_of_freedom, ratio = numbers
    print(
        f"{name:14s}{coverage:11.2f}{width:9.3f}{degrees_of_freedom:20.1f}{ratio:15.2f}",
        flush=True,
    )


def with_free_biases(fitted):
    """The covariance without a prior of the hidden biases."""
    rows, weight = fitted.representatives
    far = [np.full_like(v, 1e6) for v in fitted.prior.bias_variances]
    return ByRows(
        fitted.curvature(fitted.X[rows], weight),
        Prior(fitted.alpha, far),
        "posterior",
    )


class LastLayer:
    """The covariance of the last layer's parameters, if all others are known."""

    def __init__(self, fitted):
        rows, weight = fitted.representatives
        of_rows = fitted.curvature(fitted.X[rows], weight)
        prior = Prior(fitted.alpha, [])
        self._covariance = ByRows(self.of_last_layer(of_rows), prior, "posterior")

    @staticmethod
    def of_last_layer(gradients):
        return Gradients(gradients.Z[-1:], gradients.Delta[-1:])

    def variances(self, queries):
        return self._covariance.variances(self.of_last_layer(queries))


def errors_of_rivals(clf, X, y, X_new, seed):
    """Standard errors of the log-odds of new rows, by each method."""
    fitted = read(clf, X, y, None, None, "posterior")
    _, v = against_the_rest(fitted.network.logits(X_new))
    queries = fitted.network.gradients(X_new, v)
    covariances = {
        "inference": fitted.covariance("posterior"),
        "no bias prior": with_free_biases(fitted),
        "last layer": LastLayer(fitted),
    }
    errors = {
        name: np.sqrt(covariance.variances(queries))
        for name, covariance in covariances.items()
    }

    def spread(fits):
        return np.std([fit.decision_function(X_new) for fit in fits], axis=0, ddof=1)

    fixed = clone(clf).set_params(alpha=clf.alpha_)
    starts = [
        clone(fixed).set_params(random_state=100 + i).fit(X, y) for i in range(20)
    ]
    rng = np.random.RandomState(seed)
    drawn = [rng.randint(0, len(y), len(y)) for _ in range(10)]
    errors["starts"] = spread(starts)
    errors["bootstrap"] = spread(clone(clf).fit(X[rows], y[rows]) for rows in drawn)
    return errors


def rivals(n, repeats, *of_law):
    """Coverage and width of each method, over all laws."""
    found = {}
    for law in FIVE:
        for seed in range(repeats):
            rng = np.random.RandomState(1000 + seed)
            X, _, y = draw(law, n, rng, *of_law)
            X_new, truth, _ = draw(law, N_NEW, rng, *of_law)
            clf = ReLULogisticClassifier(random_state=seed).fit(X, y)
            centre = clf.decision_function(X_new)
            for name, std in errors_of_rivals(clf, X, y, X_new, seed).items():
                found.setdefault(name, []).append(judged(centre, std, truth))
    print(f"\n{n} rows       coverage    width")
    for name, numbers in found.items():
        coverage, width = np.mean(numbers, axis=0)
        print(f"{name:14s}{coverage:11.2f}{width:9.3f}", flush=True)


def columns(repeats, n=1000):
    """Coverage of effects and contributions, and standard errors over errors."""
    margin = ndtri((1 + LEVEL) / 2)
    print(f"{n} rows    effects   std/miss  small step   std/miss  contributions")
    for law in ["linear", "smooth", "kinks"]:
        found = []
        for seed in range(repeats):
            rng = np.random.RandomState(1000 + seed)
            X, _, y = draw(law, n, rng)
            rows, _, _ = draw(law, 10, rng)
            clf = ReLULogisticClassifier(random_state=seed).fit(X, y)
            sure, line = inference(clf, X, y), []
            for step in (1.0, 0.01):
                effects = sure.effects(step=step)
                miss = np.abs(effects.estimate - true_effects(law, X, step))
                covered = (miss <= margin * effects.std_error).mean()
                line += [covered, effects.std_error.mean() / miss.mean()]
            ends = clf.feature_mean_, rows
            miss = np.abs(path(clf.decision_function, *ends) - parts(law, *ends))
            std = sure.contributions(rows).std
            found.append([*line, (miss <= margin * std).mean()])
        print(f"{law:10s}" + "".join(f"{x:11.2f}" for x in np.mean(found, axis=0)))


def log_odds(law, X):
    """The true log-odds of rows."""
    some = LAWS[law](np.random.RandomState(0).standard_normal((20000, X.shape[1])))
    return (LAWS[law](X) - some.mean()) / some.std()


def true_effects(law, X, step):
    """The mean differences of the true probabilities."""
    halves = np.diag(X.std(axis=0)) * step / 2
    return [
        (expit(log_odds(law, X + h)) - expit(log_odds(law, X - h))).mean()
        for h in halves
    ]


def path(function, start, ends, steps=64):
    """The contribution of each column along lines from a row to others, numerically."""
    found = np.zeros(ends.shape)
    along = (np.arange(steps) + 0.5)[:, np.newaxis] / steps
    for i, end in enumerate(ends):
        way = end - start
        for j, half in enumerate(np.diag(way) / (2 * steps)):
            at = start + along * way
            found[i, j] = (function(at + half) - function(at - half)).sum()
    return found


def parts(law, start, ends):
    """The contribution of each column in a law that is a sum over columns."""
    return path(lambda X: log_odds(law, X), start, ends)


def subset(n=10000):
    """Standard errors from 4096 representative rows, over those from all rows."""
    print("errors by 4096 rows over those by all: mean, 5 % and 95 % of rows")
    for law in FIVE:
        rng = np.random.RandomState(1000)
        X, _, y = draw(law, n, rng, 20)
        X_new, _, _ = draw(law, N_NEW, rng, 20)
        clf = ReLULogisticClassifier(random_state=0).fit(X, y)
        some = inference(clf, X, y).std(X_new)
        work, of_fit.WORK = of_fit.WORK, 2**60
        ratio = some / inference(clf, X, y).std(X_new)
        of_fit.WORK = work
        numbers = [ratio.mean(), *np.quantile(ratio, [0.05, 0.95])]
        print(
            f"{law:10s}" + "".join(f"{number:8.3f}" for number in numbers), flush=True
        )


def cost():
    """Seconds and memory by size."""
    print(
        "rows x columns, layers      alpha     fit  inference  1000 intervals"
        "  4 effects  MB before  after"
    )
    for n, p, hidden, alpha in [
        (2000, 20, (100,), "auto"),
        (10000, 20, (100,), "auto"),
        (10000, 50, (256, 256), 30.0),
    ]:
        rng = np.random.RandomState(0)
        X, _, y = draw("product", n, rng, p)
        X_new, _, _ = draw("product", 1000, rng, p)
        seconds, memory = [], []

        def timed(function, seconds=seconds, memory=memory):
            start = time.perf_counter()
            result = function()
            seconds.append(time.perf_counter() - start)
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            return result

        clf = ReLULogisticClassifier(hidden, alpha=alpha, random_state=0)
        timed(lambda: clf.fit(X, y))
        sure = timed(lambda: inference(clf, X, y))
        timed(lambda: sure.interval(X_new))
        timed(lambda: sure.effects([0, 1, 2, 3]))
        name = f"{n} x {p}, {hidden}"
        print(
            f"{name:26s}{clf.alpha_:7.2f}{seconds[0]:8.2f}{seconds[1]:11.2f}"
            f"{seconds[2]:16.2f}{seconds[3]:11.2f}{memory[0]:11.0f}{memory[3]:7.0f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = ["coverage", "rivals", "columns", "subset", "cost"]
    parser.add_argument("what", nargs="?", default="coverage", choices=what)
    parser.add_argument("--rows", type=int, nargs="+", default=[300, 2000, 10000])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--laws", nargs="+", default=FIVE, choices=list(LAWS))
    parser.add_argument("--features", type=int, default=5)
    parser.add_argument("--deviation", type=float, default=1.0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # A few fits are constant.
    of_law = options.features, options.deviation
    if options.what == "rivals":
        return rivals(options.rows[0], options.repeats, *of_law)
    if options.what == "columns":
        return columns(options.repeats)
    if options.what != "coverage":
        return {"subset": subset, "cost": cost}[options.what]()
    for n in options.rows:
        study(options.laws, n, options.repeats, *of_law)


if __name__ == "__main__":
    main()

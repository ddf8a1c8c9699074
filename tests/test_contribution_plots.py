"""Displays of contributions: what is drawn, and that it can be read."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csc_array, csr_array
from sklearn.inspection import partial_dependence

from sklearn_relulogit import (
    ContributionDependenceDisplay,
    ContributionsDisplay,
    ContributionSummaryDisplay,
    ReLULogisticClassifier,
    contributions,
    tabular_pipeline,
)

plt.switch_backend("Agg")

LONG = "debt_to_income_ratio_of_the_last_12_month"
TEXT = "the branch of the employer of this person"


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def table(n_columns=5, n_rows=80):
    rng = np.random.RandomState(0)
    X = pd.DataFrame(
        rng.standard_normal((n_rows, n_columns - 1)),
        columns=[f"{LONG[:-2]}{j:02d}" for j in range(n_columns - 1)],
    )
    X.iloc[::9, 0] = np.nan
    X[TEXT] = rng.choice(["trade in goods and services", "health", "$chools"], n_rows)
    return X, X.iloc[:, 1] + (X[TEXT] == "health") > 0.3


def fitted(X, y):
    clf = ReLULogisticClassifier((4,), alpha=1.0, random_state=0)
    return tabular_pipeline(clf).fit(X, y)


X, Y = table()
MODEL = fitted(X, Y)


def labels(display):
    return [text.get_text() for text in display.ax_.get_yticklabels()]


def numbers(display):
    return [text.get_text() for text in display.ax_.texts]


def test_one_row():
    found = contributions(MODEL, X.iloc[[3]], X.iloc[[0]])
    display = ContributionsDisplay.from_estimator(
        MODEL, X.iloc[[3]], reference=X.iloc[[0]], max_columns=3
    )
    order = np.argsort(-np.abs(found.values[0]))
    assert_array_equal(display.order_, order[:3])
    shown = [bar.get_width() for bar in display.bars_]
    rest = found.values[0, order[3:]].sum()
    assert_allclose(shown, [*found.values[0, order[:3]], rest])
    assert numbers(display) == [f"{value:+z.2f}" for value in shown]
    assert labels(display)[3] == "2 other columns"
    total = MODEL.decision_function(X.iloc[[3]])[0]
    p = MODEL.predict_proba(X.iloc[[3]])[0, 1]
    assert display.ax_.get_title() == (
        f"log-odds of True: {total:+.2f} (probability {p:.3g})"
    )
    every = ContributionsDisplay(found).plot(max_columns=None)
    assert len(every.bars_) == 5
    j = every.order_.tolist().index(4)
    assert "instead of" in labels(every)[j].replace("\n", " ")
    with pytest.raises(ValueError, match=r"Pass one row.* X has 2"):
        ContributionsDisplay.from_estimator(MODEL, X[:2])


def test_classes():
    model = fitted(X, np.digitize(X.iloc[:, 1], [-0.5, 0.5]))
    with pytest.raises(ValueError, match="class_label must be one of"):
        ContributionsDisplay.from_estimator(model, X[:1])
    display = ContributionsDisplay.from_estimator(model, X[:1], class_label=2)
    assert display.ax_.get_title().startswith("logit of 2: ")
    found = contributions(model, X)
    summary = ContributionSummaryDisplay.from_estimator(model, X)
    mean = np.abs(found.values).mean(axis=(0, 1))
    assert_allclose([bar.get_width() for bar in summary.bars_], mean[summary.order_])
    display = ContributionDependenceDisplay.from_estimator(model, X, 1, class_label=2)
    assert_allclose(display.points_.get_offsets()[:, 1], found.values[:, 2, 1])


def test_summary():
    found = contributions(MODEL, X)
    display = ContributionSummaryDisplay.from_estimator(MODEL, X, max_columns=2)
    sizes = np.abs(found.values)
    order = np.argsort(-sizes.mean(axis=0))[:2]
    assert_array_equal(display.order_, order)
    low, high = np.quantile(sizes[:, order], [0.05, 0.95], axis=0)
    ends = [path.vertices[:, 0] for path in display.spreads_.get_paths()]
    assert_allclose(ends, np.column_stack([low, high]))
    assert display.ax_.get_title() == "80 rows, 3 more columns"


def test_a_column_of_an_array():
    Z = X.iloc[:, 1:4].to_numpy()
    display = ContributionDependenceDisplay.from_estimator(fitted(Z, Y), Z, 2)
    assert display.ax_.get_xlabel() == "x2"


@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_numbers_of_a_column_and_the_mean_prediction(container):
    frame = container(X)
    found = contributions(MODEL, X)
    name = X.columns[1]
    display = ContributionDependenceDisplay.from_estimator(MODEL, frame, name)
    points = np.column_stack([X[name], found.values[:, 1]])
    assert_allclose(display.points_.get_offsets(), points)
    # At 40 of the 80 values, from the smallest to the largest.
    assert len(display.grid) == 40
    assert (np.diff(display.grid) > 0).all()
    assert_array_equal(display.grid[[0, -1]], [X[name].min(), X[name].max()])
    few = ContributionDependenceDisplay.from_estimator(MODEL, frame[:12], name)
    assert_array_equal(few.grid, np.sort(X[name][:12]))
    # scikit-learn's partial dependence, by its own means.
    by_sklearn = partial_dependence(
        MODEL,
        X,
        [name],
        response_method="decision_function",
        method="brute",
        custom_values={name: np.asarray(display.grid)},
    )["average"][0]
    difference = np.asarray(display.average) - by_sklearn
    assert_allclose(difference, np.full_like(difference, difference[0]), atol=1e-9)
    missing = ContributionDependenceDisplay.from_estimator(MODEL, frame, 0)
    (text,) = (
        text.get_text()
        for text in missing.ax_.get_legend().get_texts()
        if "missing" in text.get_text()
    )
    assert text == "mean where missing (9 rows)"
    plain = ContributionDependenceDisplay.from_estimator(
        MODEL, frame, name, average=False
    )
    assert plain.average_ is None


def test_categories_of_a_column():
    found = contributions(MODEL, X)
    display = ContributionDependenceDisplay.from_estimator(MODEL, X, TEXT)
    groups = pd.Series(found.values[:, 4]).groupby(X[TEXT].to_numpy())
    order = groups.mean().sort_values(ascending=False).index
    shown = [text.replace("\n", " ").replace("\\$", "$") for text in labels(display)]
    assert shown == order.tolist()
    assert numbers(display) == [f"n={n}" for n in groups.size()[order]]
    medians = [line.get_xdata()[0] for line in display.boxes_["medians"]]
    assert_allclose(medians, groups.median()[order])


def test_few_values_are_boxes_in_their_order():
    rows = X.assign(owner=X.iloc[:, 1] > 0, count=np.arange(80) % 3)
    rows.loc[rows.index[::7], "count"] = np.nan
    model = fitted(rows, Y)
    found = contributions(model, rows)
    for name, values in {"owner": [False, True], "count": [0, 1, 2, np.nan]}.items():
        display = ContributionDependenceDisplay.from_estimator(model, rows, name)
        assert display.points_ is None
        assert labels(display) == ["missing" if v != v else str(v) for v in values]
        of_value = found.values[:, rows.columns.get_loc(name)]
        groups = [
            of_value[rows[name].isna() if v != v else rows[name] == v] for v in values
        ]
        medians = [line.get_xdata()[0] for line in display.boxes_["medians"]]
        assert_allclose(medians, [np.median(group) for group in groups])
        # The mean prediction beside each box.
        assert display.average_.get_ydata().tolist() == list(range(len(display.grid)))
        assert "if all rows had this value" in display.ax_.get_xlabel()


def boxes_of(ax):
    return [text.get_window_extent() for text in [*ax.get_yticklabels(), *ax.texts]]


def apart(boxes):
    return not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def inside(display):
    """Whether all text lies within the figure, and no two pieces of it overlap."""
    figure = display.figure_
    figure.canvas.draw()
    boxes = boxes_of(display.ax_)
    width, height = figure.get_size_inches() * figure.dpi
    within = all(
        box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1
        for box in boxes
    )
    bars = [bar.get_window_extent() for bar in display.bars_]
    clear = not any(box.overlaps(bar) for box in boxes for bar in bars if bar.width > 1)
    return within and apart(boxes) and clear


@pytest.mark.parametrize("n_columns", [5, 60])
def test_names_and_numbers_do_not_run_over_each_other(n_columns):
    X, y = table(n_columns)
    model = fitted(X, y)
    row, reference = X.iloc[[4]], X.iloc[[0]]
    for display in (
        ContributionsDisplay.from_estimator(model, row, reference=reference),
        ContributionSummaryDisplay.from_estimator(model, X),
    ):
        assert inside(display)
    # Two panels of a figure without a layout of its own.
    _, axes = plt.subplots(1, 2, figsize=(11, 5))
    left = ContributionsDisplay.from_estimator(
        model, row, reference=reference, ax=axes[0]
    )
    right = ContributionSummaryDisplay.from_estimator(model, X, ax=axes[1])
    assert inside(left)
    assert inside(right)
    assert apart([*boxes_of(axes[0]), *boxes_of(axes[1])])
    # The check sees it where they do.
    left.ax_.set_yticks([0, 0.1], ["two lines\nof text", "and one"])
    assert not inside(left)


def test_long_names_keep_their_ends_and_no_two_are_alike():
    start, end = "the sum of all instalments ", " of the last contract in euros"
    names = [f"{start}{'that are due ' * 5}{j}{end}" for j in range(3)]
    names.append(f"{start}{'that were paid ' * 5}{end}")
    table = X.iloc[:, 1:5].set_axis(names, axis=1).assign(**{names[3]: 1.0})
    model = fitted(table, Y)
    for display in (
        ContributionSummaryDisplay.from_estimator(model, table),
        ContributionsDisplay.from_estimator(model, table[:1]),
    ):
        shown = [" ".join(text.split("\n")) for text in labels(display)]
        assert len(set(shown)) == 4
        assert all("in euros" in text and "the sum" in text for text in shown)
    assert all(" = " in text for text in shown)
    one = ContributionSummaryDisplay.from_estimator(
        model, table[[*names[:3], names[3]]]
    )
    assert "…" in "".join(labels(one))


def summary_in(ax, names):
    """A summary of columns of these names in given axes."""
    rng = np.random.RandomState(0)
    table = pd.DataFrame(rng.standard_normal((30, len(names))), columns=names)
    clf = ReLULogisticClassifier((), alpha=1.0).fit(table, table.iloc[:, 0] > 0)
    return ContributionSummaryDisplay.from_estimator(
        clf, table, ax=ax, max_columns=None
    )


def test_in_low_axes_names_have_one_line_and_those_that_fit_it_are_whole():
    """Of at most 36 characters, in the smallest letters."""
    names = [f"{j:02d} payments".ljust(20 + j, "_") + "x" for j in range(20)]
    _, ax = plt.subplots(figsize=(6.4, 2.4))
    display = summary_in(ax, names)
    for j, label in zip(display.order_, labels(display), strict=True):
        assert len(label) <= 36
        assert "\n" not in label
        assert label == names[j] if len(names[j]) <= 36 else "…" in label


@pytest.mark.parametrize("dpi", [50, 100, 300])
def test_letters_are_as_small_as_the_bars_need_at_any_resolution(dpi):
    names = [f"column {j}" for j in range(20)]
    _, ax = plt.subplots(figsize=(6.4, 2.4), dpi=dpi)
    display = summary_in(ax, names)
    # 20 lines of 0.22 inches in axes of 0.77 times 2.4 inches.
    (size,) = {text.get_fontsize() for text in display.ax_.get_yticklabels()}
    assert size == 5
    _, ax = plt.subplots(figsize=(6.4, 4), dpi=dpi)
    display = summary_in(ax, names)
    (size,) = {text.get_fontsize() for text in display.ax_.get_yticklabels()}
    assert size == pytest.approx(10 * 0.77 * 4 / (20 * 0.22))
    assert {text.get_fontsize() for text in display.ax_.texts} == {size}


def test_panels_of_a_part_of_a_figure():
    figure = plt.figure(figsize=(10, 4))
    left, right = figure.subfigures(1, 2)
    display = ContributionSummaryDisplay.from_estimator(MODEL, X, ax=left.subplots())
    assert display.figure_ is left
    other = ContributionsDisplay.from_estimator(MODEL, X[:1], ax=right.subplots())
    figure.canvas.draw()
    assert apart([*boxes_of(display.ax_), *boxes_of(other.ax_)])


def test_names_have_three_lines_at_most_and_values_two():
    name, value = "instalments of the last contract " * 9, "paid in time " * 9
    rows = pd.DataFrame({name: [value, "late"] * 30, "b": np.arange(60.0)})
    model = fitted(rows, [0, 1, 1] * 20)
    display = ContributionsDisplay.from_estimator(model, rows[:1])
    (label,) = (text for text in labels(display) if text.startswith("instal"))
    before, after = label.split("\n= ")
    assert before.count("\n") == 2
    assert after.count("\n") == 1


@pytest.mark.parametrize("container", [csr_array, csc_array])
def test_the_mean_prediction_of_a_sparse_table_is_that_of_the_dense_one(container):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((40, 3)) * (rng.uniform(size=(40, 3)) < 0.6)
    clf = ReLULogisticClassifier((4,), alpha=0.1, random_state=0)
    clf.fit(X, X[:, 0] + X[:, 1] ** 2 > 0.5)
    expected = ContributionDependenceDisplay.from_estimator(clf, X, 1)
    found = ContributionDependenceDisplay.from_estimator(clf, container(X), 1)
    assert_array_equal(found.grid, expected.grid)
    assert_allclose(found.average, expected.average, rtol=1e-9)

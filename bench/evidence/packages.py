"""What precision is measured on: no text of these is about AWS, so what is found in them is wrong or needs a reason."""

from __future__ import annotations

PYPI = (
    *("requests", "urllib3", "flask", "django", "jinja2", "click", "rich", "attrs", "pydantic", "sqlalchemy"),
    *("werkzeug", "pytest", "black", "poetry-core", "setuptools", "pip", "virtualenv", "networkx", "sympy", "tornado"),
    *("aiohttp", "httpx", "fastapi", "celery", "paramiko", "pygments", "docutils", "mypy", "jsonschema", "tqdm"),
)
"""Thirty popular packages of PyPI."""
NPM = (
    *("react", "react-dom", "lodash", "express", "axios", "webpack", "typescript", "eslint", "prettier", "jest"),
    *("vue", "moment", "chalk", "commander", "debug", "async", "rxjs", "zod", "uuid", "semver"),
    *("next", "yargs", "glob", "core-js", "underscore", "immutable", "three", "d3", "mocha", "socket.io"),
)
"""Thirty popular packages of npm."""
SOURCES = frozenset(
    {".py", ".pyi", ".js", ".mjs", ".cjs", ".ts", ".jsx", ".tsx", ".json", ".toml", ".cfg", ".yaml", ".yml"}
)
PROSE = frozenset({".md", ".rst", ".txt"})
KUBERNETES = ("kubernetes", "kubernetes-validate", "kubernetes-asyncio")
"""Packages of PyPI with manifests or API descriptions of Kubernetes."""
HCL = ("python-hcl2", "pyhcl")
"""Source archives with HCL in their tests."""
TERRAFORM = (
    "GoogleCloudPlatform/cloud-foundation-fabric",
    "aztfmod/terraform-azurerm-caf",
    "hashicorp/terraform-provider-azurerm",
    "terraform-google-modules/terraform-docs-samples",
)
"""Repositories with Terraform for Google Cloud and Azure: no package of PyPI or npm holds much of it."""
ENGLISH = ("textblob", "nltk", "docutils", "sympy")
"""Source archives with prose: documents, and books in their tests."""

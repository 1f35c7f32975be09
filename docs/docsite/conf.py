# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the documentation site that `make docs` builds: nothing is fetched while it is built."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx

project = "trainprep.features"
copyright = "trainprep.features contributors"
title = html_title = html_short_title = "trainprep.features"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_copy_source = False
html_use_index = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
myst_heading_anchors = 3

REPOSITORY = "https://github.com/trainprep/features/blob/main/"
ANSIBLE = "https://docs.ansible.com/projects/ansible/latest/"
PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "callback_plugins": "plugins/callback.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}


def find_elsewhere(_app: Sphinx, _environment: object, node: nodes.Element, content: nodes.Element) -> nodes.reference | None:
    """Ansible itself and other collections are documented at docs.ansible.com."""
    match = re.match(r"ansible_collections\.(?!trainprep\.)(\w+)\.(\w+)\.(\w+)", node["reftarget"])
    page = f"collections/{'/'.join(match.groups())}.html" if match else PAGES.get(node["reftarget"])
    return nodes.reference("", "", content, refuri=ANSIBLE + page, internal=False) if page else None


def keep_on_the_site(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """The guides link to the repository's pages by their address there; here those pages are part of the site."""
    for reference in doctree.findall(nodes.reference):
        match = re.fullmatch(re.escape(REPOSITORY) + r"docs/(\w+)\.md(#.*)?", reference.get("refuri", ""))
        if match and match[1] in app.env.found_docs:
            reference["refuri"] = app.builder.get_relative_uri(name, match[1]) + (match[2] or "")


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", find_elsewhere)
    app.connect("doctree-resolved", keep_on_the_site)

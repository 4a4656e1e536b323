"""Sphinx's settings; `python -m classroom site` lays out the pages and starts Sphinx."""

from pathlib import Path

import course
from classroom.site import mathjax
from classroom.site.book import repository
from classroom.site.reference import as_text, short

project = "Steady Frames"
author = "The Steady Frames authors"
copyright = "the Steady Frames authors, MIT licence"
version = release = course.__version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
html_theme = "sphinx_book_theme"
html_title = "Steady Frames"
# html_static_path is where `classroom.site.build` lays these files and the figures out.
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_sourcelink = False
html_domain_indices = False
html_permalinks_icon = "#"
root_doc = "index"
smartquotes = False  # quotes and dashes stay as they were written

mathjax_path = mathjax.path()
mathjax3_config = mathjax.CONFIG

# The pages hold what the lessons printed: nothing is run here.
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # no page asks another host for a script
nb_render_markdown_format = "myst"
nb_merge_streams = True
nb_code_prompt_show = "Show the imports"
nb_code_prompt_hide = "Hide the imports"
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "attrs_block"]
myst_dmath_allow_labels = False
myst_dmath_double_inline = True
myst_heading_anchors = 4
myst_heading_slug_func = "classroom.site.links.anchor"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
default_role = "code"

_address = repository(Path(__file__).parents[2])
html_context = {"default_mode": "auto"}  # light or dark as the reader has it
html_theme_options = {
    "navbar_persistent": [],  # the search field stands in the sidebar
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "search_bar_text": "Search",
}
if _address:
    html_theme_options |= {
        "repository_url": _address,
        "repository_branch": "main",
        "path_to_docs": "",
        "use_repository_button": True,
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
            "notebook_interface": "jupyterlab",
        },
    }


def setup(app):
    """Read the packages' docstrings as the plain text that they are."""
    app.add_config_value("made_by", "", "env")  # other code makes other pages: read all again
    app.connect("autodoc-process-docstring", as_text)
    app.connect("autodoc-process-signature", short)

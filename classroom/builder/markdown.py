"""What stands in a Markdown cell: headings, links, pictures and folded hints, each with its line.

Lines count from 0 within the cell. Formulas between dollar signs are no Markdown, as in Jupyter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser


@dataclass(frozen=True)
class Heading:
    """A heading: its level, its text without marks, and its line."""

    level: int
    text: str
    line: int

    @property
    def anchor(self) -> str:
        """What a link to the heading ends in, after the number sign, in JupyterLab."""
        return self.text.replace(" ", "-")


@dataclass(frozen=True)
class Link:
    """A link or a picture; `words` is the text of the link or the alt text of the picture."""

    target: str
    words: str
    line: int
    is_picture: bool


@dataclass(frozen=True)
class Hint:
    """A folded block: its summary, what it hides, and whether it starts open."""

    summary: str
    text: str
    is_open: bool


class _Tags(HTMLParser):
    """Collect the links and pictures that are written as HTML."""

    def __init__(self, first_line: int) -> None:
        super().__init__()
        self.first_line, self.links = first_line, []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = {"a": "href", "img": "src"}.get(tag)
        found = dict(attrs)
        if name and (tag == "img" or name in found):
            line = self.first_line + self.getpos()[0] - 1
            words = found.get("alt") or ""
            self.links.append(Link(found.get(name) or "", words, line, tag == "img"))


@cache
def _parser():
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).use(dollarmath_plugin)


@cache  # the sheets ask two hundred times for those of one lesson
def headings(text: str) -> tuple[Heading, ...]:
    """Return the headings of a cell, in order."""
    tokens = _parser().parse(text)
    return tuple(
        Heading(int(opening.tag[1]), _plain(inline.children), opening.map[0])
        for opening, inline in zip(tokens, tokens[1:])
        if opening.type == "heading_open"
    )


def links(text: str) -> Iterator[Link]:
    """Yield links and pictures, Markdown or HTML; a reference without target has an empty one."""
    line = 0
    for token in _parser().parse(text):
        line = token.map[0] if token.map else line
        if token.type == "html_block":
            yield from _html_links(token.content, line)
        elif token.type == "inline":
            yield from _inline_links(token.children, line)


def _inline_links(tokens: list, line: int) -> Iterator[Link]:
    text = "".join(token.content for token in tokens if token.type == "text")
    for match in re.finditer(r"\[([^\[\]]+)\]\[[^\[\]]*\]", text):
        yield Link("", match[1], line, is_picture=False)
    for number, token in enumerate(tokens):
        if token.type in ("softbreak", "hardbreak"):
            line += 1
        elif token.type == "image":
            yield Link(token.attrGet("src") or "", token.content, line, is_picture=True)
        elif token.type == "link_open":
            words = _plain(tokens[number + 1 :])
            yield Link(token.attrGet("href") or "", words, line, is_picture=False)
        elif token.type == "html_inline":
            yield from _html_links(token.content, line)


def _html_links(text: str, line: int) -> list[Link]:
    tags = _Tags(line)
    tags.feed(text)
    return tags.links


def _plain(tokens: list) -> str:
    """Return inline tokens as text, without marks."""
    return "".join(t.content for t in tokens if t.type in ("text", "code_inline", "math_inline"))


def hints(text: str) -> list[Hint]:
    """Return the folded blocks of a cell. Those that are not closed do not count."""
    pattern = (
        r"<details(?P<open>[^>]*)>\s*<summary>(?P<summary>.*?)</summary>(?P<text>.*?)</details>"
    )
    return [
        Hint(found["summary"].strip(), found["text"].strip(), "open" in found["open"])
        for found in re.finditer(pattern, text, flags=re.DOTALL)
    ]

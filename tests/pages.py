"""An HTML page as a browser takes it: its elements and its text, and whether every element is closed in its place."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "br", "img", "hr", "input", "link"}
DRAWN = {"rect", "line", "polyline"}


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in DRAWN, f"<{tag}/> closes nothing in HTML"
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(self.text)

    @property
    def outside(self) -> list[str]:
        """What a browser would load or run."""
        loading = [f"{tag} {name}={value}" for tag, name, value in self.attributes if name in ("src", "href", "action")]
        running = [f"{tag} {name}" for tag, name, _ in self.attributes if name.startswith("on")]
        urls = [text for text in self.text if "url(" in text or "@import" in text]
        return [*loading, *running, *urls, *(tag for tag in self.tags if tag in ("script", "iframe", "object"))]

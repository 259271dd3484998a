"""The pictures that lie inside a report's page, each as a file of its own. Pure."""

import re

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_PICTURE = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
_HEAD = re.compile(r"<svg\b[^>]*>")
_NAME = re.compile(r"picture-([1-9][0-9]{0,3})\.svg")
NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'


def names_of(page: str) -> list[str]:
    """`picture-1.svg` and so on, in the order of the page."""
    return [f"picture-{number}.svg" for number, _ in enumerate(_PICTURE.findall(page), 1)]


def picture(page: str, name: str) -> str | None:
    """One of them, with the page's styles; None where there is none of that name."""
    asked = _NAME.fullmatch(name)
    found = _PICTURE.findall(page)
    if asked is None or int(asked[1]) > len(found):
        return None
    whole: str = found[int(asked[1]) - 1]
    # In a text of its own, a style may hold `<` and `&`.
    styles = "".join(f"<style><![CDATA[{css}]]></style>" for css in _STYLE.findall(page))
    head = _HEAD.match(whole)
    assert head is not None, "it begins with its head"
    opened = head[0] if "xmlns=" in head[0] else head[0].replace("<svg", f"<svg {NAMESPACE}", 1)
    return f"{opened}{styles}{whole[head.end() :]}"

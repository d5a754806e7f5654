"""Where the page is: with a second listener, under a prefix, and not at all."""

import urllib.error
import urllib.request
from urllib.parse import urlsplit

from service import Proxy, Service
from watch import opened, sample

ALL = ["Classify", "Inside", "Network", "Folder", "Live"]


def tabs(page):
    return page.locator("#tabs a").all_inner_texts()


def test_second_listener(tried):
    with Service(tried.folder / "admin.log", "--admin-listen", "127.0.0.1:0") as service:
        with opened(tried.browser, f"http://{service.address}/") as page:
            assert tabs(page) == ["Classify", "Inside", "Folder"], tabs(page)
            asked = []
            page.on("request", lambda request: asked.append(urlsplit(request.url).path))
            sample(page, "daisy")
            # All ways to evidence that this address has, and nothing asked for that it has not.
            assert page.locator("#by option").count() == 2 + 9
            page.locator("#by").select_option("inception_4e")
            page.locator(".cell").nth(14 * 14 - 1).wait_for()
            assert not any(path.startswith(("/model/summary", "/metrics")) for path in asked), asked
        with opened(tried.browser, f"http://{service.admin}/#/live") as page:
            assert tabs(page) == ALL, tabs(page)
            page.locator(".tiles-live").wait_for()
            page.goto(f"http://{service.admin}/#/classify")
            sample(page, "mug")


def test_prefix(tried):
    """Behind a proxy that serves it under a path, also without a header that says so."""
    with Proxy(tried.url.removeprefix("http://").rstrip("/"), "/vision/v1") as proxy:
        with opened(tried.browser, proxy.url) as page:
            assert tabs(page) == ALL, tabs(page)
            sample(page, "umbrella")
            for tab, seen in [("network", "#module"), ("live", ".tiles-live"), ("inside", ".sprite .tile")]:
                page.goto(f"{proxy.url}#/{tab}")
                page.locator(seen).first.wait_for()


def test_explanations_turned_off(tried):
    """What the service does not give is not offered, and not asked for."""
    with Service(tried.folder / "unexplained.log", "--explain", "off") as service:
        with opened(tried.browser, f"http://{service.address}/") as page:
            asked = []
            page.on("request", lambda request: asked.append(request.url))
            assert tabs(page) == ["Classify", "Network", "Folder", "Live"], tabs(page)
            sample(page, "daisy")
            assert page.locator(".classes tbody tr").count() == 5
            assert page.locator(".evidence, .cell, .cautions").count() == 0
            assert not any("expl" in url for url in asked), asked


def test_turned_off(tried):
    with Service(tried.folder / "off.log", "--page", "off") as service:
        request = urllib.request.Request(f"http://{service.address}/", headers={"Accept": "text/html"})
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["Content-Type"] == "application/json"
        try:
            urllib.request.urlopen(f"http://{service.address}/assets/app.js")
            raise AssertionError("the files are served")
        except urllib.error.HTTPError as error:
            assert error.code == 404

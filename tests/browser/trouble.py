"""What goes wrong: a full service, one that goes, files that are not photos, malformed answers, harmful names."""

import json
import re
import struct
import threading
import urllib.error
import urllib.request
import zlib
from pathlib import Path

from service import SHARED, Service
from watch import CLASSIFY, answered, choose, choose_folder, opened, refuse, sample

NEXT_TRY = re.compile(r"Next try in \d+ s")
HARM = '<img src=x onerror="window.harmed = true">'


def png(width, height):
    """A grey picture."""
    rows = (b"\0" + bytes(x * 5 % 256 for x in range(width))) * height

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_full_service(tried):
    """429 with the seconds counted down, from a queue of one place."""
    photos = sorted((SHARED / "photos").iterdir())[:6]
    with Service(tried.folder / "full.log", "--queue-capacity", "1") as service:
        url = f"http://{service.address}/"
        # Decoding it takes long enough that others find its place taken.
        large = png(6000, 4000)
        refused, is_met = [], threading.Event()

        asked = urllib.request.Request(f"{url}classify", large, {"Content-Type": "image/png"})

        def fill():
            """Others ask until the page was refused."""
            while not is_met.is_set():
                try:
                    urllib.request.urlopen(asked, timeout=20)
                except urllib.error.HTTPError:
                    pass

        def heard(answer):
            if answer.status == 429:
                refused.append(answer)
                is_met.set()

        others = [threading.Thread(target=fill, daemon=True) for _ in range(3)]
        with opened(tried.browser, url, expects_errors=True) as page:
            page.on("response", heard)
            for other in others:
                other.start()
            choose(page, *photos)
            for photo in range(len(photos)):
                page.locator(".thumb.done").nth(photo).wait_for(timeout=60_000)
            is_met.set()
            assert refused, "the page never met a full queue of one"
    return f"{len(refused)} refusals, all photos classified"


def seconds_left(page):
    """As the page says it."""
    return int(re.search(r"\d+", page.get_by_text(NEXT_TRY).inner_text()).group())


def test_counting_down(tried):
    """The words, and the buttons while it waits."""
    times = []

    def route(page):
        def full(route):
            times.append(1)
            if len(times) < 3:
                return refuse(route, "60" if len(times) == 1 else "120")
            return route.fallback()

        page.route(CLASSIFY, full)

    with opened(tried.browser, tried.url, expects_errors=True, route=route) as page:
        page.locator(".sample").first.click()
        first = seconds_left(page)
        while seconds_left(page) == first:
            page.wait_for_timeout(100)
        assert 0 < seconds_left(page) < first <= 60
        page.screenshot(path=tried.folder / "full.png")
        page.get_by_role("button", name="Try now").click()
        while seconds_left(page) <= 60:
            page.wait_for_timeout(100)
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Cancelled").wait_for()
        page.get_by_role("button", name="Try again").click()
        answered(page)
    assert len(times) == 3, times


def test_waiting_has_an_end(tried):
    def route(page):
        page.route(CLASSIFY, lambda route: refuse(route, "1e300"))

    with opened(tried.browser, tried.url, expects_errors=True, route=route) as page:
        page.locator(".sample").first.click()
        assert 270 < seconds_left(page) <= 300


def listing(answer):
    """Answers the question what is served as `answer` makes it of the real list."""

    def route(page):
        def fulfil(route):
            if "json" not in route.request.headers.get("accept", ""):
                return route.fallback()
            response = route.fetch()
            return route.fulfill(response=response, json=answer(response.json()))

        page.route(re.compile(r"^http://[^/]*/$"), fulfil)

    return route


def test_a_network_of_two_classes(tried):
    """No more classes are asked for than there are: the service refuses that."""
    few = listing(lambda index: {**index, "model": {**index["model"], "classes": 2}} if "model" in index else index)
    with opened(tried.browser, tried.url, route=few) as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url) if CLASSIFY.search(request.url) else None)
        sample(page, "daisy")
        page.locator('a[href="#/folder"]').click()
        choose_folder(page, [SHARED / "photos/n02484975_guenon.JPEG"])
        page.locator(".files tr.done").wait_for()
        assert len(asked) == 2 and all("top_k=2&" in url for url in asked), asked


def test_a_list_that_is_none(tried):
    """Strange values in the list of what is served take nothing away that works."""
    odd = {"model": {"version": {}, "classes": -5}, "explain": {"modules": [{}, None, 5]}}
    with opened(tried.browser, tried.url, route=listing(lambda index: {**index, **odd})) as page:
        sample(page, "daisy")
        assert page.locator("#by option").count() == 2 and page.locator("#model").inner_text() == ""


def test_five_tries_then_it_stays(tried):
    def route(page):
        page.route(CLASSIFY, lambda route: refuse(route, "1"))

    with opened(tried.browser, tried.url, expects_errors=True, route=route) as page:
        page.locator(".sample").first.click()
        page.get_by_text("the queue is full: later").wait_for()
        assert "queue_full" in page.locator(".status code").inner_text()
        assert "r-1" in page.locator(".status code").inner_text()


def test_gone_and_back(tried):
    """The work is kept; what has no answer is sent again when the service is back, and has loaded its model."""
    with Service(tried.folder / "gone.log") as service:
        url = f"http://{service.address}/"
        with opened(tried.browser, url, expects_errors=True) as page:
            sample(page, "daisy")
            service.stop()
            choose(page, SHARED / "photos/n02484975_guenon.JPEG")
            page.get_by_text("does not answer. Your work is kept").wait_for()
            page.screenshot(path=tried.folder / "gone.png")
            with Service(tried.folder / "back.log", listen=service.address, is_ready=False):
                # Whether the page asks while the model is being loaded, which takes less than a second, is chance.
                page.locator(".thumb.done").nth(1).wait_for(timeout=60_000)
                answered(page)
                page.locator("#banner").wait_for(state="hidden")
                assert page.locator(".name").first.inner_text() == "guenon"


def test_opened_while_the_model_loads(tried):
    # At full speed the model would be there before the page is.
    with Service(tried.folder / "loads.log", is_ready=False, is_slow=True) as service:
        with opened(tried.browser, f"http://{service.address}/", expects_errors=True) as page:
            page.get_by_text("The model is being loaded").wait_for()
            page.screenshot(path=tried.folder / "loading.png")
            page.locator(".frame-empty").wait_for()
            service.slowness.close()
            page.locator("#banner").wait_for(state="hidden", timeout=60_000)
            sample(page, "mug")


def test_files_that_are_no_photos(tried):
    with opened(tried.browser, tried.url, expects_errors=True) as page:
        choose(page, {"name": f"{HARM}.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xffnothing"})
        page.locator(".failed").first.wait_for()
        text = page.locator(".status").inner_text()
        assert "corrupt_image" in text or "unsupported" in text, text
        assert HARM in page.locator("figcaption").inner_text()
        page.screenshot(path=tried.folder / "failed.png", full_page=True)
        choose(page, Path(__file__).parents[1] / "fixtures/lzw.tiff")
        answered(page)
        page.get_by_text("The browser cannot show this format").wait_for()
        assert not page.evaluate("window.harmed")


def test_hostile_labels(tried):
    """A model may be a stranger's too: labels, ids, groups and messages are text."""

    def route(page):
        def answer(route):
            rows = [
                {"class": n, "id": HARM, "label": f"{HARM}{n}", "labels": [HARM], "probability": 0.6 / (n + 1)}
                for n in range(4)
            ]
            group = {"id": "n0", "label": HARM, "classes": 3, "probability": 0.9}
            image = {"width": 320, "height": 320, "format": HARM, "warnings": [HARM]}
            sure = {"id": "n0", "label": HARM, "probability": 0.9, "level": "group"}
            model = {"name": HARM, "version": HARM, "precision": HARM, "trained": False}
            route.fulfill(json={"model": model, "predictions": rows, "groups": [group], "sure": sure, "image": image})

        page.route(CLASSIFY, answer)

    with opened(tried.browser, tried.url, route=route) as page:
        page.locator(".sample").first.click()
        answered(page)
        page.wait_for_timeout(300)
        assert HARM in page.locator(".headline h2").inner_text()
        assert not page.evaluate("window.harmed") and page.locator('img[src="x"]').count() == 0


UNEVEN = {"class": 1, "label": "a", "probability": 0.5, "cam": {"grid": [[1], []]}}
HUGE = {"class": 1, "label": "a", "probability": 0.5,
        "cam": {"logit": 1, "bias": 0, "residual": 0, "grid": [[0.1] * 500] * 500}}  # fmt: skip
GARBAGE = [
    ("<html>a proxy</html>", "text/html"),
    ("", "application/json"),
    ("null", "application/json"),
    ("[1,2", "application/json"),
    (json.dumps({"predictions": 5, "image": None}), "application/json"),
    (json.dumps({"predictions": [None], "image": {"width": 1, "height": 1}}), "application/json"),
    (json.dumps({"predictions": [], "image": {"width": "wide", "height": 1}}), "application/json"),
    (json.dumps({"predictions": [UNEVEN], "image": {"width": 9, "height": 9}}), "application/json"),
    (json.dumps({"predictions": [HUGE], "image": {"width": 9, "height": 9}}), "application/json"),
]  # fmt: skip


def test_answers_that_are_none(tried):
    for body, kind in GARBAGE:
        for status in (200, 502):

            def route(page, body=body, kind=kind, status=status):
                page.route(CLASSIFY, lambda route: route.fulfill(status=status, body=body, content_type=kind))

            with opened(tried.browser, tried.url, expects_errors=True, route=route) as page:
                page.locator(".sample").first.click()
                page.get_by_text("This photo was not classified").wait_for()
                assert page.get_by_role("button", name="Try again").is_visible()


def test_no_evidence(tried):
    """A network that cannot be explained, and a service that explains nothing, classify all the same."""
    for code in ("not_explainable", "invalid_parameter"):

        def route(page, code=code):
            def answer(route):
                if "explain=cam" in route.request.url:
                    error = {"error": "there is no evidence", "code": code, "request_id": "r"}
                    return route.fulfill(status=400, json=error)
                return route.fallback()

            page.route(CLASSIFY, answer)

        with opened(tried.browser, tried.url, expects_errors=True, route=route) as page:
            sample(page, "daisy")
            is_said = page.locator(".cautions", has_text="no evidence can be shown").count()
            assert is_said == (code == "not_explainable") and page.locator(".cell").count() == 0
            page.screenshot(path=tried.folder / f"{code}.png", full_page=True)


def test_rounded_scores(tried):
    """int8: what the squares miss is said."""

    def route(page):
        def answer(route):
            response = route.fetch()
            json = response.json()
            for row in json["predictions"]:
                row["cam"] = {"logit": 10.0, "bias": 0.5, "residual": 0.4, "grid": [[4.1, 5.0]]}
            json["image"]["crop"] = {"left": 0, "top": 0, "width": 320, "height": 320}
            route.fulfill(response=response, json=json)

        page.route(CLASSIFY, answer)

    with opened(tried.browser, tried.url, route=route) as page:
        sample(page, "daisy")
        assert "Rounded to 8 bits: +0.40" in page.locator(".sum").inner_text()
        # A map of any size.
        assert page.locator(".cell").count() == 2


def test_random_weights(tried):
    with Service(tried.folder / "untrained.log", "--model", "untrained") as service:
        with opened(tried.browser, f"http://{service.address}/") as page:
            sample(page, "daisy")
            assert "random weights" in page.locator(".cautions").inner_text()


def test_cancelling_frees_the_place(tried):
    """A request that is cancelled is not answered."""
    started = threading.Event()

    def route(page):
        def hold(route):
            started.set()
            page.wait_for_timeout(1)

        page.route(CLASSIFY, hold)

    with opened(tried.browser, tried.url, expects_errors=True, route=route) as page:
        page.locator(".sample").first.click()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Cancelled").wait_for()
    assert started.is_set()
    with urllib.request.urlopen(f"{tried.url}readyz") as answer:
        assert answer.status == 200

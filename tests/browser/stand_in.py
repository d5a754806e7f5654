"""What a program without evidence and maps does not serve yet, as the interface describes it: then the page's way with
them can be tried all the same. A program that serves them is asked itself.
"""

import base64
import json
import math
import re
import struct
import urllib.request
import zlib
from urllib.parse import parse_qsl, urlencode, urlsplit

from playwright.sync_api import Error

SIDE = 7
# Not the page's own files of such names.
CLASSIFY, EXPLAIN, ACTIVATIONS = (re.compile(rf"/{name}(\?|$)") for name in ("classify", "explain", "activations"))


def stand_in(page, url):
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": "application/json"})) as answer:
        index = json.load(answer)
    served = {f"{row['method']} {row['path']}" for row in index["paths"]}
    if "POST /explain" not in served:
        page.route(re.compile(r"/classify\?.*explain=cam"), unless_left(with_evidence))
        page.route(EXPLAIN, unless_left(explained))
        index["paths"].append({"method": "POST", "path": "/explain"})
    if "POST /activations" not in served:
        page.route(ACTIVATIONS, unless_left(maps))
        index["paths"].append({"method": "POST", "path": "/activations"})
        page.route(url.split("#")[0], lambda route: index_or_page(route, index))
    if "GET /model/filters" not in served and "GET /model/summary" in served:
        page.route("**/model/filters", lambda route: route.fulfill(content_type="image/png", body=png(64, 64)))
        index["paths"].append({"method": "GET", "path": "/model/filters"})


def unless_left(handler):
    """The page may go elsewhere before the answer is there."""

    def handle(route):
        try:
            handler(route)
        except Error as error:
            if "disposed" not in str(error) and "closed" not in str(error):
                raise

    return handle


def index_or_page(route, index):
    if "text/html" in route.request.headers.get("accept", ""):
        return route.continue_()
    return route.fulfill(json=index)


def ask(route, **changed):
    """The service's answer to the request without what it does not know."""
    parts = urlsplit(route.request.url)
    query = {name: value for name, value in parse_qsl(parts.query) if name != "explain"} | changed
    known = ("top_k", "groups")
    url = parts._replace(path=parts.path.rsplit("/", 1)[0] + "/classify")
    try:
        return route.fetch(url=url._replace(query=urlencode({k: v for k, v in query.items() if k in known})).geturl())
    except Error:
        # The service is gone, or the page is.
        route.abort("connectionrefused")
        return None


def cam(prediction):
    """A grid whose sum with the bias and the residual is the logit, exactly in decimals."""
    places = [(math.sin(prediction["class"] + 3 * y) + math.cos(2 * x)) / 7 for y in range(SIDE) for x in range(SIDE)]
    grid = [[round(value, 4) for value in places[SIDE * y : SIDE * (y + 1)]] for y in range(SIDE)]
    return {"logit": round(sum(map(sum, grid)) + 0.25, 4), "bias": 0.25, "residual": 0.0, "grid": grid}


def with_evidence(route):
    response = ask(route)
    if not response or response.status != 200:
        return response and route.fulfill(response=response)
    answer = response.json()
    image = answer["image"]
    width, height = image["width"], image["height"]
    image.setdefault("crop", {"left": width / 16, "top": height / 16, "width": width * 7 / 8, "height": height * 7 / 8})
    for prediction in answer["predictions"]:
        prediction["cam"] = cam(prediction)
    return route.fulfill(response=response, json=answer)


def explained(route):
    response = ask(route, top_k="3")
    if not response or response.status != 200:
        return response and route.fulfill(response=response)
    answer = response.json()
    best = answer["predictions"]
    square = [{"class": row["class"], "label": row["label"], "value": 1.5 - place} for place, row in enumerate(best)]
    evidence = {
        **cam(best[0]),
        "squares": [square] * SIDE**2,
        "branches": {"1x1": 4.5, "3x3": 2.25, "5x5": -0.5, "pool": 1.0},
        "channels": [{"channel": 12, "branch": "1x1", "weight": 0.5, "mean": 2.0, "contribution": 1.0}],
    }
    return route.fulfill(response=response, json=answer | evidence)


def maps(route):
    response = ask(route, top_k="1")
    if not response or response.status != 200:
        return response and route.fulfill(response=response)
    largest = [{"channel": place, "branch": "1x1", "mean": 3 - place / 32, "max": 9.0} for place in range(32)]
    modules = [
        {
            "name": name, "height": side, "width": side, "channels": channels, "milliseconds": 1.5, "zeros": 0.7,
            "silent": 3, "branches": {"1x1": [0, 64], "3x3": [64, channels]}, "largest": largest,
            "sprite": {"columns": 16, "scale": 9.0, "png": base64.b64encode(png(16 * side, 2 * side)).decode()},
        }
        for name, side, channels in [("inception_3a", 28, 256), ("inception_5b", 7, 1024)]
    ]  # fmt: skip
    return route.fulfill(response=response, json=response.json() | {"modules": modules})


def png(width, height):
    """A grey picture."""
    rows = (b"\0" + bytes(x * 5 % 256 for x in range(width))) * height

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")

"""Tries the three forms of POST /classify with requests, as a program of a client would.

Usage: requests_client.py HOST:PORT SHARED, where SHARED holds reference/ and photos/.
"""

import base64
import json
import sys
from pathlib import Path

import requests

TIMEOUT_S = 60


def classified(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Request-Id"] and "inference;dur=" in answer.headers["Server-Timing"]
    return answer.json()


def three_forms(url, name, photo):
    """The answers to one photo as raw bytes, as a form and as JSON; they must be one."""
    raw = requests.post(url, data=photo, headers={"Content-Type": "image/jpeg"}, timeout=TIMEOUT_S)
    form = requests.post(url, files={"image": (name, photo)}, timeout=TIMEOUT_S)
    text = base64.b64encode(photo).decode()
    in_json = requests.post(url, json={"image": text}, timeout=TIMEOUT_S)
    first = classified(raw)
    assert classified(form) == first and classified(in_json) == first, name
    return first


def batch(url, photos):
    """Several photos in one form and in one JSON, answered in order."""
    parts = [("image", (name, photo)) for name, photo in photos.items()]
    form = classified(requests.post(url, files=parts, data={"top_k": 1}, timeout=TIMEOUT_S))
    texts = [base64.b64encode(photo).decode() for photo in photos.values()]
    body = {"images": texts, "top_k": 1}
    in_json = classified(requests.post(url, json=body, timeout=TIMEOUT_S))
    assert form == in_json
    return [result["predictions"][0]["class"] for result in form["results"]]


def errors(url):
    """A refusal is JSON with a sentence and a code."""
    answer = requests.post(url, data=b"no image", timeout=TIMEOUT_S)
    assert answer.status_code == 415, answer.text
    body = answer.json()
    assert set(body) == {"error", "code", "request_id"}
    assert body["code"] == "unsupported_image_format"


def main():
    url, shared = f"http://{sys.argv[1]}/classify", Path(sys.argv[2])
    reference = json.loads((shared / "reference/photos_top5.json").read_text())
    clear = sorted(name for name, top in reference.items() if top[0][1] >= 0.8)[:10]
    photos = {name: (shared / "photos" / name).read_bytes() for name in clear}
    for name, photo in photos.items():
        best = three_forms(url, name, photo)["predictions"][0]
        assert best["class"] == reference[name][0][0], name
        assert best["id"] == name.split("_")[0], name
        # Another decoder and another resize: close, not equal.
        assert abs(best["probability"] - reference[name][0][1]) < 0.1, name
    assert batch(url, photos) == [reference[name][0][0] for name in clear]
    errors(url)
    print(f"requests: {len(photos)} photos right, in three forms each and in one batch")


main()

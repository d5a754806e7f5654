"""What no document can say of a request, for schemathesis: which bytes are an image, that a parameter comes in the
query or in the body, and how long the data of a tensor is.

Requests that the document allows are made with real images, so that all checks hold as they are. Those that it
forbids are sent as they were made.
"""

import base64
import json
import os
from pathlib import Path

import schemathesis
from hypothesis import strategies
from schemathesis.transport.serialization import Binary

FIXTURES = Path(os.environ["GOOGLENET_FIXTURES"])
NAMES = ["baseline_420.jpg", "rgb.png", "still.gif", "lossy.webp", "palette.bmp", "lzw.tiff"]
FILES = [(FIXTURES / name).read_bytes() for name in NAMES]
TEXTS = [base64.b64encode(file).decode() for file in FILES]
LENGTH_HEADER = "Inference-Header-Content-Length"

schemathesis.openapi.format("binary", strategies.sampled_from(FILES).map(Binary))
schemathesis.openapi.format("byte", strategies.sampled_from(TEXTS))


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.operation.path == "/classify":
        give_once(case)
        name_a_group(case)
        explain_one_crop(case)
    elif case.operation.path == "/explain":
        give_once(case)
        name_classes(case)
        explain_by_cam(case)
    elif case.operation.path == "/activations":
        give_once(case)
        name_a_module(case)
    elif case.operation.path.endswith("/infer"):
        headers = {name: value for name, value in case.headers.items() if name != LENGTH_HEADER}
        if isinstance(case.body, dict):
            with_an_image(case.body)
        else:
            kwargs["data"], headers[LENGTH_HEADER] = raw_behind_json()
        case.headers = headers


@schemathesis.hook
def filter_case(context, case):
    """Leaves out forms with names that there are not, and what is not explained: a form that a hook changes counts as
    forbidden."""
    names = ("within", "class", "against", "explain", "module", "method", "squares")
    return not is_form(case) or not any(case.body.get(name) for name in names)


def is_form(case):
    return case.media_type == "multipart/form-data" and isinstance(case.body, dict)


def give_once(case):
    """A parameter of the body is left out of the query."""
    if isinstance(case.body, dict) and case.query:
        case.query = {name: value for name, value in case.query.items() if name not in case.body}


def changeable(case):
    parts = [case.query] if is_form(case) else [case.query, case.body]
    return [part for part in parts if isinstance(part, dict)]


def name_a_group(case):
    for part in changeable(case):
        if isinstance(part.get("within"), str):
            part["within"] = "dog,n02121808"


def explain_one_crop(case):
    """Evidence is of one crop and at most ten classes."""
    if is_form(case):
        if case.query:
            case.query.pop("explain", None)
    elif any("explain" in part for part in changeable(case)):
        for part in changeable(case):
            part.pop("crops", None)
            part.pop("top_k", None)


def name_classes(case):
    for part in changeable(case):
        for name, known in (("class", "n02124075"), ("against", "n02123045")):
            if part.get(name) is not None:
                part[name] = known


def explain_by_cam(case):
    """The other methods have ranges of their own, and one names a module."""
    for part in [case.query, case.body]:
        if isinstance(part, dict) and not (is_form(case) and part is case.body):
            for name in ("method", "module", "squares"):
                part.pop(name, None)


def name_a_module(case):
    for part in changeable(case):
        if part.get("module") is not None:
            part["module"] = "inception_3a"


def with_an_image(body):
    body["inputs"] = [{"name": "image", "datatype": "BYTES", "shape": [1], "data": TEXTS[:1]}]
    for output in body.get("outputs") or []:
        output["name"] = "prob_1"


def raw_behind_json():
    """A body, and how many bytes of it are JSON."""
    raw = len(FILES[0]).to_bytes(4, "little") + FILES[0]
    image = {"name": "image", "datatype": "BYTES", "shape": [1]}
    image["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps({"inputs": [image]}).encode()
    return head + raw, str(len(head))

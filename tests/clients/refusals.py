"""Sends 12 MB whole to everything that refuses it: each client must get the status and the JSON, not a
broken pipe.

Usage: refusals.py HOST:PORT

The service there takes bodies of at most 12,800,000 bytes, and two of them at once. One line for each client and
refusal; exit status 1 when an answer is missing.
"""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import httpx
import requests

TIMEOUT_S = 60
BODY = b"\xff\xd8\xff" + bytes(12_000_000)
LARGEST_BYTES = 12_800_000
TOO_LARGE = BODY + bytes(2_000_000)
IMAGE = {"Content-Type": "image/jpeg"}
# name: method, path, headers, body, the expected status and code
REFUSALS = {
    "no such path": ("POST", "/clasify", IMAGE, BODY, 404, "not_found"),
    "no such method": ("PUT", "/classify", IMAGE, BODY, 405, "method_not_allowed"),
    "GET only": ("POST", "/model/summary", IMAGE, BODY, 405, "method_not_allowed"),
    "content type": (
        "POST", "/classify", {"Content-Type": "text/plain"}, BODY, 415, "unsupported_content_type",
    ),
    "content coding": (
        "POST", "/classify", IMAGE | {"Content-Encoding": "br"}, BODY, 415, "unsupported_content_type",
    ),
    "parameter": ("POST", "/classify?top_k=0", IMAGE, BODY, 400, "invalid_parameter"),
    "unknown parameter": ("POST", "/classify?k=1", IMAGE, BODY, 400, "invalid_parameter"),
    "bad Host": ("POST", "/classify", IMAGE | {"Host": "a b"}, BODY, 400, "invalid_request"),
    "too large": ("POST", "/classify", IMAGE, TOO_LARGE, 413, "body_too_large"),
    "queue full": ("POST", "/classify", IMAGE, BODY, 429, "queue_full"),
    "no image": ("POST", "/classify", IMAGE, bytes(12_000_000), 415, "unsupported_image_format"),
    "no such model": (
        "POST", "/v2/models/resnet/infer", {"Content-Type": "application/json"}, BODY, 404, "not_found",
    ),
    "length of the JSON": (
        "POST",
        "/v2/models/googlenet/infer",
        {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": "x"},
        BODY,
        400,
        "invalid_input",
    ),
}  # fmt: skip


def chunks(body):
    for start in range(0, len(body), 1 << 16):
        yield body[start : start + (1 << 16)]


def memory_taken(address):
    """Bytes of bodies that the service holds."""
    metrics = requests.get(f"http://{address}/metrics", timeout=TIMEOUT_S).text
    [line] = [line for line in metrics.splitlines() if line.startswith("googlenet_body_memory_bytes ")]
    return float(line.split()[1])


def until(what, condition):
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def hold(stack, address):
    """Two bodies that lack a byte each hold all the memory that there is for bodies."""
    head = "POST /classify HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\nContent-Length: "
    host, port = address.rsplit(":", 1)
    for _ in range(2):
        holder = stack.enter_context(socket.create_connection((host, int(port)), TIMEOUT_S))
        holder.sendall(f"{head}{LARGEST_BYTES}\r\n\r\n".encode() + bytes(LARGEST_BYTES - 1))


@contextlib.contextmanager
def all_memory_taken(address):
    until("the memory for bodies is free", lambda: memory_taken(address) == 0)
    with contextlib.ExitStack() as stack:
        hold(stack, address)
        until("the memory for bodies is taken", lambda: memory_taken(address) >= 2 * LARGEST_BYTES)
        yield
    until("the memory for bodies is free", lambda: memory_taken(address) == 0)


def by_http_client(address, method, path, headers, body, chunked):
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    connection.request(method, path, chunks(body) if chunked else body, headers, encode_chunked=chunked)
    answer = connection.getresponse()
    return answer.status, answer.read()


def by_urllib(address, method, path, headers, body, chunked):
    data = chunks(body) if chunked else body
    request = urllib.request.Request(f"http://{address}{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read()


def by_requests(address, method, path, headers, body, chunked):
    data = chunks(body) if chunked else body
    url = f"http://{address}{path}"
    answer = requests.request(method, url, data=data, headers=headers, timeout=TIMEOUT_S)
    return answer.status_code, answer.content


def by_httpx(address, method, path, headers, body, chunked):
    content = chunks(body) if chunked else body
    url = f"http://{address}{path}"
    answer = httpx.request(method, url, content=content, headers=headers, timeout=TIMEOUT_S)
    return answer.status_code, answer.content


def curl(*options):
    def send(address, method, path, headers, body, chunked):
        headers = headers | ({"Transfer-Encoding": "chunked"} if chunked else {})
        lines = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        with tempfile.NamedTemporaryFile() as file, tempfile.NamedTemporaryFile() as out:
            file.write(body)
            file.flush()
            command = ["curl", "-sS", "--http1.1", "--max-time", str(TIMEOUT_S), "-X", method]
            command += ["-w", "%{http_code}", "-o", out.name, "--data-binary", f"@{file.name}"]
            command += [*lines, *options, f"http://{address}{path}"]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=2 * TIMEOUT_S)
            assert ended.returncode == 0, f"curl: exit status {ended.returncode}: {ended.stderr}"
            return int(ended.stdout), out.read()

    return send


def without_waiting(send):
    """A client that announces that it waits for 100 Continue, and does not."""

    def sent(address, method, path, headers, body, chunked):
        return send(address, method, path, headers | {"Expect": "100-continue"}, body, chunked)

    return sent


CLIENTS = {
    "http.client": by_http_client,
    "http.client, Expect without waiting": without_waiting(by_http_client),
    "requests, Expect without waiting": without_waiting(by_requests),
    "urllib": by_urllib,
    "requests": by_requests,
    "httpx": by_httpx,
    "curl": curl("-H", "Expect:"),
    "curl 100-continue": curl("-H", "Expect: 100-continue"),
}


def wrong(send, address, refusal, chunked):
    """What is wrong with the answer; nothing if it is as it should be."""
    method, path, headers, body, status, code = refusal
    full = all_memory_taken(address) if status == 429 else contextlib.nullcontext()
    try:
        with full:
            got_status, content = send(address, method, path, headers, body, chunked)
        answer = json.loads(content)
    except Exception as error:  # whatever a client makes of a broken connection
        return f"{type(error).__name__}: {error}"[:200]
    if (got_status, answer.get("code")) != (status, code):
        return f"{got_status} {answer}"
    return None if answer.get("error") and answer.get("request_id") else f"no sentence: {answer}"


def main():
    address, missing, started = sys.argv[1], 0, time.monotonic()
    for client, send in CLIENTS.items():
        for chunked in (False, True):
            for name, refusal in REFUSALS.items():
                fault = wrong(send, address, refusal, chunked)
                missing += fault is not None
                form = "chunked" if chunked else "plain"
                print(f"refusals: {client}, {form}, {name}: {fault or refusal[4]}")
    count = 2 * len(CLIENTS) * len(REFUSALS)
    took = time.monotonic() - started
    print(f"refusals: {count - missing} of {count} answers arrived whole in {took:.0f} s")
    sys.exit(missing > 0)


main()

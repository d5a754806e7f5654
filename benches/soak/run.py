#!/usr/bin/env python3
"""Half an hour of mixed load on one process, and the memory that it holds.

    benches/soak/run.py BINARY MODEL FOLDER_OF_PHOTOS [MINUTES]

Photos as they are, as forms, as JSON, in `/v2`, pictures that are damaged, refused and dear, and clients that
go away, from 8 threads on 127.0.0.1. Every 5 minutes the smallest resident size of the window is printed: a leak
makes it grow from window to window.
"""

import base64
import collections
import http.client
import json
import pathlib
import random
import socket
import struct
import subprocess
import sys
import threading
import time

THREADS = 8
WINDOW_S = 300
GIF_OF_32_MEGAPIXELS = (
    bytes.fromhex("474946383961")
    + struct.pack("<HH", 5656, 5656)
    + bytes.fromhex("80000000000000ffffff2c00000000010001000002024401003b")
)


def bodies(photos: list[bytes], chance: random.Random) -> tuple[str, str, bytes]:
    """A path, a content type and a body."""
    photo = chance.choice(photos)
    kind = chance.randrange(20)
    if kind < 10:
        return "/classify", "image/jpeg", photo
    if kind < 12:
        boundary = "soak"
        parts = b"".join(
            b'--soak\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
            + chance.choice(photos)
            + b"\r\n"
            for _ in range(chance.randint(1, 4))
        )
        return "/classify?crops=10", f"multipart/form-data; boundary={boundary}", parts + b"--soak--\r\n"
    if kind < 14:
        return "/classify", "application/json", json.dumps({"image": base64.b64encode(photo).decode()}).encode()
    if kind < 16:
        text = base64.b64encode(photo).decode()
        infer = {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [text]}]}
        return "/v2/models/googlenet/infer", "application/json", json.dumps(infer).encode()
    if kind == 16:
        return "/classify", "image/jpeg", photo[: chance.randrange(len(photo))]
    if kind == 17:
        damaged = bytearray(photo)
        for _ in range(20):
            damaged[chance.randrange(len(damaged))] ^= 0xFF
        return "/classify", "image/jpeg", bytes(damaged)
    if kind == 18:
        return "/classify", "image/gif", GIF_OF_32_MEGAPIXELS
    return "/classify", "text/plain", b"x" * chance.randrange(1 << 20)


def client(port: int, photos: list[bytes], seed: int, end: float, statuses: collections.Counter) -> None:
    chance = random.Random(seed)
    while time.monotonic() < end:
        path, kind, body = bodies(photos, chance)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            if chance.random() < 0.02:
                connection.connect()
                head = f"POST {path} HTTP/1.1\r\nHost: soak\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sock.sendall(head.encode() + body[: len(body) // 2])
                statuses["gone"] += 1
            else:
                connection.request("POST", path, body, {"Content-Type": kind})
                answer = connection.getresponse()
                answer.read()
                statuses[answer.status] += 1
        except OSError as error:
            statuses[type(error).__name__] += 1
        finally:
            connection.close()


def until_ready(service: subprocess.Popen, port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and service.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise RuntimeError("the service is not ready")


def resident_mib(process: int) -> float:
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


def main() -> None:
    binary, model, folder = sys.argv[1:4]
    minutes = float(sys.argv[4]) if len(sys.argv) > 4 else 30
    photos = [path.read_bytes() for path in sorted(pathlib.Path(folder).iterdir())]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = ["--listen", f"127.0.0.1:{port}", "--model", model]
    service = subprocess.Popen([binary, "serve", *flags], stderr=subprocess.DEVNULL)
    try:
        until_ready(service, port)
        begin = time.monotonic()
        end = begin + 60 * minutes
        statuses: collections.Counter = collections.Counter()
        clients = [threading.Thread(target=client, args=(port, photos, seed, end, statuses)) for seed in range(THREADS)]
        for thread in clients:
            thread.start()
        windows: dict[int, float] = {}
        while time.monotonic() < end:
            time.sleep(0.2)
            window = int((time.monotonic() - begin) // WINDOW_S)
            windows[window] = min(windows.get(window, float("inf")), resident_mib(service.pid))
        for thread in clients:
            thread.join()
        print("smallest resident MiB of each window:", [round(mib, 1) for _, mib in sorted(windows.items())])
        print("answers:", dict(statuses))
    finally:
        service.terminate()
        print("exit status:", service.wait(timeout=30))


if __name__ == "__main__":
    main()

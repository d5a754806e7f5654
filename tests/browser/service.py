"""Services to open the page of, and a proxy that puts one under a prefix."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

READY_SECONDS = 120
BINARY = os.environ["GOOGLENET_BINARY"]
SHARED = Path(os.environ["GOOGLENET_SHARED"])


class Service:
    """A running service; ends with the block."""

    def __init__(self, log, *flags, listen="127.0.0.1:0", is_ready=True, is_slow=False):
        self.log = Path(log)
        flags = ["--workers", "1", "--drain-delay-ms", "0", "--log-format", "json", *flags]
        model = [] if "--model" in flags else ["--model", str(SHARED / "models/googlenet.onnx")]
        self.command = [BINARY, "serve", "--listen", listen, *model, *flags]
        self.process = None
        self.address = self.admin = ""
        self.is_ready = is_ready
        self.is_slow = is_slow
        # To be closed for full speed.
        self.slowness = contextlib.ExitStack()

    def __enter__(self):
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(self.command, stderr=log)
        if self.is_slow:
            self.slowness.enter_context(self.slowed())
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            assert self.process.poll() is None, f"the service ended: {self.log.read_text()[-500:]}"
            found = re.search(r'"listening","address":"([^"]*)"(?:,"admin_address":"([^"]*)")?', self.log.read_text())
            if found:
                self.address, self.admin = found.groups()
                if not self.is_ready or self.answers():
                    return self
            time.sleep(0.1)
        raise AssertionError(f"the service did not become ready; its log is {self.log}")

    def __exit__(self, *_):
        self.slowness.close()
        self.stop()

    def answers(self):
        try:
            return urllib.request.urlopen(f"http://{self.address}/readyz", timeout=5).status == 200
        except OSError:
            return False

    @contextlib.contextmanager
    def slowed(self):
        """Lets it run for a tenth of the time: it answers, and whatever it does takes ten times as long."""
        done = threading.Event()

        def turns():
            while not done.wait(0.01):
                self.process.send_signal(signal.SIGSTOP)
                done.wait(0.09)
                self.process.send_signal(signal.SIGCONT)

        thread = threading.Thread(target=turns)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


class Proxy:
    """Hands on what is under a prefix, as a proxy in front of several services does."""

    def __init__(self, address, prefix):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, headers, body):
                self.send_response(status)
                kept = ("content-length", "transfer-encoding", "connection", "date")
                for name, value in headers.items():
                    if name.lower() not in kept:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def hand_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
                if not self.path.startswith(prefix + "/"):
                    return self.answer(404, {}, b"")
                url = f"http://{address}{self.path.removeprefix(prefix)}"
                request = urllib.request.Request(url, body, dict(self.headers), method=self.command)
                try:
                    with urllib.request.urlopen(request, timeout=60) as given:
                        return self.answer(given.status, given.headers, given.read())
                except urllib.error.HTTPError as error:
                    return self.answer(error.code, error.headers, error.read())

            do_GET = do_POST = hand_on

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}{prefix}/"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()


def browser_path():
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"]
    found = [path for path in map(shutil.which, filter(None, names)) if path]
    assert found, "there is no Chromium: apt-get install chromium, or name one in CHROMIUM"
    return found[0]

"""Who is measured: each is started, measures a number of images when it is asked, and is closed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import http_load

HERE = Path(__file__).parent
CLIENTS = 8


def all_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def pinned(cores):
    """What a child does before it runs."""
    return lambda: os.sched_setaffinity(0, cores)


class Peer:
    """An engine of others on the first of the cores, or on so many; see engine.py."""

    def __init__(self, engine, mode, cores, model, folder, environment):
        command = [sys.executable, HERE / "engine.py", engine, mode, str(len(cores)), model, folder]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
            preexec_fn=pinned(cores),
        )
        while (line := self.process.stdout.readline()) != "ready\n":
            if not line:
                raise RuntimeError(f"{engine} ended")

    def measure(self, images):
        print(images, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class PeerOnEachCore:
    """A process on each core with one thread, for engines without a throughput mode of their own."""

    def __init__(self, engine, model, folder, environment):
        self.peers = [Peer(engine, "lone", [core], model, folder, environment) for core in all_cores()]

    def measure(self, images):
        lock, left = threading.Lock(), images

        def work(peer):
            nonlocal left
            while True:
                with lock:
                    if left == 0:
                        return
                    left -= 1
                peer.measure(1)

        threads = [threading.Thread(target=work, args=[peer]) for peer in self.peers]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - started
        return {"milliseconds": seconds * 1e3 / images, "images_per_second": images / seconds}

    def close(self):
        for peer in self.peers:
            peer.close()


class Ours:
    """`googlenet bench` with one row."""

    def __init__(self, binary, model, row, cores, files, isa):
        self.command = [binary, "bench", "--json", "--model", model, "--only", row]
        self.command += ["--isa", isa] if isa else []
        self.files, self.cores = files, cores

    def report(self, images):
        command = [*self.command, "--images", str(images), *self.files]
        run = {"check": True, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        return json.loads(subprocess.run(command, preexec_fn=pinned(self.cores), **run).stdout)

    def measure(self, images):
        return self.report(images)["rows"][0]

    def close(self):
        pass


class Service:
    """Servers on 127.0.0.1 that answer photos: a process for each port."""

    def __init__(self, command, ports, photo_bytes, environment):
        """`command` of a port."""
        self.ports, self.photos = ports, photo_bytes
        self.processes = [
            subprocess.Popen(
                command(port),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=os.environ | environment,
            )
            for port in ports
        ]
        end = time.monotonic() + 120
        while not all(map(self.answers, ports)):
            if time.monotonic() > end or any(process.poll() for process in self.processes):
                raise RuntimeError(f"{command(ports[0])} does not answer")
            time.sleep(0.1)
        http_load.images_per_second(ports, photo_bytes, CLIENTS, 4 * CLIENTS)

    @staticmethod
    def answers(port):
        try:
            client = http_load.Client(port)
            client.socket.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            return client.answer() == 200
        except OSError:
            return False

    def measure(self, images):
        rate = http_load.images_per_second(self.ports, self.photos, CLIENTS, images)
        return {"milliseconds": 1e3 / rate, "images_per_second": rate}

    def close(self):
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]

"""Runs everyone in turn, round by round, and prints the ratios of the medians. See `run`."""

import argparse
import contextlib
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import http_load
import photos
import prepare

HERE = Path(__file__).parent
CLIENTS = 8


class Peer:
    """An engine of others; see engine.py."""

    def __init__(self, engine, mode, cores, model, folder):
        command = [sys.executable, HERE / "engine.py", engine, mode, str(cores), model, folder]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        while (line := self.process.stdout.readline()) != "ready\n":
            if not line:
                raise RuntimeError(f"{engine} ended")

    def measure(self, images):
        print(images, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Ours:
    """`googlenet bench` with one row."""

    def __init__(self, binary, model, row, cores, files, isa=None):
        self.command = [binary, "bench", "--json", "--model", model, "--only", row]
        self.command += ["--isa", isa] if isa else []
        self.files, self.cores = files, cores

    def measure(self, images):
        one = {min(os.sched_getaffinity(0))}
        pin = (lambda: os.sched_setaffinity(0, one)) if self.cores == 1 else None
        command = [*self.command, "--images", str(images), *self.files]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=pin)
        return json.loads(done.stdout)["rows"][0]

    def close(self):
        pass


class Service:
    """Servers on 127.0.0.1 that answer photos: a process for each port."""

    def __init__(self, command, ports, photo_bytes):
        """`command` of a port."""
        self.ports, self.photos = ports, photo_bytes
        self.processes = [
            subprocess.Popen(
                command(port),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
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


def cases(arguments, cores):
    """Name, images a round, and for each contender how to start it; the first is ours."""
    shared, work, binary = arguments.shared, arguments.work, arguments.binary
    f32 = shared / "models/googlenet.onnx"
    int8 = prepare.openvino_int8(f32, shared / "calibration", work)
    ncnn = prepare.ncnn_f32(f32, work)
    usual = photo_files(shared / "photos", work / "photos-500x375")
    folder = usual[0].parent
    encoded = photos.jpegs(shared / "photos")

    def ours(row, cores, isa=None):
        return lambda: Ours(binary, f32, row, cores, usual, isa)

    def peer(engine, mode, cores, model):
        return lambda: Peer(engine, mode, cores, model, folder)

    def service(precision):
        def command(port):
            listen = ["--listen", f"127.0.0.1:{port}", "--drain-delay-ms", "0"]
            return [binary, "serve", "--model", f32, "--precision", precision, *listen]

        return lambda: Service(command, [free_port()], encoded)

    def fastapi(model):
        def command(port):
            return [sys.executable, HERE / "fastapi_server.py", model, str(port)]

        return lambda: Service(command, [free_port() for _ in range(cores)], encoded)

    return [
        (
            "f32, one core",
            20,
            {
                "ours": ours("f32/one-core", 1),
                "OpenVINO": peer("openvino", "lone", 1, f32),
                "ncnn": peer("ncnn", "lone", 1, ncnn),
                "ONNX Runtime": peer("onnxruntime", "lone", 1, f32),
            },
        ),
        (
            "int8, one core",
            50,
            {
                "ours": ours("int8/one-core", 1),
                "OpenVINO": peer("openvino", "lone", 1, int8),
            },
        ),
        (
            "f32, lone, all cores",
            30,
            {
                "ours": ours("f32/lone", cores),
                "OpenVINO, latency hint": peer("openvino", "lone", cores, f32),
                "ncnn": peer("ncnn", "lone", cores, ncnn),
                "ONNX Runtime": peer("onnxruntime", "lone", cores, f32),
            },
        ),
        (
            "int8, lone, all cores",
            60,
            {
                "ours": ours("int8/lone", cores),
                "OpenVINO, latency hint": peer("openvino", "lone", cores, int8),
            },
        ),
        (
            "f32, loaded, all cores",
            60,
            {
                "ours": ours("f32/loaded", cores),
                "OpenVINO, throughput hint": peer("openvino", "loaded", cores, f32),
            },
        ),
        (
            "int8, loaded, all cores",
            150,
            {
                "ours": ours("int8/loaded", cores),
                "OpenVINO, throughput hint": peer("openvino", "loaded", cores, int8),
            },
        ),
        (
            "bytes to input, 500x375",
            200,
            {
                "ours": ours("input/files", 1),
                "simplejpeg and OpenCV": peer("simplejpeg+opencv", "lone", 1, "none"),
            },
        ),
        (
            f"HTTP, {CLIENTS} clients, int8",
            300,
            {
                "ours": service("int8"),
                "FastAPI and OpenVINO": fastapi(int8),
            },
        ),
        (
            f"HTTP, {CLIENTS} clients, f32",
            150,
            {
                "ours": service("f32"),
                "FastAPI and OpenVINO": fastapi(f32),
            },
        ),
    ]


def photo_files(folder, into):
    """Links to the photos of 500x375, which is the usual size."""
    import simplejpeg

    into.mkdir(parents=True, exist_ok=True)
    for file in sorted(folder.glob("*.JPEG")):
        data = file.read_bytes()
        if photos.is_rgb_jpeg(data) and simplejpeg.decode_jpeg_header(data)[:2] == (375, 500):
            link = into / file.name
            link.unlink(missing_ok=True)
            link.symlink_to(file.resolve())
    return sorted(into.glob("*.JPEG"))


def measure(contenders, images, rounds):
    """The figures of each contender, by round."""
    figures = {name: [] for name in contenders}
    with contextlib.ExitStack() as stack:
        running = {}
        for name, start in contenders.items():
            running[name] = start()
            stack.callback(running[name].close)
        for _ in range(rounds):
            for name, contender in running.items():
                figures[name].append(contender.measure(images))
    return figures


def report(name, figures):
    medians = {
        contender: statistics.median(figure["milliseconds"] for figure in rounds)
        for contender, rounds in figures.items()
    }
    by_rate = "loaded" in name or "HTTP" in name
    if by_rate:
        medians = {
            contender: 1e3 / statistics.median(figure["images_per_second"] for figure in rounds)
            for contender, rounds in figures.items()
        }
    ours = medians["ours"]
    for contender, milliseconds in medians.items():
        ratio = "" if contender == "ours" else f"{ours / milliseconds:.2f}"
        figure = f"{1e3 / milliseconds:8.1f}/s" if by_rate else f"{milliseconds:8.2f} ms"
        print(f"{name:26} {contender:26} {figure}  {ratio:>5}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="only the cases whose name contains this")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    cores = len(os.sched_getaffinity(0))
    print(f"{platform.machine()}, {cores} cores, {arguments.rounds} rounds; the last column is our")
    print("time by theirs: below 1 we are faster", flush=True)
    all_figures = {}
    for name, images, contenders in cases(arguments, cores):
        if arguments.only in name:
            all_figures[name] = measure(contenders, images, arguments.rounds)
            report(name, all_figures[name])
    (arguments.work / "figures.json").write_text(json.dumps(all_figures, indent=1))


if __name__ == "__main__":
    main()

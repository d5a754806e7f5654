"""Serves each model of a folder and holds the answers of /v2 against ONNX Runtime's.

    python measure.py PROGRAM FOLDER [PART OF A NAME ...]

PROGRAM is the `googlenet` to measure; FOLDER is what make_models.py filled, or its `hostile`.
Prints a table: what the service said, or the largest difference of a probability.
"""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from answers import probabilities

TOML = """[input]
side = {side}
channels = "RGB"
mean = {mean}
scale = {scale}
resize = {{ mode = "stretch", size = {side} }}
"""
SECONDS = 40
MEMORY = 6 << 30


class Served:
    """The program with one model; `error` when it ended, or was not ready in time."""

    def __init__(self, program, model, folder):
        self.log = open(folder / "log", "w+")
        command = [program, "serve", "--model", model, "--listen", "127.0.0.1:0", "--drain-delay-ms", "0"]
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        start = time.monotonic()
        self.process = subprocess.Popen(command, stderr=self.log, stdout=self.log, preexec_fn=limit, cwd=folder)
        self.error = None
        while "ready milliseconds" not in self.text():
            if self.process.poll() is not None:
                code = self.process.returncode
                self.error = f"exit {code}" if code >= 0 else f"SIGNAL {signal.Signals(-code).name}"
                break
            if time.monotonic() - start > SECONDS:
                self.error = f"still loading after {SECONDS} s"
                break
            time.sleep(0.02)
        self.seconds = time.monotonic() - start
        self.memory = self.peak()
        self.address = (re.findall(r"listening address=(\S+)", self.text()) or [None])[-1]

    def text(self):
        return Path(self.log.name).read_text(errors="replace")

    def peak(self):
        try:
            return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) >> 10
        except (OSError, TypeError):
            return 0

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def lines(self, level):
        """Messages of a level, without the time and the place in the program."""
        found = []
        for line in self.text().splitlines():
            if match := re.match(rf"\S+\s+{level} [\w:]+: (.*)", line):
                found.append(re.sub(r" model=\S+", "", match[1]))
            elif level == "ERROR" and not re.match(r"\S+\s+(INFO|WARN) ", line) and line.strip():
                found.append(line.strip())
        return found

    def infer(self, values):
        """Probabilities of one picture: 200 and its list, or another status and what was said."""
        base = f"http://{self.address}/v2/models/"
        body = {
            "inputs": [
                {"name": self.name, "datatype": "FP32", "shape": list(values.shape), "data": values.ravel().tolist()}
            ]
        }
        request = urllib.request.Request(
            base + f"{self.model}/infer", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return 200, np.array(json.load(answer)["outputs"][0]["data"])
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["error"]

    def metadata(self, model):
        self.model = model
        with urllib.request.urlopen(f"http://{self.address}/v2/models/{model}", timeout=10) as answer:
            tensors = json.load(answer)["inputs"]
        self.name = tensors[0]["name"]


def measure(program, path, inputs):
    """One row: a verdict and what the program said."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model = folder / path.name
        for file in [path, *path.parent.glob(path.name + ".data"), *path.parent.glob("external.data")]:
            shutil.copy(file, folder)
        side, layout, expected = 64, "nchw", None
        mean, scale = [123.675, 116.28, 103.53], [0.0171248, 0.0175070, 0.0174292]
        if path.with_suffix(".json").exists():
            described = json.loads(path.with_suffix(".json").read_text())
            layout = described["input"]["layout"]
            side = described["input"]["shape"][2]
            expected = probabilities(described["outputs"], described["kind"])
        if layout == "tensorflow":
            mean, scale = 127.5, 1 / 127.5
        if layout.startswith("u8"):
            mean, scale = 0, 1
        model.with_suffix(".toml").write_text(TOML.format(side=side, mean=mean, scale=scale))
        served = Served(program, model, folder)
        try:
            said = " ⏎ ".join(served.lines("ERROR")).replace(str(folder), "…")
            cost = f"{served.seconds:.1f} s, {served.memory} MB"
            if served.error:
                return served.error, said, cost
            warned = [w for w in served.lines("WARN") if "no labels" not in w]
            said = " ⏎ ".join([f"warned: {w}" for w in warned]) + said
            served.metadata(path.stem)
            answers = []
            images = inputs[layout if layout in inputs else "u8" if layout.startswith("u8") else "nchw"]
            for image in images:
                status, answer = served.infer(np.ascontiguousarray(image[None]))
                if status != 200:
                    return f"served, then {status}", f"{said} {answer}".strip(), cost
                answers.append(answer)
            answers = np.array(answers)
            sums = answers.sum(1)
            best = answers.max(1)
            facts = f"sums {sums.min():.4f}..{sums.max():.4f}, "
            facts += f"best {answers.argmax(1).tolist()} {best.min():.3f}..{best.max():.3f}"
            if expected is None:
                return "SERVED", f"{facts} {said}", cost
            difference = abs(answers - expected).max()
            same = (answers.argmax(1) == expected.argmax(1)).mean()
            verdict = f"right, {difference:.1e}" if difference <= 2e-2 else f"WRONG, {difference:.1e}"
            return verdict, f"{'' if difference <= 1e-4 else facts + f', same best class {same:.0%} '}{said}", cost
        finally:
            served.end()
            served.log.close()


def pictures_of(folder):
    """NCHW f32 inputs by preprocessing."""
    from pictures import normalised, pictures, tensorflow

    side, count = (224, 8) if folder.joinpath("inputs_nhwc.bin").exists() else (64, 4)
    pixels = pictures(range(count), side)
    bytes_ = np.asarray(pixels).transpose(0, 3, 1, 2).astype(np.float32)
    return {"nchw": normalised(pixels), "tensorflow": tensorflow(pixels).transpose(0, 3, 1, 2), "u8": bytes_}


def main():
    program, folder, parts = os.path.abspath(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    inputs = pictures_of(folder)
    print("| model | today | what was said | cost |\n|---|---|---|---|")
    for path in sorted(folder.glob("*.onnx")):
        if not parts or any(part in path.stem for part in parts):
            row = measure(program, path.resolve(), inputs)
            print("| `" + path.stem + "` | " + " | ".join(text.replace("|", "\\|") for text in row) + " |", flush=True)


if __name__ == "__main__":
    main()

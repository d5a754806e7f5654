"""What is measured, and who takes part."""

import sys
from dataclasses import dataclass
from pathlib import Path

import instruction_sets
import photos
import prepare
from contenders import CLIENTS, HERE, Ours, Peer, PeerOnEachCore, Service, all_cores, free_port

# Behind the name of a contender that has more instructions than the run is held to.
NOT_HELD = ", not held"


@dataclass
class Case:
    """The first contender is ours; each is a name and how to start it."""

    name: str
    images: int
    contenders: dict
    by_rate: bool = False


class Cases:
    """Everything is on the same cores, with the same weights and photos."""

    def __init__(self, arguments):
        self.binary, self.isa = arguments.binary, arguments.isa
        self.cores = all_cores()
        self.one = self.cores[:1]
        self.environment = instruction_sets.variables(self.isa)
        shared, work = arguments.shared, arguments.work
        self.f32 = shared / "models/googlenet.onnx"
        calibration = shared / "calibration"
        self.int8 = prepare.openvino_int8(self.f32, calibration, work)
        self.ncnn = prepare.ncnn_f32(self.f32, work)
        self.mnn = prepare.mnn_f32(self.f32, work)
        self.mnn_int8 = prepare.mnn_int8(self.f32, calibration, work)
        self.usual = photo_files(shared / "photos", work / "photos-500x375")
        self.encoded = photos.jpegs(shared / "photos")

    def ours(self, row, cores):
        return lambda: Ours(self.binary, self.f32, row, cores, self.usual, self.isa)

    def peer(self, engine, mode, cores, model="none"):
        folder = self.usual[0].parent
        return lambda: Peer(engine, mode, cores, model, folder, self.environment)

    def peer_on_each_core(self, engine, model="none"):
        folder = self.usual[0].parent
        return lambda: PeerOnEachCore(engine, model, folder, self.environment)

    def service(self, precision):
        def command(port):
            listen = ["--listen", f"127.0.0.1:{port}", "--drain-delay-ms", "0"]
            isa = ["--isa", self.isa] if self.isa else []
            return [self.binary, "serve", "--model", self.f32, "--precision", precision, *isa, *listen]

        return lambda: Service(command, [free_port()], self.encoded, {})

    def fastapi(self, model):
        def command(port):
            return [sys.executable, HERE / "fastapi_server.py", model, str(port)]

        return lambda: Service(command, [free_port() for _ in self.cores], self.encoded, self.environment)

    def named(self, contenders):
        """Who is not held says so."""
        if not instruction_sets.can_be_more(self.isa):
            return contenders
        free = instruction_sets.NOT_HELD
        return {name + NOT_HELD if name in free else name: start for name, start in contenders.items()}

    def f32_engines(self, cores):
        return {
            "OpenVINO": self.peer("openvino", "lone", cores, self.f32),
            "ncnn": self.peer("ncnn", "lone", cores, self.ncnn),
            "MNN": self.peer("mnn", "lone", cores, self.mnn),
            "PyTorch": self.peer("pytorch", "lone", cores),
            "ONNX Runtime": self.peer("onnxruntime", "lone", cores, self.f32),
        }

    def int8_engines(self, cores):
        return {
            "OpenVINO": self.peer("openvino", "lone", cores, self.int8),
            "MNN": self.peer("mnn", "lone", cores, self.mnn_int8),
        }

    def lone(self):
        """One image after another; on all cores beside our own one core, for what the others bring."""
        for precision, images, engines in [("f32", 20, self.f32_engines), ("int8", 50, self.int8_engines)]:
            one_core = self.ours(f"{precision}/one-core", self.one)
            yield Case(f"{precision}, one core", images, {"ours": one_core} | self.named(engines(self.one)))
            if len(self.cores) > 1:
                ours = {"ours": self.ours(f"{precision}/lone", self.cores), "ours, one core": one_core}
                yield Case(f"{precision}, lone, all cores", images, ours | self.named(engines(self.cores)))

    def loaded(self):
        f32 = {
            "ours": self.ours("f32/loaded", self.cores),
            "OpenVINO": self.peer("openvino", "loaded", self.cores, self.f32),
            "ncnn": self.peer_on_each_core("ncnn", self.ncnn),
            "MNN": self.peer_on_each_core("mnn", self.mnn),
            "PyTorch": self.peer_on_each_core("pytorch"),
            "ONNX Runtime": self.peer_on_each_core("onnxruntime", self.f32),
        }
        int8 = {
            "ours": self.ours("int8/loaded", self.cores),
            "OpenVINO": self.peer("openvino", "loaded", self.cores, self.int8),
            "MNN": self.peer_on_each_core("mnn", self.mnn_int8),
        }
        yield Case("f32, loaded", 60, self.named(f32), by_rate=True)
        yield Case("int8, loaded", 150, self.named(int8), by_rate=True)

    def others(self):
        decoders = {
            "ours": self.ours("input/files", self.one),
            "simplejpeg and OpenCV": self.peer("simplejpeg+opencv", "lone", self.one),
        }
        yield Case("bytes to input, 500x375", 200, decoders)
        for precision, images, model in [("f32", 150, self.f32), ("int8", 300, self.int8)]:
            servers = {"ours": self.service(precision), "FastAPI and OpenVINO": self.fastapi(model)}
            yield Case(f"HTTP, {CLIENTS} clients, {precision}", images, servers, by_rate=True)

    def all(self):
        return [*self.lone(), *self.loaded(), *self.others()]


def photo_files(folder: Path, into: Path) -> list[Path]:
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

"""One peer in a process of its own. Reads a number of images from each line of standard input, runs
them, and writes a line of JSON: the median milliseconds of one and the images a second.

    engine.py ENGINE MODE CORES MODEL PHOTOS

MODE is `lone` (one image after another) or `loaded` (as the engine is fastest on many).
"""

import copy
import json
import statistics
import sys
import time
from pathlib import Path

import photos


def onnxruntime(model: str, cores: int, _):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = cores
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: session.run(None, {name: image})[0]


def openvino_compiled(model: str, cores: int, hint: str):
    import openvino

    core = openvino.Core()
    settings = {
        "PERFORMANCE_HINT": hint,
        "INFERENCE_NUM_THREADS": cores,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    return core.compile_model(core.read_model(model), "CPU", settings)


def openvino(model: str, cores: int, _):
    request = openvino_compiled(model, cores, "LATENCY").create_infer_request()
    return lambda image: request.infer([image])[0]


def ncnn(model: str, cores: int, _):
    import ncnn as library

    net = library.Net()
    net.opt.num_threads = cores
    # Half precision would be other arithmetic than the others' f32.
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    net.load_param(model)
    net.load_model(model.replace(".param", ".bin"))

    def run(image):
        extractor = net.create_extractor()
        extractor.input("in0", library.Mat(image[0]))
        return extractor.extract("out0")[1].numpy()

    return run


def mnn(model: str, cores: int, _):
    import MNN

    # High: f32 where the machine could do with 16 bits too.
    runtime = MNN.nn.create_runtime_manager(({"backend": "CPU", "numThread": cores, "precision": "high"},))
    net = MNN.nn.load_module_from_file(model, [], [], runtime_manager=runtime)

    def run(image):
        return net.forward([MNN.expr.const(image, image.shape, MNN.expr.data_format.NCHW)])[0].read()

    return run


def pytorch(_: str, cores: int, images):
    """torchvision's own network with random weights, which take as long as trained ones; in the faster
    of its two layouts."""
    import torch
    import torchvision

    torch.set_num_threads(cores)
    model = torchvision.models.googlenet(
        weights=None, init_weights=False, aux_logits=False, transform_input=True
    ).eval()

    def in_layout(layout):
        net = copy.deepcopy(model).to(memory_format=layout)

        def run(image):
            with torch.inference_mode():
                return net(torch.from_numpy(image).contiguous(memory_format=layout)).numpy()

        return run

    layouts = [in_layout(torch.contiguous_format), in_layout(torch.channels_last)]
    return min(layouts, key=lambda run: one_after_another(run, images, 10)[0])


def bytes_to_input(_: str, cores: int, __):
    import cv2

    cv2.setNumThreads(cores)
    return photos.to_input


LONE = {
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "ncnn": ncnn,
    "mnn": mnn,
    "pytorch": pytorch,
    "simplejpeg+opencv": bytes_to_input,
}


def one_after_another(run, images, count: int):
    times = []
    started = time.perf_counter()
    for index in range(count):
        before = time.perf_counter()
        run(images[index % len(images)])
        times.append((time.perf_counter() - before) * 1e3)
    return statistics.median(times), count / (time.perf_counter() - started)


def lone(engine: str, model: str, cores: int, images):
    run = LONE[engine](model, cores, images)
    return lambda count: one_after_another(run, images, count)


def loaded(engine: str, model: str, cores: int, images):
    assert engine == "openvino", "only OpenVINO has a throughput mode of its own here"
    from openvino import AsyncInferQueue

    queue = AsyncInferQueue(openvino_compiled(model, cores, "THROUGHPUT"))

    def measure(count: int):
        started = time.perf_counter()
        for index in range(count):
            queue.start_async([images[index % len(images)]])
        queue.wait_all()
        seconds = time.perf_counter() - started
        return seconds * 1e3 / count, count / seconds

    return measure


def main():
    engine, mode, cores, model, folder = sys.argv[1:]
    images = photos.jpegs(Path(folder))
    if engine != "simplejpeg+opencv":
        images = [photos.to_input(image) for image in images]
    measure = {"lone": lone, "loaded": loaded}[mode](engine, model, int(cores), images)
    measure(3)
    print("ready", flush=True)
    for line in sys.stdin:
        milliseconds, rate = measure(int(line))
        print(json.dumps({"milliseconds": milliseconds, "images_per_second": rate}), flush=True)


if __name__ == "__main__":
    main()

"""Makes a client with openapi-python-client from the service's own document, and uses it.

Usage: generated_client.py HOST:PORT SHARED FOLDER, where SHARED holds photos/ and the client goes into FOLDER.
"""

import base64
import importlib
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

PHOTO = "n02484975_guenon.JPEG"
PHOTO_CLASS = 370
PACKAGE = "googlenet_client"
# It writes bodies as octet-stream, not as image/*, which is no single type: that alone may be left out, of each route.
EXPECTED_WARNING = "Unsupported content type image/*"


def generate(address, folder):
    target = folder / PACKAGE
    shutil.rmtree(target, ignore_errors=True)
    tool = Path(sys.executable).with_name("openapi-python-client")
    command = [tool, "generate", "--url", f"http://{address}/openapi.json", "--meta", "none"]
    # Without the formatters that it would look for.
    config = folder / "openapi-python-client.yaml"
    config.write_text("post_hooks: []\n")
    command += ["--config", config, "--output-path", target]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    warnings = [line for line in said.splitlines() if line.startswith("WARNING")]
    assert len(warnings) == said.count(EXPECTED_WARNING), said
    sys.path.insert(0, str(folder))


def module(name):
    return importlib.import_module(f"{PACKAGE}.{name}")


def best(answer):
    assert hasattr(answer, "predictions"), answer
    return answer.predictions[0].class_


def classify_all_forms(client, photo):
    classify, models = module("api.classify.classify"), module("models")
    file = module("types").File

    def sent(body, **parameters):
        return classify.sync(client=client, body=body, **parameters)

    assert best(sent(file(payload=BytesIO(photo)))) == PHOTO_CLASS
    few = sent(file(payload=BytesIO(photo)), top_k=2, crops=models.CropCount.VALUE_5)
    assert best(few) == PHOTO_CLASS and len(few.predictions) == 2, few
    form = models.ClassifyForm(image=file(payload=BytesIO(photo), file_name=PHOTO), top_k=3)
    in_form = sent(form)
    assert best(in_form) == PHOTO_CLASS and len(in_form.predictions) == 3, in_form
    text = base64.b64encode(photo).decode()
    in_json = sent(models.ClassifyJson(image=text, top_k=3))
    assert in_json == in_form, in_json
    batch = sent(models.ClassifyJsonBatch(images=[text, "AAAA"]))
    assert best(batch.results[0]) == PHOTO_CLASS, batch
    assert batch.results[1].code == "unsupported_image_format", batch
    refused = sent(file(payload=BytesIO(b"no image")))
    assert refused.code == "unsupported_image_format", refused


def infer(client, photo):
    models = module("models")
    request = models.InferRequest.from_dict(
        {
            "inputs": [
                {
                    "name": "image",
                    "datatype": "BYTES",
                    "shape": [1],
                    "data": [base64.b64encode(photo).decode()],
                }
            ]
        }
    )
    operation = module("api.open_inference_protocol.infer")
    answer = operation.sync("googlenet", client=client, body=request)
    probabilities = answer.outputs[0].data
    assert probabilities.index(max(probabilities)) == PHOTO_CLASS


def the_model(client):
    summary = module("api.model.summary").sync(client=client)
    assert (summary.name, summary.classes, summary.parameters) == ("googlenet", 1000, 6998552)
    layer = module("api.model.layer").sync("inception_3a/3x3_reduce", client=client)
    assert layer.module == "inception_3a", layer


def main():
    address, shared, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    generate(address, folder)
    client = module("client").Client(f"http://{address}", timeout=60)
    photo = (shared / "photos" / PHOTO).read_bytes()
    classify_all_forms(client, photo)
    infer(client, photo)
    the_model(client)
    print("openapi-python-client: classify, infer and the model's summary, in all forms of body")


main()

"""docker/kubernetes against the published schemas: Kubernetes' own, the Prometheus operator's, KServe's."""

import importlib.util
import re
import subprocess
import sys
import types
from pathlib import Path

import yaml
from checks import Checks
from stack import ROOT

FOLDER = ROOT / "docker/kubernetes"
# The oldest whose preStop can sleep by default, and the newest that the validator knows.
VERSIONS = ["1.30.0", "1.37.0"]


def documents() -> dict[Path, dict]:
    return {path: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.rglob("*.yaml"))}


def kubernetes(checks: Checks, paths: list[Path]):
    tool = str(Path(sys.executable).parent / "kubernetes-validate")
    for version in VERSIONS:
        done = subprocess.run([tool, "--strict", "-k", version, *map(str, paths)], capture_output=True, text=True)
        said = "" if done.returncode == 0 else f": {done.stdout}{done.stderr}"
        checks.check(
            f"kubernetes-validate --strict, Kubernetes {version}",
            done.returncode == 0,
            f"exit status {done.returncode} for {len(paths)} manifests{said}",
        )


def prometheus_operator(document: dict) -> list[str]:
    """What is wrong, by the models that are made from the operator's own definitions."""
    from cloudcoil.models.prometheus_operator.v1 import ServiceMonitor

    # Raises for what is missing or of another type; what it does not know, it drops.
    known = ServiceMonitor.model_validate(document).model_dump(by_alias=True, exclude_unset=True, mode="json")
    return [] if known == document else [f"only {known} is known"]


def kserve(document: dict) -> list[str]:
    """What is wrong, by the models of KServe's SDK."""
    version = document["apiVersion"].removeprefix("serving.kserve.io/").capitalize()
    return differences(document, version + document["kind"], document["kind"])


def differences(value, type_name: str, where: str) -> list[str]:
    """Holds a value to a type as the SDKs write it: `str`, `list[V1Container]`, `dict(str, str)`, …"""
    container = re.fullmatch(r"([Ll]ist|[Dd]ict)[\[(](?:str, ?)?(.+)[\])]", type_name)
    if container:
        expected = list if container[1].lower() == "list" else dict
        if not isinstance(value, expected):
            return [f"{where} is no {type_name}"]
        items = enumerate(value) if expected is list else value.items()
        return [d for key, item in items for d in differences(item, container[2], f"{where}[{key}]")]
    model = sdk_model(type_name)
    if model is None:
        plain = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object}
        # Quantities and ports are numbers or strings.
        expected = plain.get(type_name, (str, int))
        right = isinstance(value, expected) and (type_name == "bool" or not isinstance(value, bool))
        return [] if right else [f"{where} is no {type_name}: {value!r}"]
    if not isinstance(value, dict):
        return [f"{where} is no {type_name}"]
    names = {wire: name for name, wire in model.attribute_map.items()}
    found = [f"{where}.{key} is unknown to {type_name}" for key in value if key not in names]
    for key in value.keys() & names.keys():
        found += differences(value[key], model.openapi_types[names[key]], f"{where}.{key}")
    try:
        model(**{names[key]: item for key, item in value.items() if key in names})
    except ValueError as error:
        found.append(f"{where}: {error}")
    return found


def sdk_model(name: str):
    """A model of KServe's SDK or of the Kubernetes client; none for a plain type."""
    import kubernetes.client

    if "kserve" not in sys.modules:
        # The package itself would import a model server; its models are all that is asked for.
        package = types.ModuleType("kserve")
        package.__path__ = list(importlib.util.find_spec("kserve").submodule_search_locations)
        sys.modules["kserve"] = package
    import kserve.models

    # KServe writes the Kubernetes types with dots or without: `V1Container`, `k8s.io...V1Container`.
    short = name.rsplit(".", 1)[-1]
    found = getattr(kserve.models, short, None) or getattr(kubernetes.client, short, None)
    return found if hasattr(found, "openapi_types") else None


def restricted(pod: dict) -> list[str]:
    """What of a pod's specification the restricted profile of the Pod Security Standards refuses."""
    of_pod, wrong = pod.get("securityContext", {}), []
    for container in pod["containers"]:
        of_all = of_pod | container.get("securityContext", {})
        expected = {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
            # The profile does not ask for it; we do.
            "readOnlyRootFilesystem": True,
        }
        wrong += [f"{name} is {of_all.get(name)}" for name, value in expected.items() if of_all.get(name) != value]
    return wrong + [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]


def security(checks: Checks, manifests: dict[Path, dict]):
    pods = {
        path: document["spec"]["template"]["spec"] if document["kind"] == "Deployment" else document["spec"]
        for path, document in manifests.items()
        if document["kind"] in {"Deployment", "ServingRuntime"}
    }
    wrong = {str(path.relative_to(FOLDER)): restricted(pod) for path, pod in pods.items()}
    checks.check("pods meet the restricted profile", len(pods) == 2 and not any(wrong.values()), str(wrong))


def all_manifests(checks: Checks):
    own, custom, manifests = [], {}, documents()
    security(checks, manifests)
    for path, document in manifests.items():
        group = document["apiVersion"].split("/")[0]
        if group == "monitoring.coreos.com":
            custom[path] = prometheus_operator(document)
        elif group == "serving.kserve.io":
            custom[path] = kserve(document)
        else:
            own.append(path)
    kubernetes(checks, own)
    for path, wrong in custom.items():
        checks.check(f"{path.relative_to(FOLDER)} by its operator's models", not wrong, "; ".join(wrong) or "valid")

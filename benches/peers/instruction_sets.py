"""What the machine can do, and how each engine is held to less."""

import platform
from pathlib import Path

# By the name that ours has for the instruction set: what oneDNN, which computes for OpenVINO and PyTorch, and
# PyTorch call it, and the flags of /proc/cpuinfo that go beyond it.
ONEDNN = {
    "portable": "SSE41",
    "avx2": "AVX2",
    "avxvnni": "AVX2_VNNI",
    "avx512": "AVX512_CORE",
    "avx512vnni": "AVX512_CORE_VNNI",
}
PYTORCH = {"portable": "default", "avx2": "avx2", "avxvnni": "avx2", "avx512": "avx512", "avx512vnni": "avx512"}
MKL = {"portable": "SSE4_2", "avx2": "AVX2", "avxvnni": "AVX2", "avx512": "AVX512", "avx512vnni": "AVX512"}
BEYOND = {
    "portable": {"avx"},
    "avx2": {"avx_vnni", "avx512f"},
    "avxvnni": {"avx512f"},
    "avx512": {"avx512_vnni", "amx_tile"},
    "avx512vnni": {"amx_tile"},
}

FLAGS = ["sse4_1", "avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512dq", "avx512vl"]
FLAGS += ["avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"]

# Their Python packages choose the instructions themselves, and have no option or variable for it.
NOT_HELD = ["ncnn", "MNN", "ONNX Runtime"]


def variables(isa: str | None) -> dict[str, str]:
    """Of the environment: they hold those that can be held."""
    if isa is None:
        return {}
    return {
        "ONEDNN_MAX_CPU_ISA": ONEDNN[isa],
        "ATEN_CPU_CAPABILITY": PYTORCH[isa],
        "MKL_ENABLE_INSTRUCTIONS": MKL[isa],
    }


def cpuinfo() -> dict[str, str]:
    """Of the first processor."""
    first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}


def flags() -> set[str]:
    return set(cpuinfo().get("flags", "").split())


def can_be_more(isa: str | None) -> bool:
    """Whether those that cannot be held have more than `isa` here."""
    return isa is not None and bool(BEYOND[isa] & flags())


def describe(isa: str | None, cores: int) -> str:
    processor = cpuinfo()
    fields = ("cpu family", "model", "stepping")
    numbers = ", ".join(f"{field} {processor.get(field, '?')}" for field in fields)
    lines = [
        f"processor       {processor.get('model name', platform.machine())} ({numbers}), {cores} cores",
        f"flags           {' '.join(flag for flag in FLAGS if flag in flags())}",
    ]
    if isa is None:
        lines.append("held to         nothing: each has all that the machine has")
    else:
        how = ", ".join(f"{name}={value}" for name, value in variables(isa).items())
        lines.append(f"held to         {isa}: ours by --isa, OpenVINO and PyTorch by {how}")
        beyond = "and have more here" if can_be_more(isa) else "but this machine has no more"
        lines.append(f"not held        {', '.join(NOT_HELD)}: they choose themselves, {beyond}")
    return "\n".join(lines)

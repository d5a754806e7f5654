"""What the figures say, in ratios of medians: ours by theirs, in time for one image, below 1 ours is faster."""

import statistics

from cases import NOT_HELD
from contenders import CLIENTS

WIDE = 30

# Row, case, and those whose fastest ours is held against.
ROWS = [
    ("int8, one core", "int8, one core", ["OpenVINO"]),
    ("f32, one core", "f32, one core", ["OpenVINO", "ncnn", "MNN"]),
    ("int8, lone, all cores", "int8, lone, all cores", ["OpenVINO"]),
    ("f32, lone, all cores", "f32, lone, all cores", ["OpenVINO", "ncnn", "MNN"]),
    ("HTTP, f32", f"HTTP, {CLIENTS} clients, f32", ["FastAPI and OpenVINO"]),
    ("HTTP, int8", f"HTTP, {CLIENTS} clients, int8", ["FastAPI and OpenVINO"]),
    ("f32, all cores by one", "f32, lone, all cores", ["ours, one core"]),
    ("int8, all cores by one", "int8, lone, all cores", ["ours, one core"]),
    ("bytes to input, 500x375", "bytes to input, 500x375", ["simplejpeg and OpenCV"]),
]


def medians(case, figures):
    """Of the rounds, in milliseconds for one image, by contender."""
    if case.by_rate:
        rates = {name: [one["images_per_second"] for one in rounds] for name, rounds in figures.items()}
        return {name: 1e3 / statistics.median(rounds) for name, rounds in rates.items()}
    times = {name: [one["milliseconds"] for one in rounds] for name, rounds in figures.items()}
    return {name: statistics.median(rounds) for name, rounds in times.items()}


def figure(case, milliseconds):
    return f"{1e3 / milliseconds:8.1f}/s" if case.by_rate else f"{milliseconds:8.2f} ms"


def print_case(case, times):
    for contender, milliseconds in times.items():
        ratio = "" if contender == "ours" else f"{times['ours'] / milliseconds:.2f}"
        print(f"{case.name:{WIDE}} {contender:{WIDE}} {figure(case, milliseconds)}  {ratio:>5}", flush=True)


def print_summary(cases, all_times):
    """`all_times` of the cases that were measured."""
    by_name = {case.name: case for case in cases}
    print(f"\n{'':{WIDE}} {'ours':>11} {'theirs':>11}  {'ratio':>5}  they are")
    for row, name, peers in ROWS:
        times = all_times.get(name)
        if times is None:
            why = "not measured" if name in by_name else "there is one core"
            print(f"{row:{WIDE}} {why:>30}  {', '.join(peers)}")
            continue
        held = [peer for peer in peers if peer in times]
        fastest = min(held, key=times.get)
        who = fastest + (f", fastest of {', '.join(held)}" if len(held) > 1 else "")
        left_out = [peer for peer in peers if peer + NOT_HELD in times]
        who += f"; left out, not held: {', '.join(left_out)}" if left_out else ""
        ours, theirs = figure(by_name[name], times["ours"]), figure(by_name[name], times[fastest])
        print(f"{row:{WIDE}} {ours} {theirs}  {times['ours'] / times[fastest]:5.2f}  {who}")

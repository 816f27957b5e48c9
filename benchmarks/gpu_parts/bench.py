"""The part bench: prunescope bench --device, with its results kept as they come."""

from __future__ import annotations

import json
from functools import partial

from gpu_parts.setting import Request


def run_bench_part(request: Request, skip: int = 0) -> bool:
    """Measure the device and keep and print the results."""
    from prunescope.bench.device.plot import write_device_plot
    from prunescope.bench.device.sizes import DEVICE_FULL, DEVICE_TINY, DeviceRequest
    from prunescope.bench.device.suite import run_device_bench
    from prunescope.cli.device_tables import device_lines

    sizes = DEVICE_TINY if request.tiny else DEVICE_FULL
    with request.output.recorded("bench", "all") as facts:
        asked = DeviceRequest(request.device, sizes, request.left)
        results = run_device_bench(asked, request.output.say, partial(request.output.row, "bench"))
        (request.output.folder / "bench.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        for line in device_lines(results):
            request.output.say(line)
        if results["step"]:
            write_device_plot(results, request.output.folder / "bench.png")
        facts |= {"device": results["machine"]["device"], "notes": len(results["notes"])}
    return all(row.get("state") != "FAILED" for row in request.output.rows() if row["part"] == "bench")

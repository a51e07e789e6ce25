"""What `segkit bench` shows to a person."""

from __future__ import annotations

from typing import Any

import pytest

from segkit.cli.console import print_bench

MEASURED: dict[str, Any] = {
    "recipe": "isic_frozen",
    "data_images_per_second": 2934.04,
    "model_images_per_second": 60.04,
    "loop_images_per_second": 57.9,
    "loop_over_model": 0.965,
    "loop_over_model_range": [0.91, 1.002],
    "rounds": [{}] * 5,
    "steps": 1050,
    "parts": {
        "data": 0.002, "to_device": 0.0, "encoder": 0.02, "decoder": 0.03, "loss": 0.001, "backward": 0.04,
        "optimizer": 0.005, "average": 0.001, "other": 0.001,
    },
    "startup_seconds": {"imports": 3.8, "images": 61.0, "model": 1.4, "first_step": 0.25},
    "peak_memory_bytes": 1_258_700_000,
    "batch_size": 8,
    "workers": 2,
    "batches_together": 1,
    "device": "cpu, 2 threads",
    "precision": "32-true",
    "warnings": ["Other programs used 1.1 of 2 cores during the measurement: times are too long."],
}  # fmt: skip
SHOWN = """\
isic_frozen
device: cpu, 2 threads, 32-true
timed: 1,050 training steps, batches of 8, loaded by 2 workers
start-up: imports 3.8 s, images 1 min 1 s, model 1.4 s, first step 0.2 s
peak memory: 1,259 MB

               images/s
data alone      2,934.0
model alone        60.0
both together      57.9
both / model: 0.965 (0.910 to 1.002 in 5 rounds)

part of a step              ms  share
waiting for data          2.00   2.0%
copy to device            0.00   0.0%
encoder                  20.00  20.0%
decoder and head         30.00  30.0%
loss                      1.00   1.0%
backward                 40.00  40.0%
optimiser and schedule    5.00   5.0%
EMA of weights            1.00   1.0%
other                     1.00   1.0%
total                   100.00
warning: Other programs used 1.1 of 2 cores during the measurement: times are too long.
"""


def test_tables_of_a_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    print_bench(MEASURED)
    assert capsys.readouterr().out == SHOWN


def test_batches_without_workers_are_made_by_a_thread(capsys: pytest.CaptureFixture[str]) -> None:
    print_bench({**MEASURED, "workers": 0})
    assert "timed: 1,050 training steps, batches of 8, loaded ahead by a thread\n" in capsys.readouterr().out


def test_batches_on_a_cpu_are_made_between_steps(capsys: pytest.CaptureFixture[str]) -> None:
    print_bench({**MEASURED, "workers": 0, "batches_together": 12})
    assert "batches of 8, loaded 12 at a time between steps\n" in capsys.readouterr().out

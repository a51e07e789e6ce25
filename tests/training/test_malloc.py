"""What is freed stays with the process, where the C library can be told so."""

import platform
import subprocess
import sys

import pytest

from segkit.training.malloc import keep_freed_memory

pytestmark = pytest.mark.slow

COUNT = """
import resource, sys
import torch
from segkit.training.malloc import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    for _ in range(20):  # the first few still take new pages, until a free block fits
        torch.ones(1 << 24)  # 64 MB: mapped by itself, and unmapped
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(1 << 24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_a_tensor_that_comes_again_faults_in_no_pages():
    def faults(word):
        done = subprocess.run([sys.executable, "-c", COUNT, word], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert faults("keep") < faults("leave") / 10


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert keep_freed_memory() is False

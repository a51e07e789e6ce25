"""How many processes a recipe asks for, and what launchers say of them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from segkit.core.errors import SegkitError
from segkit.recipe.training_settings import TrainingSettings
from segkit.training.devices import count_processes, make_fabric
from segkit.training.distributed.rank import RankInfo, current_rank_info, is_worker, reports_elsewhere
from tests import several


@pytest.fixture
def gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


def test_processes_that_a_recipe_asks_for(gpus):
    def counted(place=None, **settings):
        return count_processes(TrainingSettings(**settings), place)

    assert counted() == 0  # alone
    assert counted(devices="auto") == 4
    assert counted(devices="auto", accelerator="cpu") == 0
    assert counted(devices=7, accelerator="cpu") == 7
    there = RankInfo("torchrun", world_size=6, rank=1, local_world_size=3, local_rank=1)
    assert counted(there, devices=3, num_nodes=2) == 6
    assert counted(there, devices="auto", num_nodes=2) == 6


@pytest.mark.parametrize(
    ("settings", "place", "problem", "hint"),
    [
        (
            {"devices": 5}, None,
            "training.devices: the recipe needs 5 cuda devices; this machine has 4",
            "training.devices=4, or auto",
        ),
        (
            {"num_nodes": 2}, None,
            "training.num_nodes: segkit was not started on 2 machines",
            "start it on each of them with torchrun or srun; see docs/several_devices.md",
        ),
        (
            {}, RankInfo("torchrun", world_size=4, rank=0, local_world_size=2, local_rank=0),
            "training.devices: torchrun started 2 processes on each of 2 machines; "
            "the recipe needs 1 on each of 1",
            "training.devices=2 with training.num_nodes=2; if torchrun did not start this command: "
            "unset TORCHELASTIC_RUN_ID",
        ),
        (
            {"devices": 2, "compile": True}, None,
            "training.compile: compilation is not supported with 2 processes",
            "training.compile=false, or training.devices=1",
        ),
    ],
)  # fmt: skip
def test_processes_that_cannot_be_had(gpus, settings, place, problem, hint):
    with pytest.raises(SegkitError) as caught:
        count_processes(TrainingSettings(**settings), place)
    (found,) = caught.value.problems
    assert (found.problem, found.hint, caught.value.exit_code) == (problem, hint, 2)


def test_place_is_what_the_launcher_says(monkeypatch):
    assert current_rank_info() is None
    assert not is_worker()
    assert not reports_elsewhere()
    for name, value in several.under_srun(3, 4).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_NNODES", "2")
    monkeypatch.setenv("SLURM_LOCALID", "1")
    assert current_rank_info() == RankInfo("srun", world_size=4, rank=3, local_world_size=2, local_rank=1)
    assert is_worker()
    assert reports_elsewhere()
    monkeypatch.delenv("SLURM_STEP_ID")  # the batch script itself, before srun
    assert current_rank_info() is None


TORCHRUN_OF_TWO = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}


@pytest.mark.parametrize(
    "variables",
    [
        {}, {"RANK": "1"}, {**TORCHRUN_OF_TWO, "RANK": "x"}, {**TORCHRUN_OF_TWO, "RANK": ""},
        {**TORCHRUN_OF_TWO, "RANK": "2"}, {**TORCHRUN_OF_TWO, "LOCAL_WORLD_SIZE": "0"},
        {**TORCHRUN_OF_TWO, "WORLD_SIZE": "-2"},
    ],
)  # fmt: skip
def test_what_no_launcher_has_set_is_ignored(monkeypatch, variables):
    for name, value in {"TORCHELASTIC_RUN_ID": "none", **variables}.items():
        monkeypatch.setenv(name, value)
    assert current_rank_info() is None
    assert not is_worker()
    assert not reports_elsewhere()


def test_a_single_process_of_torchrun_runs_alone(monkeypatch):
    alone = {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    for name, value in {"TORCHELASTIC_RUN_ID": "none", **alone}.items():
        monkeypatch.setenv(name, value)
    assert current_rank_info() is None


@pytest.mark.parametrize(
    ("rank", "local_rank", "processes", "per_node"),
    [(2, 2, 5, "3,2"), (4, 1, 5, "3,2"), (3, 3, 6, "4,2"), (0, 0, 6, "4,2"), (0, 0, 5, "")],
)
def test_machines_of_slurm_with_unequal_numbers_of_processes_are_refused(
    monkeypatch, rank, local_rank, processes, per_node
):
    for name, value in {
        **several.under_srun(rank, processes), "SLURM_NNODES": "2", "SLURM_LOCALID": str(local_rank),
        "SLURM_STEP_TASKS_PER_NODE": per_node,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(SegkitError) as caught:
        count_processes(TrainingSettings(devices="auto", num_nodes=2), current_rank_info())
    (found,) = caught.value.problems
    assert (found.problem, found.hint) == (
        f"training.devices: srun started {processes} processes on 2 machines, not equally many on each",
        "srun --ntasks-per-node=N; if srun did not start this command: unset SLURM_STEP_ID",
    )


@pytest.mark.parametrize("nodes", ["0", "", "2(x3)"])
def test_numbers_of_slurm_that_contradict_each_other_are_ignored(monkeypatch, nodes):
    for name, value in {**several.under_srun(1, 2), "SLURM_NNODES": nodes, "SLURM_LOCALID": "3"}.items():
        monkeypatch.setenv(name, value)
    assert current_rank_info() is None


@pytest.mark.slow
def test_a_command_runs_alone_with_inherited_variables():
    words = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_ID",
             "TORCHELASTIC_RUN_ID", "MASTER_PORT", "GROUP_RANK")  # fmt: skip
    code = (
        "from segkit.recipe.training_settings import TrainingSettings\n"
        "from segkit.training.devices import make_fabric\n"
        "print(make_fabric(TrainingSettings(accelerator='cpu')).world_size)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **dict.fromkeys(words, "none")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_a_fabric_of_one_ignores_who_else_is_there(monkeypatch):
    for name, value in several.under_srun(1, 2).items():
        monkeypatch.setenv(name, value)
    assert make_fabric(TrainingSettings(accelerator="cpu", devices=2)).world_size == 1

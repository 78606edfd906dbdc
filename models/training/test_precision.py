"""pytest test_precision.py: a second."""

import pytest
import torch
from torch import nn

import precision


@pytest.mark.parametrize(("half", "wanted"), [(0.9, torch.bfloat16), (1.1, torch.float32)])
def test_a_cpu_computes_in_whichever_precision_is_faster(monkeypatch, half, wanted):
    monkeypatch.setattr(precision, "seconds", lambda is_half: half if is_half else 1.0)
    precision.bfloat16_pays.cache_clear()
    with precision.autocast(torch.device("cpu")):
        assert nn.Conv2d(3, 4, 1)(torch.zeros(1, 3, 2, 2)).dtype == wanted
    precision.bfloat16_pays.cache_clear()


def test_the_trial_times_both(monkeypatch):
    tried = []
    real = precision.seconds
    monkeypatch.setattr(precision, "seconds", lambda half: tried.append(half) or real(half))
    precision.bfloat16_pays.cache_clear()
    pays = precision.bfloat16_pays()
    assert precision.bfloat16_pays() == pays and tried.count(True) == tried.count(False) == 6
    precision.bfloat16_pays.cache_clear()
    assert real(True) > 0 and real(False) > 0


def test_a_gpu_computes_in_bf16_untried(monkeypatch):
    monkeypatch.setattr(precision, "bfloat16_pays", lambda: pytest.fail("tried on the CPU"))
    assert precision.autocast(torch.device("cuda")).fast_dtype == torch.bfloat16

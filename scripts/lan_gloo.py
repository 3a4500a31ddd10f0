"""A worker of PyTorch over gloo, one of those that scripts/lan starts; the first prints JSON.

`allreduce` sums a gradient of the size of the book's network's, after some milliseconds of sleep.
`ddp` trains that network, first in one worker alone, then in all with DistributedDataParallel.
"""

import argparse
import json
import os
import statistics
import time

import torch
from torch import distributed, nn

PARAMETERS = 3_453_121
BATCH = 20


def median_ms(step, count):
    """The median milliseconds of `count` steps, after three that are not timed."""
    times = []
    for _ in range(3 + count):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times[3:])


def network():
    blocks, channels = [], 3
    for filters in (32, 64, 128, 128):
        blocks += [nn.Conv2d(channels, filters, 3), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    blocks += [nn.Flatten(), nn.Linear(7 * 7 * 128, 512), nn.ReLU(), nn.Linear(512, 1)]
    model = nn.Sequential(*blocks).to(memory_format=torch.channels_last)
    assert sum(tensor.numel() for tensor in model.parameters()) == PARAMETERS
    return model


def training_step(model):
    x = torch.rand(BATCH, 3, 150, 150).to(memory_format=torch.channels_last)
    y = (torch.arange(BATCH) % 2).float().reshape(-1, 1)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-4, alpha=0.9)
    loss = nn.BCEWithLogitsLoss()

    def step():
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["allreduce", "ddp"])
    parser.add_argument("--rank", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--address")
    parser.add_argument("--compute", type=int)
    parser.add_argument("--count", type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "eth0"

    figures = {"workers": options.workers}
    if options.kind == "ddp" and options.rank == 0:
        # The others wait for the first to listen.
        figures["one_process_ms"] = median_ms(training_step(network()), options.count)
    distributed.init_process_group(
        "gloo", init_method=f"tcp://{options.address}:29500", rank=options.rank,
        world_size=options.workers)
    if options.kind == "allreduce":
        gradient = torch.zeros(PARAMETERS)

        def step():
            time.sleep(options.compute / 1000)
            distributed.all_reduce(gradient)

        figures["compute_ms"] = options.compute
        figures["update_ms"] = median_ms(step, options.count)
    else:
        step = training_step(nn.parallel.DistributedDataParallel(network()))
        figures["update_ms"] = median_ms(step, options.count)
    distributed.barrier()
    distributed.destroy_process_group()
    if options.rank == 0:
        if options.kind == "ddp":
            figures["pictures_per_second"] = options.workers * BATCH * 1000 / figures["update_ms"]
            figures["ratio"] = options.workers * figures["one_process_ms"] / figures["update_ms"]
        print(json.dumps({key: round(value, 3) for key, value in figures.items()}))


if __name__ == "__main__":
    main()

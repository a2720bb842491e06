"""What the processors can do at most: the yardstick of every table, measured in the same run.

A scenario that signs one RS256 token a request cannot be faster than both cores signing and doing nothing else.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

SECONDS = 0.7
CORES = 2
ARGON2 = {"memory_cost": 19456, "time_cost": 2, "parallelism": 1}
_MESSAGE = os.urandom(300)


@dataclass(frozen=True, slots=True)
class Limit:
    """Operations a second of all cores together, and what one costs."""

    rate: float
    cpu_us: float
    """Processor time of one operation, in microseconds: hardly moved by whatever else the machine does."""
    wall_ms: float
    """How long one takes while every core does the same."""


@cache
def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _rsa_sign() -> Callable[[], object]:
    key, scheme, digest = _rsa_key(), padding.PKCS1v15(), SHA256()
    return lambda: key.sign(_MESSAGE, scheme, digest)


def _rsa_verify() -> Callable[[], object]:
    scheme, digest = padding.PKCS1v15(), SHA256()
    signature, public = _rsa_key().sign(_MESSAGE, scheme, digest), _rsa_key().public_key()
    return lambda: public.verify(signature, _MESSAGE, scheme, digest)


def _argon2() -> Callable[[], object]:
    hasher = PasswordHasher(**ARGON2)
    return lambda: hasher.hash("a quiet river bends twice")


OPERATIONS: dict[str, Callable[[], Callable[[], object]]] = {
    "rsa": _rsa_sign,
    "rsa-verify": _rsa_verify,
    "argon2": _argon2,
}


def measure(operation: str, cores: int = CORES, seconds: float = SECONDS) -> Limit:
    """The limit of an operation on `cores` processes at once."""
    _rsa_key()
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(cores), context.Queue()
    workers = [
        context.Process(target=_work, args=(operation, seconds, barrier, results), daemon=True) for _ in range(cores)
    ]
    for worker in workers:
        worker.start()
    done = [results.get(timeout=seconds + 60) for _ in workers]
    for worker in workers:
        worker.join()
    count, cpu = sum(one[0] for one in done), sum(one[2] for one in done)
    return Limit(
        rate=sum(operations / wall for operations, wall, _ in done),
        cpu_us=cpu / count * 1e6,
        wall_ms=sum(wall for _, wall, _ in done) / count * 1e3,
    )


def _work(operation: str, seconds: float, barrier: Barrier, results: "Queue[tuple[int, float, float]]") -> None:
    perform = OPERATIONS[operation]()
    perform()
    barrier.wait()
    count, begun, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < seconds:
        perform()
        count += 1
    results.put((count, time.perf_counter() - begun, time.process_time() - cpu))


def mean(one: Limit, other: Limit) -> Limit:
    """Between a measurement before and one after."""
    return Limit((one.rate + other.rate) / 2, (one.cpu_us + other.cpu_us) / 2, (one.wall_ms + other.wall_ms) / 2)


def disk_flush_us(times: int = 200) -> float:
    """How long the disk under the temporary directory takes to make 4 KiB durable: what a commit waits for."""
    with tempfile.NamedTemporaryFile() as file:
        begun = time.perf_counter()
        for _ in range(times):
            file.write(b"\0" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
        return (time.perf_counter() - begun) / times * 1e6

"""Load: wrk for a request that can be repeated, visitors (threads) for work of several steps."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from bench.http import Connection, UnexpectedAnswer

CONNECTIONS = 16
_LUA = Path(__file__).with_name("wrk.lua")


class NothingLeft(Exception):
    """A visitor has used up what was prepared; the measurement ends here."""


Visit = Callable[[Connection], float | None]
"""One unit of work on a connection; returns the seconds to report, or None for all it took."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: units of work, over how long, and their durations in milliseconds."""

    count: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.count / self.seconds


def repeat(
    port: int,
    path: str,
    *,
    seconds: float,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    connections: int = CONNECTIONS,
) -> Sample:
    """Send one request over and over with wrk. Raises UnexpectedAnswer if any of them was refused."""
    method, body = ("GET", "") if fields is None else ("POST", urlencode(fields))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", str(_LUA)]
    for name, value in (headers or {}).items():
        command += ["-H", f"{name}: {value}"]
    command += [f"http://127.0.0.1:{port}{path}", "--", method, body]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    if result["refused"] or result["broken"] or not result["requests"]:
        raise UnexpectedAnswer(f"wrk {method} {path}: {result}")
    return Sample(result["requests"], result["seconds"], result["p50"], result["p99"])


def visit(port: int, visits: Sequence[Visit], *, seconds: float) -> Sample:
    """One thread and connection for each visitor, each starting over as soon as it is done.

    Raises what a visitor raised.
    """
    durations: list[float] = []
    failures: list[BaseException] = []
    stop = threading.Event()

    def work(one: Visit) -> None:
        connection = Connection(port)
        try:
            while not stop.is_set():
                begun = time.perf_counter()
                took = one(connection)
                durations.append(time.perf_counter() - begun if took is None else took)
        except NothingLeft:
            stop.set()
        except BaseException as error:
            failures.append(error)
            stop.set()
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(one,)) for one in visits]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    # What is counted from here on was begun within the time.
    stop.set()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begun
    if failures:
        raise failures[0]
    if not durations:
        raise UnexpectedAnswer("no visitor finished anything")
    return summary(durations, took)


def summary(durations: Sequence[float], seconds: float) -> Sample:
    """Percentiles of durations in seconds."""
    ordered = sorted(durations)
    return Sample(
        len(ordered),
        seconds,
        ordered[len(ordered) // 2] * 1e3,
        ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1e3,
    )

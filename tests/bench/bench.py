#!/usr/bin/python3
"""Compares Culvert with the proxies that Debian has, on this machine, under the same load.

One thread on one core for each proxy, the origin and the load generator on the other core. The rounds of all proxies
are interleaved, and the medians are printed. It prints and never fails on a figure.
"""
import argparse
import dataclasses
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import measure
import proxies


@dataclasses.dataclass
class Scenario:
    """One kind of load: `answer` and `upload` are the bodies' sizes, `load` is h2load's part."""
    name: str
    what: str
    requests: int
    answer: int
    load: list
    upload: int = 0

    @property
    def protocol(self):
        return "h1" if "--h1" in self.load else "h2"

    @property
    def big(self):
        """Whether bytes count, and not requests."""
        return self.answer + self.upload >= 1 << 20


SCENARIOS = [
    Scenario("h1-1k", "HTTP/1.1 keep-alive, 1 KiB answers, 32 connections", 20000, 1 << 10, ["--h1", "-c32"]),
    Scenario("h2c-1k", "h2c, 1 KiB answers, 1 connection with 32 streams", 20000, 1 << 10, ["-c1", "-m32"]),
    Scenario("h2c-100", "h2c, 100-byte answers, 16 connections with 10 streams", 40000, 100, ["-c16", "-m10"]),
    Scenario("h1-10m", "HTTP/1.1, 10 MiB downloads, 4 connections", 40, 10 << 20, ["--h1", "-c4"]),
    Scenario("h2c-10m", "h2c, 10 MiB downloads, 4 connections", 40, 10 << 20, ["-c4", "-m1"]),
    Scenario("h1-post-1m", "HTTP/1.1, 1 MiB uploads, 4 connections", 200, 100, ["--h1", "-c4"], upload=1 << 20),
    Scenario("h2c-post-1m", "h2c, 1 MiB uploads, 4 connections", 200, 100, ["-c4", "-m1"], upload=1 << 20),
]


@dataclasses.dataclass
class Round:
    """What one round of one proxy gave."""
    cpu_us: float
    per_second: float
    errors: int
    backend: int
    rss: int


class Bench:
    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        cores = sorted(os.sched_getaffinity(0))
        self.core, self.other = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
        self.documents = os.path.join(directory, "documents")
        os.mkdir(self.documents)
        for size in {s.answer for s in SCENARIOS}:
            self.make_file(os.path.join(self.documents, str(size)), size)

    @staticmethod
    def make_file(path, size):
        with open(path, "wb") as f:
            f.write(b"culvert " * (size // 8) + b"." * (size % 8))

    def proxy(self, kind):
        return kind(self.directory, self.options.log == "on", self.core, self.other)

    def load(self, scenario, proxy, requests):
        """Runs the load to its end; returns requests a second and requests that failed."""
        argv = ["h2load", *scenario.load, "-t1", "-n", str(requests)]
        if scenario.upload:
            body = os.path.join(self.directory, f"upload-{scenario.upload}")
            if not os.path.exists(body):
                self.make_file(body, scenario.upload)
            argv += ["-d", body]
        argv.append(f"http://127.0.0.1:{proxy.port}/{scenario.answer}")
        text = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              preexec_fn=proxies.pinned(self.other), timeout=120).stdout
        rate = re.search(r"finished in [^,]+, ([\d.]+) req/s", text)
        return float(rate[1]) if rate else 0.0, failures(text, requests, scenario.answer)

    def round(self, scenario, proxy, requests):
        """One timed round: nothing but the load runs, except a look at the connections while it does."""
        most = [0]
        over = threading.Event()

        def watch():
            while not over.wait(0.05):
                most[0] = max(most[0], measure.connections(proxy.origin_port))

        watcher = threading.Thread(target=watch)
        watcher.start()
        before = measure.cpu_seconds(proxy.pid)
        rate, errors = self.load(scenario, proxy, requests)
        used = measure.cpu_seconds(proxy.pid) - before
        over.set()
        watcher.join()
        return Round(used * 1e6 / requests, rate, errors, most[0], measure.rss_kib(proxy.pid))

    def syscalls(self, scenario, proxy, counter):
        """System calls per request, in a round of their own."""
        if not counter:
            return None
        requests = max(20, self.requests(scenario) // 4)
        counting = counter(proxy.pid)
        try:
            self.load(scenario, proxy, requests)
        finally:
            count = counting.finish()
        return None if count is None else count / requests

    def requests(self, scenario):
        return self.options.requests or scenario.requests

    def run(self, scenario, running, counter):
        """All rounds of a scenario; a dict of name to (rounds, system calls per request)."""
        requests = self.requests(scenario)
        rounds = {p.name: [] for p in running}
        for p in running:
            self.load(scenario, p, max(8, requests // 10))
        for n in range(self.options.rounds):
            for p in running if n % 2 == 0 else reversed(running):
                rounds[p.name].append(self.round(scenario, p, requests))
        return {p.name: (rounds[p.name], self.syscalls(scenario, p, counter)) for p in running}

    def compare(self, scenarios, kinds):
        counter = measure.syscall_counter()
        running = []
        try:
            for kind in kinds:
                running.append(self.proxy(kind))
                running[-1].start(self.documents)
            self.explain(counter)
            for scenario in scenarios:
                results = self.run(scenario, [p for p in running if scenario.protocol in p.protocols], counter)
                print_table(scenario, self.requests(scenario), self.options.rounds, results)
        finally:
            for p in running:
                p.stop()

    def explain(self, counter):
        where = "all on one core"
        if self.core is not None:
            where = f"proxies on core {self.core}, origins and h2load on core {self.other}"
        print(f"{where}; access logs {self.options.log}; origin: nghttpd --no-tls, one for each proxy")
        print(f"system calls by {counter.name if counter else 'nothing (neither perf nor strace works here)'}; "
              "pages that processes share are counted once")
        print("relay: poll() and bytes only, one backend connection for each client, to an origin that speaks the "
              "clients' protocol: the floor of that design")

    def instructions(self, scenario):
        """User-space instructions per request: the difference of two runs, so that the start is not in it."""
        small = self.options.requests or max(50, scenario.requests // 20)
        totals = [self.count_instructions(scenario, n) for n in (small, 2 * small)]
        each = (totals[1] - totals[0]) / small
        print(f"{scenario.name}: {each:,.0f} instructions per request ({small} and {2 * small} under callgrind)")

    def count_instructions(self, scenario, requests):
        proxy = proxies.Culvert(tempfile.mkdtemp(dir=self.directory), True, self.core, self.other)
        profile = proxy.path("callgrind.out")
        proxy.start(self.documents, ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}"])
        try:
            errors = self.load(scenario, proxy, requests)[1]
        finally:
            proxy.stop()
        if errors:
            print(f"{scenario.name}: {errors} of {requests} requests failed under callgrind")
        with open(profile) as f:
            return int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M)[1])


def failures(text, requests, answer):
    """Requests without a whole answer. Not h2load's "failed": that counts every response without a reason phrase."""
    done = re.search(r" (\d+) done, \d+ succeeded, \d+ failed, (\d+) errored, (\d+) timeout", text)
    codes = re.search(r"^status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text, re.M)
    data = re.search(r"\((\d+)\) data$", text, re.M)
    if not (done and codes and data):
        return requests
    refused = sum(int(n) for n in codes.groups()) + int(done[2]) + int(done[3])
    short = -(-max(0, requests * answer - int(data[1])) // answer)
    return max(requests - int(done[1]), refused, short)


def median(rounds, field):
    return statistics.median(getattr(r, field) for r in rounds)


def print_table(scenario, requests, count, results):
    peers = {p.name for p in proxies.PEERS}
    best = min((median(rounds, "cpu_us") for name, (rounds, _) in results.items() if name in peers), default=0)
    rate = "MB/CPU s" if scenario.big else "req/s"
    print(f"\n{scenario.name}: {scenario.what}; medians of {count} rounds of {requests} requests")
    print(f"  {'':10}{'CPU us/req':>11}{'of best peer':>14}{'calls/req':>11}{rate:>10}{'RSS KiB':>10}"
          f"{'backend conns':>15}{'errors':>8}")
    for name, (rounds, calls) in results.items():
        cpu = median(rounds, "cpu_us")
        ratio = f"{cpu / best:.2f}" if best else "-"
        called = f"{calls:.2f}" if calls is not None else "-"
        speed = (scenario.answer + scenario.upload) / cpu if scenario.big else median(rounds, "per_second")
        print(f"  {name:10}{cpu:>11.1f}{ratio:>14}{called:>11}{speed:>10.0f}"
              f"{max(r.rss for r in rounds):>10}{max(r.backend for r in rounds):>15}{sum(r.errors for r in rounds):>8}")
    sys.stdout.flush()


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds of each proxy (5)")
    parser.add_argument("--requests", type=int, help="requests in a round, instead of the scenario's own number")
    parser.add_argument("--only", help="scenarios, comma-separated: " + " ".join(s.name for s in SCENARIOS))
    parser.add_argument("--peers", help="who runs, comma-separated: " + " ".join(proxies.ALL))
    parser.add_argument("--log", choices=["on", "off"], default="on", help="access logs to a file, for everybody (on)")
    parser.add_argument("--instructions", action="store_true", help="only count Culvert's instructions, under valgrind")
    return parser.parse_args()


def chosen(names, known, what):
    """The entries of a table that a comma-separated option names; all without the option."""
    if names is None:
        return list(known.values())
    unknown = [n for n in names.split(",") if n not in known]
    if unknown:
        sys.exit(f"unknown {what}: {', '.join(unknown)} (there are: {', '.join(known)})")
    return [known[n] for n in names.split(",")]


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that what was started is stopped
    scenarios = chosen(options.only, {s.name: s for s in SCENARIOS}, "scenario")
    kinds = chosen(options.peers, proxies.ALL, "proxy")
    for kind in kinds:
        if not kind.available():
            print(f"{kind.name}: {kind.program} is not here, left out")
    kinds = [k for k in kinds if k.available()]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="culvert-bench-") as directory:
        os.chmod(directory, 0o755)
        bench = Bench(options, directory)
        if options.instructions:
            for scenario in scenarios:
                bench.instructions(scenario)
        else:
            bench.compare(scenarios, kinds)
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()

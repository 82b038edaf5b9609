"""Runs each case of greedy clients against a server of its own, while another user makes requests, and prints what it cost."""

import argparse
import asyncio
import base64
import http.client
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import clients  # noqa: E402 (found by the line above)

MEMORY_LIMIT = 256 << 20
WAIT_LIMIT = 0.250
# Of a case that leaves the processors to others, on any machine.
QUICK_WAIT_LIMITS = {"zero-window-manifests": 1.5}
PASSWORDS = {"admin": "the administrator's password", "greedy": "greedy's password", "other": "other's password"}
MANIFEST_TYPE = "application/vnd.oci.image.index.v1+json"


class Server:
    """One fresh data directory and one process."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, pathlib.Path(folder)
        (self.folder / "empty.toml").write_text("")
        self.run(["init", "--host", "localhost", "--admin-password-stdin"], PASSWORDS["admin"])
        self.ca = self.run(["ca", "export"])
        for user in ("greedy", "other"):
            self.run(["user", "add", user, "--password-stdin"], PASSWORDS[user])
        self.log = open(self.folder / "log", "w+b")
        command = self.command(["serve", "--listen", "127.0.0.1:0"])
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env={"PATH": os.environ["PATH"]})
        self.port = self.wait_for_port()

    def command(self, arguments):
        return [self.binary, "--data", str(self.folder / "data"), "--config", str(self.folder / "empty.toml"), *arguments]

    def run(self, arguments, text=""):
        done = subprocess.run(self.command(arguments), input=text.encode(), capture_output=True, env={"PATH": os.environ["PATH"]})
        if done.returncode != 0:
            raise SystemExit(f"portcullis {arguments}: {done.stderr.decode()}")
        return done.stdout.decode()

    def wait_for_port(self):
        for _ in range(300):
            found = re.search(rb'"address":"127\.0\.0\.1:(\d+)"', (self.folder / "log").read_bytes())
            if found:
                return int(found[1])
            time.sleep(0.1)
        raise SystemExit("the server does not start: " + (self.folder / "log").read_text())

    def peak(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class User:
    """One user on one connection, as a client library would be."""

    def __init__(self, port, ca, name):
        self.port, self.context, self.name = port, ssl.create_default_context(cadata=ca), name
        self.connection, self.bearer = None, None

    def ask(self, method, path, body=None, headers=None):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection("localhost", self.port, context=self.context, timeout=30)
        try:
            self.connection.request(method, path, body, headers={**self.authorization(), **(headers or {})})
            answer = self.connection.getresponse()
            return answer.status, answer.read(), answer.headers
        except (OSError, http.client.HTTPException):
            self.connection = None
            raise

    def authorization(self):
        if self.bearer:
            return {"Authorization": f"Bearer {self.bearer}"}
        pair = f"{self.name}:{PASSWORDS[self.name]}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}

    def log_in(self, scope):
        status, body, _ = self.ask("GET", f"/auth/token?service=portcullis&scope={scope}")
        assert status == 200, body
        self.bearer = json.loads(body)["token"]
        return self.bearer

    def push_manifest(self, repository, tag, size, note):
        content = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "manifests": [], "annotations": {"note": note + "x" * size},
        }).encode()
        status, body, _ = self.ask("PUT", f"/v2/{repository}/manifests/{tag}", content, {"Content-Type": MANIFEST_TYPE})
        assert status == 201, body

    def push_blob(self, repository, content):
        digest = clients.digest(content)
        status, body, _ = self.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", content)
        assert status == 201, body
        return digest


def watch(port, ca, stop, result):
    """The other user: a manifest and a small blob, over and over, until told to stop."""
    user = User(port, ca, "other")
    user.log_in("repository:other/app:pull,push")
    user.push_manifest("other/app", "v1", 100, "of another user")
    waits, failures, number = [], [], 0
    while not stop.is_set():
        number += 1
        begun = time.monotonic()
        try:
            if number % 10 == 0:
                user.push_blob("other/app", f"blob {number}".encode())
            else:
                status, _, _ = user.ask("GET", "/v2/other/app/manifests/v1")
                assert status == 200, status
        except (OSError, http.client.HTTPException, AssertionError) as error:
            failures.append(repr(error))
        waits.append(time.monotonic() - begun)
        time.sleep(0.02)
    result.put((sorted(waits), failures))


def measure(binary, name, quick):
    folder = tempfile.mkdtemp(prefix="greedy.", dir=os.environ.get("TMPDIR", "/tmp"))
    server = Server(binary, folder)
    try:
        greedy = User(server.port, server.ca, "greedy")
        greedy.log_in("repository:greedy/app:pull,push")
        case = clients.Case(server.port, server.ca, greedy, quick)
        run = clients.CASES[name]
        if hasattr(clients, "prepare_" + name.replace("-", "_")):
            getattr(clients, "prepare_" + name.replace("-", "_"))(case)
        stop, result = multiprocessing.Event(), multiprocessing.Queue()
        other = multiprocessing.Process(target=watch, args=(server.port, server.ca, stop, result))
        other.start()
        time.sleep(0.5)
        before = server.peak()
        said = asyncio.run(run(case))
        peak = server.peak()
        stop.set()
        waits, failures = result.get(timeout=60)
        other.join()
        return before, peak, waits, failures, said
    finally:
        server.stop()
        shutil.rmtree(folder)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary")
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("cases", nargs="*", metavar="CASE")
    given = arguments.parse_intermixed_args()
    unknown = set(given.cases) - set(clients.CASES)
    if unknown:
        arguments.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(clients.CASES)}")
    missed = False
    print(f"{'greedy clients':24} {'before':>8} {'peak':>8}   {'p50':>7} {'p99':>8} {'longest':>8}  refused")
    for name in given.cases or clients.CASES:
        before, peak, waits, failures, said = measure(given.binary, name, given.quick)
        p50, p99 = waits[len(waits) // 2], waits[min(len(waits) - 1, len(waits) * 99 // 100)]
        limit = QUICK_WAIT_LIMITS.get(name) if given.quick else WAIT_LIMIT
        bad = peak > MEMORY_LIMIT or bool(failures) or (limit is not None and p99 > limit)
        missed |= bad
        print(
            f"{name:24} {before >> 20:4} MiB {peak >> 20:4} MiB  {p50 * 1000:5.0f} ms {p99 * 1000:5.0f} ms "
            f"{waits[-1] * 1000:5.0f} ms  {len(failures)} of {len(waits)}; {said}{'  MISSED' if bad else ''}",
            flush=True,
        )
        for failure in failures[:3]:
            print("    " + failure)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()

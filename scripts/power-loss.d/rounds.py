"""Pushes to a registry, copies its disk at random instants, and looks whether what was acknowledged is on the copies.

Called by scripts/power-loss, which makes the disk. Arguments: the program, the working directory, the number of rounds.
"""

import base64
import hashlib
import http.client
import json
import os
import random
import ssl
import subprocess
import sys
import threading
import time

PASSWORD = "the password of the administrator"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
WRITERS = 4
# Of everything that was acknowledged, each round looks at the newest, and at a sample of what is older.
NEWEST, SAMPLE = 100, 50


class Registry:
    """A server on a data directory, and a way to ask it."""

    def __init__(self, program, data, log, environment=None):
        self.program, self.data = program, data
        self.log = open(log, "w+")
        self.process = subprocess.Popen(
            [program, "--data", data, "serve", "--listen", "127.0.0.1:0"], stdout=self.log, stderr=self.log, env=environment
        )
        self.port = self.wait_for_port()
        ca = subprocess.run([program, "--data", data, "ca", "export"], check=True, capture_output=True, text=True).stdout
        self.tls = ssl.create_default_context(cadata=ca)

    def wait_for_port(self):
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            self.log.flush()
            with open(self.log.name) as log:
                for line in log:
                    event = json.loads(line) if line.startswith("{") else {}
                    if event.get("message", "").startswith("serving https"):
                        return int(event["address"].rsplit(":", 1)[1])
            time.sleep(0.02)
        with open(self.log.name) as log:
            sys.exit("power-loss: the registry did not start:\n" + log.read())

    def connect(self):
        return http.client.HTTPSConnection("localhost", self.port, context=self.tls, timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


def ask(connection, method, path, body=None, kind="application/octet-stream"):
    token = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": kind, "Accept": MANIFEST}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def push_at_once(connection, repository, content):
    status, body, _ = ask(connection, "POST", f"/v2/{repository}/blobs/uploads/?digest={digest(content)}", content)
    return status, body


def push_in_pieces(connection, repository, content):
    """As docker does."""
    _, _, opened = ask(connection, "POST", f"/v2/{repository}/blobs/uploads/")
    _, _, patched = ask(connection, "PATCH", opened["Location"], content)
    status, body, _ = ask(connection, "PUT", f"{patched['Location']}?digest={digest(content)}")
    return status, body


def push(connection, repository, count):
    """Pushes an image; its digest, once it is acknowledged."""
    # The largest is written past the page cache in part.
    layer = os.urandom(random.choices([100, 5_000, 70_000, 200_000, 36_000_000], [10, 10, 10, 10, 1])[0])
    config = json.dumps({"architecture": "amd64", "os": "linux", "count": count}).encode()
    for content in (layer, config):
        status, body = random.choice([push_at_once, push_in_pieces])(connection, repository, content)
        if status != 201:
            raise RuntimeError(f"a blob was answered {status}: {body}")
    part = lambda content, kind: {"mediaType": kind, "digest": digest(content), "size": len(content)}
    manifest = json.dumps({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": part(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [part(layer, "application/vnd.oci.image.layer.v1.tar")],
    }).encode()
    status, body, _ = ask(connection, "PUT", f"/v2/{repository}/manifests/latest", manifest, MANIFEST)
    if status != 201:
        raise RuntimeError(f"a manifest was answered {status}: {body}")
    return digest(manifest)


class Writers:
    """Threads that push images, each to a repository of its own, and note what was answered 201."""

    def __init__(self, registry):
        self.registry, self.done, self.lock = registry, threading.Event(), threading.Lock()
        self.images, self.latest, self.failure = [], {}, None
        self.threads = [threading.Thread(target=self.push_until_done, args=(n,)) for n in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def push_until_done(self, number):
        connection, count = self.registry.connect(), 0
        try:
            while not self.done.is_set():
                count += 1
                repository = f"writer/{number}"
                pushed = push(connection, repository, count)
                with self.lock:
                    self.images.append((repository, pushed))
                    self.latest[repository] = count
        except Exception as error:  # noqa: BLE001 - told by the main thread
            self.failure = error

    def acknowledged(self):
        with self.lock:
            return list(self.images), dict(self.latest)

    def stop(self):
        self.done.set()
        for thread in self.threads:
            thread.join()


def lost(connection, images, latest):
    """What is not there, or not whole."""
    chosen = images[-NEWEST:] + random.sample(images[:-NEWEST], min(SAMPLE, len(images[:-NEWEST])))
    for repository, name in chosen:
        status, manifest, _ = ask(connection, "GET", f"/v2/{repository}/manifests/{name}")
        if status != 200 or digest(manifest) != name:
            yield f"{repository}@{name}: {status}"
            continue
        described = json.loads(manifest)
        for part in [described["config"], *described["layers"]]:
            status, content, _ = ask(connection, "GET", f"/v2/{repository}/blobs/{part['digest']}")
            if status != 200 or digest(content) != part["digest"]:
                yield f"{repository}, blob {part['digest']}: {status}, {len(content)} bytes"
    for repository, count in latest.items():
        status, manifest, _ = ask(connection, "GET", f"/v2/{repository}/manifests/latest")
        if status != 200:
            yield f"{repository}:latest: {status}"
            continue
        config = json.loads(manifest)["config"]["digest"]
        found = json.loads(ask(connection, "GET", f"/v2/{repository}/blobs/{config}")[1])["count"]
        if found < count:
            yield f"{repository}:latest is image {found}, and {count} was acknowledged"


def examine(program, work, copy, images, latest):
    """Starts a registry on the copy of the disk; the time that it took to start, in seconds."""
    replayed = os.path.join(work, "replayed")
    subprocess.run(["mount", "-o", "loop", copy, replayed], check=True)
    try:
        begun = time.monotonic()
        with Registry(program, os.path.join(replayed, "data"), os.path.join(work, "replayed.log")) as registry:
            took = time.monotonic() - begun
            missing = list(lost(registry.connect(), images, latest))
            try:
                push(registry.connect(), "writer/after", 1)
            except RuntimeError as error:
                missing.append(f"it accepts no push: {error}")
    finally:
        subprocess.run(["umount", replayed], check=True)
    return took, missing


def one_round(program, work, disk, writers, number):
    """What was acknowledged before the copy began must be on it."""
    time.sleep(random.uniform(0.02, 0.6))
    images, latest = writers.acknowledged()
    copy = os.path.join(work, "outer", "copy.img")
    subprocess.run(["cp", "--reflink=always", disk, copy], check=True)
    if writers.failure:
        sys.exit(f"power-loss: a push failed: {writers.failure!r}")
    took, missing = examine(program, work, copy, images, latest)
    os.remove(copy)
    outcome = "FAIL" if missing else "ok  "
    print(f"{outcome} round {number}: {len(images)} images acknowledged, started in {took:.2f} s", flush=True)
    for line in missing[:10]:
        print(f"       | {line}")
    return took, missing


def main(program, work, rounds):
    data, disk = os.path.join(work, "disk", "data"), os.path.join(work, "outer", "disk.img")
    subprocess.run(
        [program, "--data", data, "init", "--host", "localhost", "--admin-password-stdin"],
        input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL,
    )
    starts, failures = [], 0
    with Registry(program, data, os.path.join(work, "serving.log")) as registry:
        writers = Writers(registry)
        try:
            for number in range(1, rounds + 1):
                took, missing = one_round(program, work, disk, writers, number)
                starts.append(took)
                failures += bool(missing)
        finally:
            writers.stop()
    starts.sort()
    print(f"{rounds} power cuts, {failures} with losses; start: median {starts[len(starts) // 2]:.2f} s, worst {starts[-1]:.2f} s")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

"""How long it takes until the space of many deleted images is free, among many repositories and tags, and what pushes notice of that.

Called by scripts/gc. Arguments: the program, the working directory, and the numbers of repositories, tags and deletions.
"""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "power-loss.d"))
from rounds import MANIFEST, PASSWORD, Registry, ask, digest, push_at_once  # noqa: E402

GRACE = 60
SETTINGS = f'[trash]\nkeep = "0s"\n[gc]\ngrace = "{GRACE}s"\n'
LAYER = 8192
PUSHERS, DELETERS = 2, 4


def fill(data, repositories, tags, deletions):
    """Synthetic rows, and images with real contents that are going to be deleted. Returns the paths of their manifests."""
    database = sqlite3.connect(os.path.join(data, "portcullis.db"))
    database.execute("PRAGMA synchronous = OFF")
    each = max(1, tags // repositories)
    many = lambda sql, rows: database.executemany(sql, rows)
    many("INSERT INTO repositories (id, name, created_at) VALUES (?, ?, 0)", ((n + 10, f"grown/r{n:07}") for n in range(repositories)))
    insert = ("INSERT INTO manifests (id, repository_id, digest, media_type, size, created_at, content) VALUES (?, ?, ?, ?, 2, 0, x'7b7d')")
    many(insert, ((n + 10, n + 10, f"sha256:{n + 1:064x}", MANIFEST) for n in range(repositories)))
    many("INSERT INTO tags (repository_id, name, manifest_id, updated_at) VALUES (?, ?, ?, 0)",
         ((n + 10, f"t{t:03}", n + 10) for n in range(repositories) for t in range(each)))
    paths = []
    for n in range(deletions):
        repository = n % repositories + 10
        content = os.urandom(16) + bytes(LAYER - 16)
        name = hashlib.sha256(content).hexdigest()
        folder = os.path.join(data, "blobs", "sha256", name[:2])
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
        layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": f"sha256:{name}", "size": LAYER}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": layer, "layers": []}).encode()
        blob, number = n + 10, repositories + n + 10
        database.execute("INSERT INTO blobs (id, digest, size, key, lease_until, created_at) VALUES (?, ?, ?, ?, 0, 0)",
                         (blob, f"sha256:{name}", LAYER, f"sha256:{name}"))
        database.execute("INSERT INTO repository_blobs (repository_id, blob_id, repository_name) VALUES (?, ?, ?)",
                         (repository, blob, f"grown/r{repository - 10:07}"))
        database.execute("INSERT INTO manifests (id, repository_id, digest, media_type, size, created_at, content) VALUES (?, ?, ?, ?, ?, 0, ?)",
                         (number, repository, digest(manifest), MANIFEST, len(manifest), manifest))
        database.execute("INSERT INTO manifest_blobs (manifest_id, blob_id, repository_id) VALUES (?, ?, ?)", (number, blob, repository))
        paths.append(f"/v2/grown/r{repository - 10:07}/manifests/{digest(manifest)}")
    database.commit()
    database.close()
    return paths


class Pushers:
    """Threads that push blobs without a pause, and note when, and how long each took."""

    def __init__(self, registry):
        self.registry, self.stop, self.times = registry, threading.Event(), []
        for number in range(PUSHERS):
            threading.Thread(target=self.run, args=(number,), daemon=True).start()

    def run(self, number):
        connection = self.registry.connect()
        while not self.stop.is_set():
            begun = time.monotonic()
            status, body = push_at_once(connection, f"pushed/p{number}", os.urandom(4096))
            if status != 201:
                sys.exit(f"gc: a push was answered {status}: {body}")
            self.times.append((begun, time.monotonic() - begun))
            time.sleep(0.005)

    def percentile(self, begin, end, share=0.99):
        times = sorted(took for begun, took in list(self.times) if begin <= begun < end)
        return times[int(len(times) * share)] if times else 0.0


def delete(registry, paths):
    def run(part):
        connection = registry.connect()
        for path in part:
            status, body, _ = ask(connection, "DELETE", path)
            if status != 202:
                raise RuntimeError(f"{path} was answered {status}: {body}")
    threads = [threading.Thread(target=run, args=(paths[n::DELETERS],)) for n in range(DELETERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def wait_until_freed(data, wanted):
    """When it began and when all bytes were free."""
    first = None
    database = sqlite3.connect(f"file:{data}/portcullis.db?mode=ro", uri=True)
    while True:
        (freed,) = database.execute("SELECT freed_bytes FROM collection_totals").fetchone()
        if freed and first is None:
            first = time.monotonic()
        if freed >= wanted:
            return first, time.monotonic()
        if first and time.monotonic() - first > 900:
            sys.exit(f"gc: only {freed} of {wanted} bytes are free after 15 minutes")
        time.sleep(0.1)


def main(program, work, repositories, tags, deletions):
    settings, data = os.path.join(work, "settings.toml"), os.path.join(work, "data")
    with open(settings, "w") as file:
        file.write(SETTINGS)
    os.environ["PORTCULLIS_CONFIG"] = settings
    subprocess.run(
        [program, "--data", data, "init", "--host", "localhost", "--admin-password-stdin"],
        input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL,
    )
    paths = fill(data, repositories, tags, deletions)
    confirm = [program, "--data", data, "gc", "--confirm"]
    with Registry(program, data, os.path.join(work, "serving.log")) as registry:
        pushers = Pushers(registry)
        time.sleep(2)
        quiet = time.monotonic()
        time.sleep(15)
        begun = time.monotonic()
        delete(registry, paths)
        deleted = time.monotonic()
        # All of these blobs at once are more than is removed without asking.
        time.sleep(GRACE / 2)
        subprocess.run(confirm, check=False, capture_output=True)
        first, freed = wait_until_freed(data, deletions * LAYER)
        pushers.stop.set()
        before, meanwhile = pushers.percentile(quiet, begun), pushers.percentile(first, freed + 0.001)
        pushes = len(pushers.times)
    late, ratio = freed - deleted - GRACE, meanwhile / before if before else 0
    outcome = lambda good: "meets" if good else "MISSES"
    print(f"{deletions} images deleted in {deleted - begun:.1f} s among {repositories} repositories and {tags} tags; {pushes} pushes")
    print(f"space is free {late:.1f} s after the grace period          {outcome(late <= 60)} <= 60 s")
    print(f"p99 of pushes: {before * 1000:.1f} ms before, {meanwhile * 1000:.1f} ms while it is freed: {ratio:.2f}x   {outcome(ratio <= 1.1)} <= 1.1x")
    sys.exit(late > 60 or ratio > 1.1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))

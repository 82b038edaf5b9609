"""Kills a registry at random moments, while images are pushed and deleted and what is left over is collected, and looks after each restart
whether everything that was acknowledged is there bit for bit, and nothing that was deleted is there in part.

Called by scripts/crash. Arguments: the program, the working directory, the number of kills.
"""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "power-loss.d"))
from rounds import MANIFEST, PASSWORD, Registry, ask, digest, push_at_once, push_in_pieces  # noqa: E402

WRITERS = 3
# What happens while no server runs.
AWAY = (OSError, http.client.HTTPException, ValueError, KeyError, TypeError)
SETTINGS = """
[trash]
keep = "0s"
[gc]
lease = "10s"
grace = "1m"
"""
# So that a layer is pushed, deleted and pushed again.
SHARED = [bytes([seed]) * size for seed, size in enumerate([50, 3_000, 80_000, 400_000])]


class Image:
    """What one of the writers has pushed."""

    def __init__(self, repository, number):
        self.repository, self.number = repository, number
        own = os.urandom(random.choice([10, 2_000, 70_000, 300_000]))
        self.blobs = [own, random.choice(SHARED), json.dumps({"architecture": "amd64", "os": "linux", "n": number}).encode()]
        part = lambda content, kind: {"mediaType": kind, "digest": digest(content), "size": len(content)}
        layer = "application/vnd.oci.image.layer.v1.tar"
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": part(self.blobs[2], "application/vnd.oci.image.config.v1+json"),
            "layers": [part(self.blobs[0], layer), part(self.blobs[1], layer)],
        }).encode()
        self.path = f"/v2/{repository}/manifests/{digest(self.manifest)}"

    def push(self, connection):
        begun = time.monotonic()
        for content in self.blobs:
            status, body = random.choice([push_at_once, push_in_pieces])(connection, self.repository, content)
            if status != 201:
                raise ValueError(f"a blob was answered {status}: {body}")
        status, body, _ = ask(connection, "PUT", f"/v2/{self.repository}/manifests/n{self.number}", self.manifest, MANIFEST)
        if status != 201 and time.monotonic() - begun < 5:
            raise AssertionError(f"a push within its leases was answered {status}: {body}")
        return status == 201

    def found(self, connection):
        """Whether all of it is there, or nothing; else in words what is wrong."""
        status, body, _ = ask(connection, "GET", self.path)
        if status == 404:
            return False
        if status != 200 or body != self.manifest:
            return f"{self.path}: {status}"
        for content in self.blobs:
            status, body, _ = ask(connection, "GET", f"/v2/{self.repository}/blobs/{digest(content)}")
            if status != 200 or body != content:
                return f"{self.repository}, blob {digest(content)}: {status}, {len(body)} bytes instead of {len(content)}"
        return True


class Writer(threading.Thread):
    """Pushes images and deletes some; keeps account of what was acknowledged."""

    def __init__(self, name, world):
        super().__init__(daemon=True)
        self.repository, self.world = f"w/{name}", world
        self.there, self.gone, self.unsure, self.count = [], [], None, 0

    def run(self):
        connection = None
        while not self.world.stop.is_set():
            if self.world.paused.is_set():
                self.world.idle.wait_for(self)
                connection = None
                continue
            try:
                connection = connection or self.world.registry.connect()
                self.step(connection)
            except AWAY:
                connection = None
                time.sleep(0.02)
            except AssertionError as error:
                self.world.failures.append(str(error))

    def step(self, connection):
        if self.unsure is None and len(self.there) > 3 and random.random() < 0.45:
            image = self.there.pop(random.randrange(len(self.there)))
            self.unsure = (image, "deleted")
        elif self.unsure is None:
            self.count += 1
            self.unsure = (Image(self.repository, self.count), "pushed")
        image, what = self.unsure
        if what == "deleted":
            status, _, _ = ask(connection, "DELETE", image.path)
            if status in (202, 404):
                self.gone.append(image)
                self.unsure = None
        elif image.push(connection):
            self.there.append(image)
            self.unsure = None


class Idle:
    """Waits until every writer has stopped for a moment."""

    def __init__(self, world):
        self.world, self.waiting = world, set()

    def wait_for(self, writer):
        self.waiting.add(writer)
        while self.world.paused.is_set() and not self.world.stop.is_set():
            time.sleep(0.005)
        self.waiting.discard(writer)


class World:
    def __init__(self, program, work):
        self.program, self.data = program, os.path.join(work, "data")
        self.log = os.path.join(work, "serving.log")
        self.stop, self.paused, self.failures = threading.Event(), threading.Event(), []
        self.idle = Idle(self)
        self.registry = Registry(program, self.data, self.log)
        self.writers = [Writer(number, self) for number in range(WRITERS)]
        self.collections = 0
        threading.Thread(target=self.collect, daemon=True).start()
        for writer in self.writers:
            writer.start()

    def collect(self):
        """Again and again, from the command line, which is killed sometimes."""
        while not self.stop.is_set():
            command = subprocess.Popen(
                [self.program, "--data", self.data, "gc", "--now"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                self.collections += command.wait(random.choice([0.3, 5])) == 0
            except subprocess.TimeoutExpired:
                command.kill()
                command.wait()
            time.sleep(0.2)

    def kill(self):
        self.registry.process.send_signal(signal.SIGKILL)
        self.registry.process.wait()

    def restart(self):
        """The command may hold the lock of the data directory for a moment."""
        for _ in range(100):
            try:
                self.registry = Registry(self.program, self.data, self.log)
                return
            except SystemExit:
                time.sleep(0.1)
        sys.exit("crash: the registry does not start again")

    def examine(self):
        """With the writers standing still."""
        self.paused.set()
        while len(self.idle.waiting) < len(self.writers):
            time.sleep(0.005)
        connection = self.registry.connect()
        wrong, seen = list(self.failures), 0
        self.failures.clear()
        for writer in self.writers:
            newest = writer.there[-20:] + random.sample(writer.there, min(10, len(writer.there)))
            for image in newest:
                found = image.found(connection)
                seen += 1
                if found is not True:
                    wrong.append(f"acknowledged, and not there: {image.path} ({found})")
            for image in writer.gone[-20:]:
                if image.found(connection) is not False:
                    wrong.append(f"deleted, and there: {image.path} ({image.found(connection)})")
            if writer.unsure:
                found = writer.unsure[0].found(connection)
                if isinstance(found, str):
                    wrong.append(f"there in part: {found}")
        self.paused.clear()
        return wrong, seen


def check(program, data):
    """What `portcullis check` finds lost or damaged."""
    checked = subprocess.run([program, "--data", data, "--json", "check"], capture_output=True, text=True)
    counts = json.loads(checked.stdout)["counts"]
    return {kind: count for kind, count in counts.items() if count and kind != "unreferenced"}


def main(program, work, kills):
    settings = os.path.join(work, "settings.toml")
    with open(settings, "w") as file:
        file.write(SETTINGS)
    os.environ["PORTCULLIS_CONFIG"] = settings
    data = os.path.join(work, "data")
    subprocess.run(
        [program, "--data", data, "init", "--host", "localhost", "--admin-password-stdin"],
        input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL,
    )
    world, failed, begun = World(program, work), 0, time.monotonic()
    for number in range(1, kills + 1):
        time.sleep(random.uniform(0.05, 0.8))
        world.kill()
        world.restart()
        wrong, seen = world.examine()
        failed += bool(wrong)
        pushed = sum(len(writer.there) + len(writer.gone) for writer in world.writers)
        print(f"{'FAIL' if wrong else 'ok  '} kill {number}: {pushed} images pushed, {seen} looked at", flush=True)
        for line in wrong[:10]:
            print(f"       | {line}")
    world.stop.set()
    time.sleep(6)
    lost = check(program, data)
    world.kill()
    deleted = sum(len(writer.gone) for writer in world.writers)
    print(f"{kills} kills in {time.monotonic() - begun:.0f} s, {failed} with a difference; {deleted} images deleted, "
          f"{world.collections} collections; check finds {lost or 'nothing lost'}")
    sys.exit(failed > 0 or bool(lost))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

"""The greedy clients: what each kind sends, and what it does not read. HTTP is written by hand, because no library is this rude."""

import asyncio
import collections
import hashlib
import re
import ssl
import struct

MIB = 1 << 20


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Case:
    """A server to be greedy with, and a user's token for it."""

    def __init__(self, port, ca, user, quick):
        self.port, self.ca, self.user, self.quick = port, ca, user, quick
        self.hold = 4 if quick else 15
        self.answers = collections.Counter()
        self.contexts = {}

    def context(self, protocol):
        if protocol not in self.contexts:
            context = ssl.create_default_context(cadata=self.ca)
            context.set_alpn_protocols([protocol])
            self.contexts[protocol] = context
        return self.contexts[protocol]

    async def connect(self, protocol="http/1.1", limit=64 * 1024):
        return await asyncio.open_connection(
            "localhost", self.port, ssl=self.context(protocol), server_hostname="localhost", limit=limit
        )

    def head(self, method, path, length=None, token=True):
        lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{self.port}"]
        if token:
            lines.append(f"Authorization: Bearer {self.user.bearer}")
        if length is not None:
            lines.append(f"Content-Length: {length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def all(self, client, count, at_once=64):
        """Runs `count` clients that set up at most `at_once` at a time, and holds them for a while."""
        room, held = asyncio.Semaphore(at_once), []

        async def one(number):
            try:
                async with room:
                    held.append(await client(number))
            except (OSError, asyncio.IncompleteReadError, ConnectionError) as error:
                self.answers[type(error).__name__] += 1

        tasks = [asyncio.create_task(one(number)) for number in range(count)]
        done, late = await asyncio.wait(tasks, timeout=60)
        for task in late:
            task.cancel()
        await asyncio.sleep(self.hold)
        for writer in held:
            if writer is not None:
                writer.transport.abort()
        return f"{len(done)} clients" + "".join(f", {count} x {what}" for what, count in self.answers.most_common(4))


async def write(writer, content, patience=5):
    """Sends, as far as the server takes it within `patience` seconds."""
    writer.write(content)
    try:
        await asyncio.wait_for(writer.drain(), patience)
    except (asyncio.TimeoutError, ConnectionError):
        pass


def unread(reader):
    """Stops reading, so that the kernel's buffers fill and then the server's."""
    reader._transport.pause_reading()


async def status_of(reader, patience):
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), patience)
        return int(head.split(b" ", 2)[1]), head
    except (asyncio.TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None, b""


def prepare_unread_answers(case):
    case.user.push_manifest("greedy/app", "large", 1000_000, "a megabyte")
    case.blob = case.user.push_blob("greedy/app", b"b" * 16 * MIB)


async def unread_answers(case):
    """Many requests on each connection, and no answer is read."""

    async def client(number):
        reader, writer = await case.connect()
        unread(reader)
        path = "/v2/greedy/app/manifests/large" if number % 2 else f"/v2/greedy/app/blobs/{case.blob}"
        await write(writer, case.head("GET", path) * 50, 1)
        return writer

    return await case.all(client, 1000)


async def unfinished_forms(case):
    """Forms at the token endpoint, without a login, of which the last byte never comes."""

    async def client(_):
        reader, writer = await case.connect()
        length = 16 * 1024
        await write(writer, case.head("POST", "/auth/token", length, token=False) + b"a" * (length - 1))
        unread(reader)
        return writer

    return await case.all(client, 1500)


async def unfinished_manifests(case):
    """Manifests of the largest size of which the last byte never comes."""

    async def client(number):
        reader, writer = await case.connect()
        length = 4 * MIB
        await write(writer, case.head("PUT", f"/v2/greedy/app/manifests/m{number}", length) + b" " * (length - 1))
        unread(reader)
        return writer

    return await case.all(client, 250)


def prepare_zero_window_manifests(case):
    for number in range(16):
        case.user.push_manifest("greedy/app", f"large{number}", 4 * MIB - 1000, str(number))


async def zero_window_manifests(case):
    """HTTP/2 streams without room for an answer, each for a large manifest."""

    async def client(number):
        connection = Http2(case, await case.connect("h2"), window=0)
        for stream in range(100):
            connection.request("GET", f"/v2/greedy/app/manifests/large{(number + stream) % 16}")
        await connection.read_for(2)
        case.answers.update(connection.statuses)
        return connection.writer

    return await case.all(client, 20)


def prepare_busy_session(case):
    status, body, headers = case.user.ask("POST", "/v2/greedy/app/blobs/uploads/")
    assert status == 202, body
    case.session = headers["Location"]


async def busy_session(case):
    """Requests that all write to one upload session, and send whatever the windows allow."""

    async def client(_):
        connection = Http2(case, await case.connect("h2"))
        streams = [connection.request("PATCH", case.session, body=True) for _ in range(8)]
        await connection.read_for(0.5)
        for stream in streams:
            await connection.fill(stream, 10 * MIB)
        await connection.read_for(2)
        case.answers.update(connection.statuses)
        return connection.writer

    return await case.all(client, 6)


async def pushes(case):
    """Pushes of blobs, all at the same time."""
    size = 1 * MIB if case.quick else 10 * MIB
    common = b"p" * (size - 16)
    begun = hashlib.sha256(common)
    case.hold = 0

    async def client(number):
        tail = f"{number:016}".encode()
        hashed = begun.copy()
        hashed.update(tail)
        path = f"/v2/greedy/app/blobs/uploads/?digest=sha256:{hashed.hexdigest()}"
        reader, writer = await case.connect()
        writer.write(case.head("POST", path, size))
        # In step with all others: each has begun before any is done.
        for start in range(0, len(common), 64 * 1024):
            writer.write(common[start : start + 64 * 1024])
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(tail)
        await writer.drain()
        status, _ = await status_of(reader, 60)
        case.answers[status] += 1
        return writer

    return await case.all(client, 1000, at_once=1000)


def prepare_stalled_pulls(case):
    case.blob = case.user.push_blob("greedy/app", b"s" * 64 * MIB)


async def stalled_pulls(case):
    """Pulls of a large blob that stop after the first bytes."""

    async def client(_):
        reader, writer = await case.connect()
        await write(writer, case.head("GET", f"/v2/greedy/app/blobs/{case.blob}"))
        status, _ = await status_of(reader, 30)
        case.answers[status] += 1
        unread(reader)
        return writer

    return await case.all(client, 1000)


CASES = {
    "unread-answers": unread_answers,
    "unfinished-forms": unfinished_forms,
    "unfinished-manifests": unfinished_manifests,
    "zero-window-manifests": zero_window_manifests,
    "busy-session": busy_session,
    "pushes": pushes,
    "stalled-pulls": stalled_pulls,
}


class Http2:
    """Just enough of HTTP/2 (RFC 9113) to misuse it: headers without compression, windows, and the status of answers."""

    DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8

    def __init__(self, case, streams, window=65_535):
        self.case, (self.reader, self.writer) = case, streams
        self.next, self.initial, self.connection = 1, 65_535, 65_535
        self.windows = collections.defaultdict(int)
        self.closed, self.statuses = set(), collections.Counter()
        self.writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.frame(self.SETTINGS, 0, 0, struct.pack(">HI", 4, window))

    def frame(self, kind, flags, stream, payload):
        self.writer.write(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload)

    def request(self, method, path, body=False):
        headers = [
            (":method", method), (":scheme", "https"), (":authority", f"localhost:{self.case.port}"), (":path", path),
            ("authorization", f"Bearer {self.case.user.bearer}"),
        ]
        block = b"".join(b"\x00" + text(name) + text(value) for name, value in headers)
        stream, self.next = self.next, self.next + 2
        self.frame(self.HEADERS, 4 if body else 5, stream, block)
        return stream

    async def fill(self, stream, most):
        """Sends as much of a body as the windows allow."""
        while most > 0 and stream not in self.closed:
            room = min(self.initial + self.windows[stream], self.connection, 16_384, most)
            if room <= 0:
                return
            self.frame(self.DATA, 0, stream, b"d" * room)
            self.windows[stream] -= room
            self.connection -= room
            most -= room
            await self.writer.drain()

    async def read_for(self, seconds):
        try:
            await asyncio.wait_for(self.read(), seconds)
        except (asyncio.TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass

    async def read(self):
        while True:
            head = await self.reader.readexactly(9)
            length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            stream = int.from_bytes(head[5:], "big") & 0x7FFF_FFFF
            self.take(kind, flags, stream, await self.reader.readexactly(length))

    def take(self, kind, flags, stream, payload):
        if kind == self.SETTINGS and not flags & 1:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, at)
                self.initial = value if name == 4 else self.initial
            self.frame(self.SETTINGS, 1, 0, b"")
        elif kind == self.PING and not flags & 1:
            self.frame(self.PING, 1, 0, payload)
        elif kind == self.WINDOW_UPDATE:
            grown = int.from_bytes(payload, "big")
            if stream:
                self.windows[stream] += grown
            else:
                self.connection += grown
        elif kind == self.HEADERS:
            self.statuses[status(payload)] += 1
        elif kind in (self.RST, self.GOAWAY):
            self.closed.add(stream)
            self.statuses["reset" if kind == self.RST else "goaway"] += 1


def text(value):
    """A string literal of HPACK (RFC 7541, section 5.2), not compressed."""
    value = value.encode()
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, more = len(value) - 127, b"\x7f"
    while rest >= 128:
        more, rest = more + bytes([rest & 127 | 128]), rest >> 7
    return more + bytes([rest]) + value


def status(block):
    """The status of an answer, which comes first: from the static table (section 6.1), or as text of digits."""
    known = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
    # A server may begin with changes of its table's size.
    block = block.lstrip(b"\x20\x3f\xe1\x1f")
    if block[:1] and block[0] in known:
        return known[block[0]]
    plain = re.match(rb".\x03(\d{3})", block, re.DOTALL)
    return int(plain[1]) if plain else huffman_digits(block)


def huffman_digits(block):
    """Digits have codes of five or six bits (Appendix B)."""
    codes = {"00000": "0", "00001": "1", "00010": "2"}
    codes.update({f"{0x19 + number - 3:06b}": str(number) for number in range(3, 10)})
    length = block[1] & 0x7F if len(block) > 1 else 0
    bits = "".join(f"{byte:08b}" for byte in block[2 : 2 + length])
    found, at = "", 0
    while len(found) < 3 and at < len(bits):
        for size in (5, 6):
            if bits[at : at + size] in codes:
                found += codes[bits[at : at + size]]
                at += size
                break
        else:
            break
    return int(found) if len(found) == 3 else "unread"

"""Writes a file into a bucket as a good client does: a multipart upload of equal parts, several at a time over connections that are kept.
Prints the seconds. What a registry can reach at most, since it sends the same parts to the same server.

    s3_write.py https://HOST:PORT BUCKET NAME FILE PART-BYTES AT-ONCE     keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
"""

import datetime
import hashlib
import hmac
import http.client
import os
import queue
import ssl
import sys
import threading
import time
import urllib.parse

endpoint, bucket, name, file, part_bytes, at_once = sys.argv[1:]
host = urllib.parse.urlsplit(endpoint).netloc
trust = ssl.create_default_context()
trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE


def signed(method, query):
    """The headers of a request whose body is not signed: TLS guards it."""
    now = datetime.datetime.now(datetime.timezone.utc)
    day, moment = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": moment}
    names = ";".join(sorted(headers))
    lines = "".join(f"{key}:{headers[key]}\n" for key in sorted(headers))
    canonical = "\n".join([method, f"/{bucket}/{name}", query, lines, names, "UNSIGNED-PAYLOAD"])
    scope = f"{day}/us-east-1/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    for step in [*scope.split("/"), text]:
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={key.hex()}"
    return {**headers, "authorization": authorization}


def ask(connection, method, query, body=b""):
    connection.request(method, f"/{bucket}/{name}?{query}", body, signed(method, query))
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{method} ?{query}: {answer.status} {text[:300]!r}")
    return answer, text.decode()


def connect():
    return http.client.HTTPSConnection(host, context=trust, timeout=60, blocksize=1024 * 1024)


def send(upload, numbers, tags):
    connection, source = connect(), os.open(file, os.O_RDONLY)
    while (number := numbers.get()) is not None:
        body = os.pread(source, int(part_bytes), (number - 1) * int(part_bytes))
        answer, _ = ask(connection, "PUT", f"partNumber={number}&uploadId={upload}", body)
        tags[number] = answer.headers["ETag"]


began = time.monotonic()
connection = connect()
upload = ask(connection, "POST", "uploads=")[1].split("<UploadId>")[1].split("<")[0]
count = -(-os.path.getsize(file) // int(part_bytes))
numbers, tags = queue.Queue(), {}
for number in [*range(1, count + 1), *[None] * int(at_once)]:
    numbers.put(number)
threads = [threading.Thread(target=send, args=(upload, numbers, tags)) for _ in range(int(at_once))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{tags[n]}</ETag></Part>" for n in range(1, count + 1))
_, text = ask(connection, "POST", f"uploadId={upload}", f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode())
if "<ETag>" not in text:
    sys.exit(f"not completed: {text[:300]}")
print(f"{time.monotonic() - began:.3f}")

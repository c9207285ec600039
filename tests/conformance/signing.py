"""Signature Version 4 by hand, to send what no client would, at times that are not now.

AWS: IAM User Guide, "Create a signed AWS API request".
"""

import datetime
import hashlib
import hmac
import http.client
import json
import socket
from urllib.parse import quote

from program import REGION


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signed(server, service, body, target=None, method="POST", path="/", key="test", secret="test", token=None, at=None):
    """The headers of a request, signed at the time `at`."""
    at = at or datetime.datetime.now(datetime.timezone.utc)
    stamp, day = at.strftime("%Y%m%dT%H%M%SZ"), at.strftime("%Y%m%d")
    headers = {"host": f"127.0.0.1:{server.port}", "x-amz-date": stamp}
    if target:
        headers["content-type"] = "application/x-amz-json-1.1"
        headers["x-amz-target"] = target
    if service == "s3":
        headers["x-amz-content-sha256"] = sha256(body)
    if token:
        headers["x-amz-security-token"] = token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    # S3 signs the path as it is; all others encode it once more.
    canonical_path = path if service == "s3" else quote(path)
    canonical = f"{method}\n{canonical_path}\n\n{lines}\n{names}\n{sha256(body)}"
    scope = f"{day}/{REGION}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode())}"
    signing_key = mac(mac(mac(mac(f"AWS4{secret}".encode(), day), REGION), service), "aws4_request")
    signature = mac(signing_key, to_sign).hex()
    credential = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": credential}


class Answer:
    """An HTTP answer: status, headers in lower case, body."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def error(self):
        """(status, code, message) of a JSON error; every answer has a request id."""
        assert self.headers.get("x-amzn-requestid"), self.headers
        body = json.loads(self.body)
        code = self.headers.get("x-amzn-errortype") or body["__type"]
        return self.status, code.split("#")[-1].split(":")[0], body.get("message") or body.get("Message") or ""


def send(server, headers, body, method="POST", path="/"):
    """Sends one request as it is given."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, body=body, headers=headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def call(server, service, target, body, **how):
    """One JSON call; the body may be anything, such as no JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return send(server, signed(server, service, data, target=target, **how), data)


def raw(server, data, seconds=60):
    """Writes bytes and returns what comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        received = b""
        try:
            connection.sendall(data)
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionError:
            pass
        return received

"""Queues killed again and again under load: what was acknowledged is there, what was deleted stays away, groups keep their order."""

import collections
import random
import threading
import time

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, HTTPClientError

SEED = 20261127
KILLS = 5
VISIBILITY_S = 5
GONE = (ConnectionClosedError, EndpointConnectionError, HTTPClientError, ConnectionError)
GROUPS = ("a", "b", "c")


class Load:
    """Senders and receivers that note what was acknowledged, and end when the server does."""

    def __init__(self, sqs, url, fifo):
        self.sqs = sqs
        self.url = url
        self.fifo = fifo
        self.sent = set()
        self.attempted_deletes = set()
        self.deleted = set()
        self.reappeared = []
        self.refusals = []
        self.order = collections.defaultdict(list)
        self.lock = threading.Lock()
        self.numbers = collections.Counter()

    def send(self, sender):
        group = GROUPS[sender % len(GROUPS)]
        for _ in range(200):
            self.numbers[sender] += 1
            body = f"{sender}-{self.numbers[sender]}"
            how = {"MessageGroupId": group, "MessageDeduplicationId": body} if self.fifo else {}
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **how)
            self.sent.add(body)

    def receive(self, _):
        while True:
            self.work_off(WaitTimeSeconds=1)

    def work_off(self, **how):
        """Receives and deletes once; how many messages came."""
        answer = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, **how)
        messages = answer.get("Messages", [])
        received = time.monotonic()
        for message in messages:
            body = message["Body"]
            with self.lock:
                if body in self.deleted:
                    self.reappeared.append(body)
                self.attempted_deletes.add(body)
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            if time.monotonic() - received > VISIBILITY_S / 2:
                # Somebody else may have it by now, and then the answer says nothing.
                continue
            with self.lock:
                self.deleted.add(body)
                sender, number = body.split("-")
                self.order[sender].append(int(number))
        return len(messages)

    def run(self, work, number):
        try:
            work(number)
        except GONE:
            pass
        except ClientError as error:
            # A FIFO message whose time is up may be another's by now.
            if "expired" not in str(error):
                self.refusals.append(str(error))

    def begin(self):
        # One sender a group, so that the order of a group is the order of its numbers.
        workers = [(self.send, n) for n in range(len(GROUPS))] + [(self.receive, n) for n in range(3)]
        self.threads = [threading.Thread(target=self.run, args=worker) for worker in workers]
        for thread in self.threads:
            thread.start()

    def end(self):
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
def test_what_was_acknowledged_survives_every_kill(own_server, fifo):
    server = own_server
    moments = random.Random(SEED)
    sqs = server.client("sqs", max_pool_connections=20, retries={"total_max_attempts": 1})
    attributes = {"VisibilityTimeout": str(VISIBILITY_S), **({"FifoQueue": "true"} if fifo else {})}
    url = sqs.create_queue(QueueName="crash.fifo" if fifo else "crash", Attributes=attributes)["QueueUrl"]
    load = Load(sqs, url, fifo)
    for _ in range(KILLS):
        load.begin()
        time.sleep(moments.uniform(0.2, 1.2))
        server.kill()
        load.end()
        server.start()
    empty = 0
    while empty <= VISIBILITY_S + 1:
        empty = 0 if load.work_off(WaitTimeSeconds=1) else empty + 1
    assert load.refusals == []
    assert load.reappeared == []
    lost = load.sent - load.attempted_deletes
    assert not lost, f"{len(lost)} of {len(load.sent)}: {sorted(lost)[:10]}"
    assert len(load.sent) > 50 and len(load.deleted) > 50
    if fifo:
        for sender, numbers in load.order.items():
            # What was deleted without an answer is not noted, so numbers may be missing, but never out of turn.
            assert numbers == sorted(numbers), (sender, numbers)
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (shown["ApproximateNumberOfMessages"], shown["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")

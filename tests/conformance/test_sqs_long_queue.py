"""A queue longer than what the program holds of it in memory, across kill -9."""

import concurrent.futures
import threading

import pytest

# The program holds 20,000 messages of a queue in memory.
MESSAGES = 22_000
THREADS = 8
BATCH = 10


def send(sqs, url, numbers):
    def batch(start):
        entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(start, start + BATCH)]
        assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == BATCH

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(batch, range(numbers.start, numbers.stop, BATCH)))


def receive(sqs, url):
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=BATCH, VisibilityTimeout=3600)
    return answer.get("Messages", [])


def delete(sqs, url, messages):
    entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
    assert len(sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == len(messages)


def work_off(sqs, url, enough):
    """Receives and deletes with several consumers until there is nothing left, or enough has come; what came."""
    bodies, lock = [], threading.Lock()

    def consume(_):
        while len(bodies) < enough:
            messages = receive(sqs, url)
            if not messages:
                return
            delete(sqs, url, messages)
            with lock:
                bodies.extend(int(message["Body"]) for message in messages)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(consume, range(THREADS)))
    return bodies


def counts(sqs, url):
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return [int(shown[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible", "Delayed")]


@pytest.mark.parametrize("killed", [False, True], ids=["running", "killed"])
def test_a_long_queue_loses_and_doubles_nothing(own_server, killed):
    def interrupt():
        if killed:
            own_server.kill()
            own_server.start()

    sqs = own_server.client("sqs", max_pool_connections=THREADS, retries={"total_max_attempts": 1})
    url = sqs.create_queue(QueueName="long")["QueueUrl"]
    send(sqs, url, range(0, MESSAGES // 2))
    interrupt()
    send(sqs, url, range(MESSAGES // 2, MESSAGES))
    assert counts(sqs, url) == [MESSAGES, 0, 0]
    held = [message for _ in range(BATCH) for message in receive(sqs, url)]
    assert len(held) == BATCH * BATCH
    bodies = work_off(sqs, url, MESSAGES // 3)
    interrupt()
    bodies += work_off(sqs, url, MESSAGES)
    assert counts(sqs, url) == [0, len(held), 0]
    for start in range(0, len(held), BATCH):
        delete(sqs, url, held[start : start + BATCH])
    bodies += [int(message["Body"]) for message in held]
    assert sorted(bodies) == list(range(MESSAGES))
    assert counts(sqs, url) == [0, 0, 0]
    assert receive(sqs, url) == []

"""Publishing to a topic while the server is killed."""

import threading

from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, HTTPClientError
from program import until

WRITERS = 4


def publish_until_the_end(server, topic, life, most, acknowledged):
    """Publishes, notes what was acknowledged, and ends when the server does."""
    sns = server.client("sns")
    for n in range(most):
        text = f"{life}-{n}"
        try:
            sns.publish(TopicArn=topic, Message=text)
        except (ConnectionClosedError, EndpointConnectionError, HTTPClientError):
            return
        acknowledged.add(text)


def publish_through_kills(server, topic, lives, least, most):
    """Lets writers publish at most `most` messages each in every life, and kills the server after more than `least`.

    Returns what was acknowledged. The server runs again."""
    acknowledged = set()
    for life in range(lives):
        writers = [
            threading.Thread(target=publish_until_the_end, args=(server, topic, f"{life}-{n}", most, acknowledged))
            for n in range(WRITERS)
        ]
        for writer in writers:
            writer.start()
        before = len(acknowledged)
        until(lambda: len(acknowledged) > before + least, "some are acknowledged")
        server.kill()
        for writer in writers:
            writer.join()
        server.start()
    return acknowledged

"""How a refusal is looked at."""

import pytest
from botocore.exceptions import ClientError


def refusal(operation, **parameters):
    """(status, code, message) of a call that must be refused."""
    with pytest.raises(ClientError) as caught:
        operation(**parameters)
    return refused(caught.value)


def refused(error):
    response = error.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]

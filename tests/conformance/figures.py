"""What CloudWatch has of a service's metrics."""

import datetime
import time

from program import until


class Figures:
    """The metrics of a namespace over the last minutes."""

    def __init__(self, server, namespace, **dimensions):
        self.cw = server.client("cloudwatch")
        self.namespace, self.dimensions = namespace, dimensions

    def of(self, name, stat="Sum", **more):
        """The statistic over everything, none if there is nothing."""
        now = int(time.time()) // 3600 * 3600
        dimensions = [{"Name": key, "Value": value} for key, value in {**self.dimensions, **more}.items()]
        points = self.cw.get_metric_statistics(
            Namespace=self.namespace,
            MetricName=name,
            Dimensions=dimensions,
            StartTime=datetime.datetime.fromtimestamp(now - 3600, datetime.timezone.utc),
            EndTime=datetime.datetime.fromtimestamp(now + 7200, datetime.timezone.utc),
            Period=10800,
            Statistics=[stat],
        )["Datapoints"]
        return points[0][stat] if points else None

    def become(self, expect, **more):
        """Waits until the sums are as expected; what they become instead is the failure."""
        found = {}

        def are():
            found.update({name: self.of(name, **more) for name in expect})
            return found == expect

        try:
            until(are, "figures")
        except AssertionError:
            assert found == expect

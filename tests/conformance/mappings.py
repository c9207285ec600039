"""Functions and event source mappings to them."""

from functions import create_function, create_role


class Mappings:
    """The functions, mappings and queues of one test, on one server."""

    def __init__(self, server, name, code, *statements):
        self.server, self.name, self.code = server, name, code
        self.sqs, self.lambda_ = server.client("sqs"), server.client("lambda")
        self.mappings, self.queues, self.functions = [], [], []
        self.role = create_role(server, f"{name}-role", *statements)

    def function(self, handler, **settings):
        own = f"{self.name}-{handler}-{len(self.functions)}"
        create_function(self.server, own, settings.pop("Role", self.role), self.code, handler, **settings)
        self.functions.append(own)
        return own

    def map(self, function, source, **settings):
        made = self.lambda_.create_event_source_mapping(FunctionName=function, EventSourceArn=source, **settings)
        self.mappings.append(made["UUID"])
        return made

    def close(self):
        for uuid in self.mappings:
            try:
                self.lambda_.delete_event_source_mapping(UUID=uuid)
            except self.lambda_.exceptions.ResourceNotFoundException:
                pass
        for function in self.functions:
            self.lambda_.delete_function(FunctionName=function)
        for url in self.queues:
            self.sqs.delete_queue(QueueUrl=url)

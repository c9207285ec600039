//! SQS: queues and messages.

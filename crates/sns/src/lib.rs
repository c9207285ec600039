//! SNS: topics and subscriptions.

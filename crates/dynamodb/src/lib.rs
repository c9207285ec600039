//! DynamoDB: tables, items, indexes, transactions.

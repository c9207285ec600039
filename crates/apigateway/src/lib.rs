//! API Gateway: REST APIs, from their definition to their answers.

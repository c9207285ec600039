//! What can go wrong, as CloudWatch words it. The JSON and CBOR protocols name the shape, the query protocol its older code.

use cauce_core::ServiceError;
use cauce_store::StoreError;

/// An error of CloudWatch.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// A parameter has a value that it must not have.
    #[error("{0}")]
    Value(String),
    /// Parameters do not go together.
    #[error("{0}")]
    Combination(String),
    /// A parameter is not there.
    #[error("{0}")]
    Missing(String),
    /// A constraint of the request is violated.
    #[error("{0}")]
    Validation(String),
    /// The token is not one that this operation has given out for this request.
    #[error("The specified NextToken is invalid.")]
    NextToken,
    /// There would be more metrics than this server keeps.
    #[error("This server keeps at most {max} metrics")]
    TooManyMetrics {
        /// The limit.
        max: usize,
    },
    /// There is no such dashboard.
    #[error("Dashboard {0} does not exist")]
    DashboardNotFound(String),
    /// A dashboard's name or body is not allowed.
    #[error("{message}")]
    Dashboard {
        /// The whole text.
        message: String,
        /// Where in the body, and what.
        details: Vec<(String, String)>,
    },
    /// What was asked for is not built.
    #[error("{0}")]
    Unsupported(String),
    /// The store cannot answer.
    #[error("the store refused")]
    Store(#[from] StoreError),
}

impl MetricsError {
    pub(crate) fn value(message: impl Into<String>) -> MetricsError {
        MetricsError::Value(message.into())
    }

    pub(crate) fn validation(message: impl Into<String>) -> MetricsError {
        MetricsError::Validation(message.into())
    }

    /// The value of a parameter is not allowed.
    pub(crate) fn invalid(value: impl std::fmt::Display, parameter: &str) -> MetricsError {
        MetricsError::Value(format!("The value {value} for parameter {parameter} is invalid."))
    }

    /// A parameter that must be there.
    pub(crate) fn required(parameter: &str) -> MetricsError {
        MetricsError::Missing(format!("The parameter {parameter} is required."))
    }

    /// A list that is too long.
    pub(crate) fn collection(name: &str, max: usize) -> MetricsError {
        MetricsError::Value(format!("The collection {name} must not have a size greater than {max}."))
    }

    /// Two parameters of which only one may be there.
    pub(crate) fn exclusive(one: &str, other: &str) -> String {
        format!("The parameters {one} and {other} are mutually exclusive and you have specified both.")
    }
}

impl From<MetricsError> for ServiceError {
    fn from(error: MetricsError) -> ServiceError {
        let message = error.to_string();
        let shaped = |status, shape, code| ServiceError::new(status, shape, message.clone()).with_query_code(code);
        match error {
            MetricsError::Value(_) => shaped(400, "InvalidParameterValueException", "InvalidParameterValue"),
            MetricsError::Combination(_) => {
                shaped(400, "InvalidParameterCombinationException", "InvalidParameterCombination")
            }
            MetricsError::Missing(_) => shaped(400, "MissingRequiredParameterException", "MissingParameter"),
            MetricsError::Validation(_) => ServiceError::new(400, "ValidationError", message),
            MetricsError::NextToken => ServiceError::new(400, "InvalidNextToken", message),
            MetricsError::TooManyMetrics { .. } => shaped(400, "LimitExceededFault", "LimitExceeded"),
            MetricsError::DashboardNotFound(_) => shaped(404, "DashboardNotFoundError", "ResourceNotFound"),
            MetricsError::Dashboard { details, .. } => {
                let details = details
                    .into_iter()
                    .map(|(path, message)| serde_json::json!({ "DataPath": path, "Message": message }));
                shaped(400, "DashboardInvalidInputError", "InvalidParameterInput")
                    .with_field("dashboardValidationMessages", details.collect::<Vec<_>>())
            }
            MetricsError::Unsupported(_) => ServiceError::new(400, "UnsupportedOperation", message),
            MetricsError::Store(cause) => {
                let message = "The service cannot complete the request.";
                ServiceError::new(500, "InternalServiceFault", message)
                    .with_query_code("InternalServiceError")
                    .with_cause(cause)
            }
        }
    }
}

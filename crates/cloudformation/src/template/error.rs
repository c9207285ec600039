//! What is wrong with a template, in the words of CloudFormation.

/// Why a template is refused. The text is what the client reads, under the code `ValidationError`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(pub String);

impl TemplateError {
    /// `Template format error: ...`: the template does not have the shape it must have.
    pub fn format(message: impl AsRef<str>) -> TemplateError {
        TemplateError(format!("Template format error: {}", message.as_ref()))
    }

    /// `Template error: ...`: a function of the template is not used as it must be.
    pub fn function(message: impl AsRef<str>) -> TemplateError {
        TemplateError(format!("Template error: {}", message.as_ref()))
    }
}

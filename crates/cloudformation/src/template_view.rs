//! Templates as they are shown.
//!
//! AWS: *CloudFormation API Reference*, GetTemplate, GetTemplateSummary, ValidateTemplate.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::keys;
use crate::model::{StackRecord, TemplateRecord};
use crate::prepare;
use crate::sam;
use crate::service::{CloudFormation, existing};
use crate::source;
use crate::template::{ParameterDeclaration, Template};
use crate::types::capabilities;

/// `GetTemplate`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetTemplateInput {
    /// The stack, by name or ARN.
    pub stack_name: Option<String>,
    /// The change set, by name together with its stack.
    pub change_set_name: Option<String>,
    /// `Original` (the default) or `Processed`.
    pub template_stage: Option<String>,
}

impl Input for GetTemplateInput {
    fn validate(&self, v: &mut Violations) {
        if let Some(stage) = &self.template_stage {
            v.one_of("TemplateStage", stage, &["Original", "Processed"]);
        }
    }
}

/// The answer of `GetTemplate`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetTemplateOutput {
    /// The text.
    pub template_body: String,
    /// What may be asked for.
    pub stages_available: Vec<&'static str>,
}

/// `GetTemplateSummary` and `ValidateTemplate`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TemplateInput {
    /// The template.
    pub template_body: Option<String>,
    /// Where the template is.
    #[serde(rename = "TemplateURL")]
    pub template_url: Option<String>,
    /// Summary only: the stack whose template is meant.
    pub stack_name: Option<String>,
}

impl Input for TemplateInput {}

/// What a parameter's value may be.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConstraintsView {
    /// The only values allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_values: Vec<String>,
}

/// A declared parameter.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(
    missing_docs,
    reason = "members are those of the AWS model: CloudFormation API Reference, ParameterDeclaration"
)]
pub struct DeclarationView {
    pub parameter_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter_type: Option<String>,
    pub no_echo: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter_constraints: Option<ConstraintsView>,
}

/// The answer of `GetTemplateSummary`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "members are those of the AWS model: CloudFormation API Reference, GetTemplateSummary")]
pub struct TemplateSummary {
    pub parameters: Vec<DeclarationView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities_reason: Option<String>,
    pub resource_types: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub declared_transforms: Vec<String>,
}

/// The answer of `ValidateTemplate`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "members are those of the AWS model: CloudFormation API Reference, ValidateTemplate")]
pub struct ValidateTemplateOutput {
    pub parameters: Vec<DeclarationView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities_reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub declared_transforms: Vec<String>,
}

fn declared(parameters: &BTreeMap<String, ParameterDeclaration>, types: bool) -> Vec<DeclarationView> {
    parameters
        .iter()
        .map(|(key, declared)| DeclarationView {
            parameter_key: key.clone(),
            default_value: declared.default.clone(),
            parameter_type: types.then(|| declared.type_name.clone()),
            no_echo: declared.no_echo,
            description: declared.description.clone(),
            parameter_constraints: types.then(|| ConstraintsView { allowed_values: declared.allowed_values.clone() }),
        })
        .collect()
}

/// What can be said of a template without its parameters.
fn summary(original: String) -> Result<TemplateSummary, Error> {
    let text = prepare::read(original)?;
    let mut document = text.document;
    let serverless = text.transforms.iter().any(|name| name == sam::TRANSFORM);
    if let Value::Object(root) = &mut document
        && serverless
    {
        root.remove("Globals");
    }
    let template = Template::read(&document)?;
    let mut needed: Vec<&'static str> = capabilities(&template).into_iter().collect();
    let mut reasons = Vec::new();
    let types: Vec<String> = template.resource_types().into_iter().map(str::to_owned).collect();
    if !needed.is_empty() {
        let iam: Vec<&str> = types.iter().map(String::as_str).filter(|name| name.starts_with("AWS::IAM::")).collect();
        reasons.push(format!("The following resource(s) require capabilities: [{}]", iam.join(", ")));
    }
    if !text.transforms.is_empty() {
        needed.push("CAPABILITY_AUTO_EXPAND");
        reasons.push(format!("The following transform(s) require capabilities: [{}]", text.transforms.join(", ")));
    }
    Ok(TemplateSummary {
        parameters: declared(&text.parameters, true),
        description: template.description,
        capabilities: needed,
        capabilities_reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
        resource_types: types,
        version: document.get("AWSTemplateFormatVersion").and_then(Value::as_str).map(str::to_owned),
        metadata: template.metadata.map(|metadata| metadata.to_string()),
        declared_transforms: text.transforms,
    })
}

impl CloudFormation {
    /// The template of a stack or change set: the text as it was given, or what transforms have made of it.
    ///
    /// # Errors
    /// `ValidationError` if there is no such stack, `ChangeSetNotFound`.
    pub async fn get_template(
        self: Arc<Self>,
        call: Call,
        input: GetTemplateInput,
    ) -> Result<GetTemplateOutput, Error> {
        let name = input.stack_name.as_deref().unwrap_or_default();
        let change_set = input.change_set_name.as_deref().filter(|name| !name.is_empty());
        let record = self
            .engine
            .db
            .transact(async |tx| {
                let stack = existing(&tx, &call, name).await?;
                match change_set {
                    Some(change_set) => {
                        let key = keys::change_set_template(&stack.uuid, change_set);
                        let found: Option<TemplateRecord> = tx.get_record(&key).await?;
                        found.ok_or_else(|| Error::ChangeSetNotFound(change_set.to_owned()))
                    }
                    None => {
                        let key = keys::template(&stack.uuid, number(&stack));
                        let found: Option<TemplateRecord> = tx.get_record(&key).await?;
                        found.ok_or_else(|| Error::Validation(format!("Stack with id {name} does not have a template")))
                    }
                }
            })
            .await?;
        let processed = input.template_stage.as_deref() == Some("Processed");
        Ok(GetTemplateOutput {
            template_body: if processed && !record.transforms.is_empty() {
                record.processed.to_string()
            } else {
                record.original
            },
            stages_available: vec!["Original", "Processed"],
        })
    }

    /// What a template declares, given as text, as address, or as the template of a stack.
    ///
    /// # Errors
    /// `ValidationError` for what is wrong with the template, or if there is no such stack.
    pub async fn get_template_summary(
        self: Arc<Self>,
        call: Call,
        input: TemplateInput,
    ) -> Result<TemplateSummary, Error> {
        let previous = match input.stack_name.as_deref().filter(|name| !name.is_empty()) {
            None => None,
            Some(name) => {
                let record: Option<TemplateRecord> = self
                    .engine
                    .db
                    .transact(async |tx| {
                        let stack = existing(&tx, &call, name).await?;
                        Ok::<_, Error>(tx.get_record(&keys::template(&stack.uuid, number(&stack))).await?)
                    })
                    .await?;
                let missing = || Error::Validation(format!("Stack with id {name} does not have a template"));
                Some(record.ok_or_else(missing)?.original)
            }
        };
        let (body, url) = (input.template_body.as_deref(), input.template_url.as_deref());
        summary(source::text(&*self.engine.objects, &call, body, url, previous).await?)
    }

    /// Reads a template and says what is wrong with it, as far as that can be told without parameters.
    ///
    /// # Errors
    /// `ValidationError`.
    pub async fn validate_template(
        self: Arc<Self>,
        call: Call,
        input: TemplateInput,
    ) -> Result<ValidateTemplateOutput, Error> {
        let (body, url) = (input.template_body.as_deref(), input.template_url.as_deref());
        let text = source::text(&*self.engine.objects, &call, body, url, None).await?;
        let summary = summary(text)?;
        let parameters = summary
            .parameters
            .into_iter()
            .map(|one| DeclarationView { parameter_type: None, parameter_constraints: None, ..one })
            .collect();
        Ok(ValidateTemplateOutput {
            parameters,
            description: summary.description,
            capabilities: summary.capabilities,
            capabilities_reason: summary.capabilities_reason,
            declared_transforms: summary.declared_transforms,
        })
    }
}

/// The number of the template that a stack has, or is getting if it has none.
fn number(stack: &StackRecord) -> u64 {
    match &stack.operation {
        Some(operation) if stack.settings.template == 0 => operation.target.template,
        _ => stack.settings.template,
    }
}

//! `cauce deploy`: builds what a template's functions need, uploads it, and brings the stack to what the template says.

mod artifact;
mod build;
mod stack;

use std::path::Path;

use anyhow::{Context as _, Result};
use cauce_cloudformation::template::{Aliases, parse};
use serde_json::{Value, json};

use crate::cli;
use crate::progress::Progress;
use cauce_client::Client;

pub(crate) use stack::{StackOutputs, delete};

/// A deployment that was asked for.
pub(crate) struct Deployment<'a> {
    pub(crate) template: &'a Path,
    pub(crate) stack_name: &'a str,
    pub(crate) parameters: &'a [(String, String)],
}

/// The command.
pub(crate) async fn command(args: &cli::Deploy) -> Result<()> {
    let client = crate::client_of(&args.client)?;
    let progress = Progress::to_stderr();
    let deployment =
        Deployment { template: &args.template, stack_name: &args.stack_name, parameters: &args.parameter_overrides };
    let outputs = deploy(&client, &deployment, &progress).await?;
    match args.client.output {
        cli::Output::Json => println!("{}", json!({ "StackName": args.stack_name, "Outputs": outputs })),
        cli::Output::Text => {
            for (name, value) in &outputs {
                println!("{name} = {value}");
                if let Some(here) = local_url(&args.client.endpoint, value) {
                    println!("{:width$} = {here}", "", width = name.len());
                }
            }
        }
    }
    Ok(())
}

/// Where the stage is served here whose URL on AWS a template has put together.
fn local_url(endpoint: &str, on_aws: &str) -> Option<String> {
    let rest = on_aws.strip_prefix("https://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (api, _region) = host.strip_suffix(".amazonaws.com")?.split_once(".execute-api.")?;
    Some(format!("{}/_apis/{api}/{path}", endpoint.trim_end_matches('/')))
}

/// Builds, uploads and deploys; returns the stack's outputs.
///
/// # Errors
/// What cannot be read, built or deployed, with the reason that the builder or the server gave.
pub(crate) async fn deploy(client: &Client, deployment: &Deployment<'_>, progress: &Progress) -> Result<StackOutputs> {
    let path = deployment.template;
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut template = parse(&text, Aliases::Expanded).with_context(|| path.display().to_string())?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for package in build::packages(&template, folder)? {
        let archive = build::archive(&package, progress).await?;
        let place = artifact::upload(client, &archive, progress).await?;
        for (resource, property) in &package.used_by {
            replace(&mut template, resource, property, &place);
        }
    }
    stack::apply(client, deployment, &template, progress).await
}

/// Puts the place of an uploaded package where the template named a folder.
fn replace(template: &mut Value, resource: &str, property: &str, place: &artifact::Place) {
    let properties =
        template.pointer_mut("/Resources").and_then(|r| r.get_mut(resource)).and_then(Value::as_object_mut);
    let Some(resource) = properties else { return };
    let properties = resource.entry("Properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        let value = match property {
            "Code" => json!({ "S3Bucket": place.bucket, "S3Key": place.key }),
            _ => json!(format!("s3://{}/{}", place.bucket, place.key)),
        };
        properties.insert(property.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::local_url;

    #[test]
    fn urls_of_stages_have_a_form_that_leads_here() {
        let check = |on_aws: &str, expect: Option<&str>| {
            assert_eq!(local_url("http://127.0.0.1:4566/", on_aws).as_deref(), expect, "{on_aws}");
        };
        let here = Some("http://127.0.0.1:4566/_apis/a1b2/prod/orders");
        check("https://a1b2.execute-api.us-east-1.amazonaws.com/prod/orders", here);
        check("https://sqs.us-east-1.amazonaws.com/0/q", None);
        check("a1b2.execute-api.us-east-1.amazonaws.com/prod", None);
    }
}

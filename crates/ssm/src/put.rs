//! Parameters: made and given new versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Tag, Violations};
use cauce_store::Tx;
use cauce_wire::Input;
use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{Parameter, Tier, Type, Version};
use crate::name::{self, Reference};
use crate::service::ParameterStore;
use crate::tags;

/// The longest value of the standard tier, in bytes of UTF-8. AWS: Systems Manager quotas.
pub const STANDARD_CHARS_MAX: usize = 4_096;
/// The longest value of the advanced tier, in bytes of UTF-8.
pub const ADVANCED_CHARS_MAX: usize = 8_192;
/// How many standard parameters an account may have in a region.
pub const STANDARD_MAX: i64 = 10_000;
/// How many advanced parameters an account may have in a region.
pub const ADVANCED_MAX: i64 = 100_000;
/// How many versions of a parameter are kept; the oldest goes when another comes.
pub const VERSIONS_MAX: u64 = 100;

const OWN_KEY: &str = "alias/aws/ssm";

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutParameter {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) value: String,
    pub(crate) r#type: Option<String>,
    pub(crate) key_id: Option<String>,
    pub(crate) overwrite: Option<bool>,
    pub(crate) allowed_pattern: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    pub(crate) tier: Option<String>,
    pub(crate) policies: Option<String>,
    pub(crate) data_type: Option<String>,
}

impl Input for PutParameter {
    fn validate(&self, v: &mut Violations) {
        name::validate(v, &self.name);
        if let Some(description) = &self.description {
            v.length("description", description, 0, 1_024);
        }
        if self.value.is_empty() {
            v.length("value", "", 1, ADVANCED_CHARS_MAX);
        }
        if let Some(kind) = &self.r#type {
            v.one_of("type", kind, &["SecureString", "StringList", "String"]);
        }
        if let Some(pattern) = &self.allowed_pattern {
            v.length("allowedPattern", pattern, 0, 1_024);
        }
        if let Some(tier) = &self.tier {
            v.one_of("tier", tier, &["Advanced", "Intelligent-Tiering", "Standard"]);
        }
        if let Some(data_type) = &self.data_type {
            v.length("dataType", data_type, 0, 128);
        }
        Tag::validate(v, &self.tags);
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutParameterOutput {
    version: u64,
    tier: &'static str,
}

impl ParameterStore {
    pub(crate) async fn put_parameter(
        self: Arc<Self>,
        call: Call,
        input: PutParameter,
    ) -> Result<PutParameterOutput, Error> {
        tags::check(&input.tags)?;
        let own = Tag::map(&input.tags);
        self.put(&call, &input, own).await
    }

    /// Puts a parameter; a new one gets these tags, checked already.
    pub(crate) async fn put(
        &self,
        call: &Call,
        input: &PutParameter,
        tags: BTreeMap<String, String>,
    ) -> Result<PutParameterOutput, Error> {
        refuse(input)?;
        let overwrite = input.overwrite.unwrap_or(false);
        let Reference { place, names, .. } = Reference::read(call, &input.name);
        let name = names.into_iter().next().unwrap_or_default();
        if overwrite && !input.tags.is_empty() {
            let message = "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please \
                           remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or \
                           RemoveTagsFromResource.";
            return Err(Error::Invalid(message.to_owned()));
        }
        self.db
            .transact(async |tx| {
                let found: Option<Parameter> = tx.get_record(&keys::parameter(&place, &name)).await?;
                let next = match found {
                    Some(_) if !overwrite => return Err(Error::Exists),
                    Some(found) => self.overwrite(&tx, call, &place, found, input).await?,
                    None => {
                        name::check_new(&name)?;
                        let newest = self.version(call, input, None)?;
                        count(&tx, &place, newest.tier, 1).await?;
                        let (labels, tags) = (BTreeMap::new(), tags.clone());
                        Parameter { name: name.clone(), oldest: 1, newest, labels, tags }
                    }
                };
                tx.set_record(keys::parameter(&place, &name), &next)?;
                Ok(PutParameterOutput { version: next.newest.number, tier: next.newest.tier.name() })
            })
            .await
    }

    /// The parameter with one more version; the row of the one before is written.
    async fn overwrite(
        &self,
        tx: &Tx,
        call: &Call,
        place: &Place,
        mut found: Parameter,
        input: &PutParameter,
    ) -> Result<Parameter, Error> {
        let next = self.version(call, input, Some(&found.newest))?;
        if next.number - found.oldest >= VERSIONS_MAX {
            let oldest = found.oldest;
            if !found.labels_of(oldest).is_empty() {
                return Err(Error::OldestLabelled { name: found.name, oldest });
            }
            tx.clear(keys::version(place, &found.name, oldest));
            found.oldest += 1;
        }
        if next.tier != found.newest.tier {
            count(tx, place, next.tier, 1).await?;
            count(tx, place, found.newest.tier, -1).await?;
        }
        tx.set_record(keys::version(place, &found.name, found.newest.number), &found.newest)?;
        found.newest = next;
        Ok(found)
    }

    /// The version that the request makes, after `before`.
    fn version(&self, call: &Call, input: &PutParameter, before: Option<&Version>) -> Result<Version, Error> {
        let kind = match (input.r#type.as_deref(), before) {
            (Some("String"), _) => Type::String,
            (Some("StringList"), _) => Type::StringList,
            (Some("SecureString"), _) => Type::SecureString,
            (_, Some(before)) => before.r#type,
            (_, None) => {
                let message = "A parameter type is required when you create a parameter.";
                return Err(Error::Invalid(message.to_owned()));
            }
        };
        if before.is_some_and(|before| before.r#type != kind) {
            return Err(Error::Type);
        }
        if input.key_id.as_deref().is_some_and(|key| kind != Type::SecureString || key != OWN_KEY) {
            return Err(Error::Key);
        }
        let allowed_pattern = input.allowed_pattern.clone().or_else(|| before?.allowed_pattern.clone());
        let allowed_pattern = allowed_pattern.filter(|pattern| !pattern.is_empty());
        check_pattern(allowed_pattern.as_deref(), &input.value)?;
        Ok(Version {
            number: before.map_or(1, |before| before.number + 1),
            value: input.value.clone(),
            r#type: kind,
            tier: tier(input, before)?,
            data_type: input
                .data_type
                .clone()
                .or_else(|| Some(before?.data_type.clone()))
                .unwrap_or_else(|| "text".into()),
            description: input.description.clone().or_else(|| before?.description.clone()),
            allowed_pattern,
            modified: self.env.now(),
            modified_by: call.principal.to_string(),
        })
    }
}

/// What needs no look at the parameter to be refused.
fn refuse(input: &PutParameter) -> Result<(), Error> {
    if input.policies.as_deref().is_some_and(|policies| !["", "[]", "[{}]"].contains(&policies)) {
        return Err(Error::Invalid("Parameter policies are not supported by this server.".to_owned()));
    }
    match input.data_type.as_deref() {
        None | Some("text") => Ok(()),
        Some(other @ ("aws:ec2:image" | "aws:ssm:integration")) => {
            Err(Error::Invalid(format!("The data type {other} is not supported by this server.")))
        }
        Some(other) => Err(Error::Invalid(format!(
            "The following data type is not supported: {other} (Data type names are all lowercase.)"
        ))),
    }
}

fn check_pattern(pattern: Option<&str>, value: &str) -> Result<(), Error> {
    let Some(pattern) = pattern else { return Ok(()) };
    let whole = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| Error::Pattern(error.to_string()))?;
    if whole.is_match(value) { Ok(()) } else { Err(Error::Mismatch(pattern.to_owned())) }
}

/// The tier of the version, by what is asked for, what was before, and the size of the value.
fn tier(input: &PutParameter, before: Option<&Version>) -> Result<Tier, Error> {
    let (size, before) = (input.value.len(), before.map(|before| before.tier));
    let tier = match (input.tier.as_deref(), before) {
        (Some("Advanced"), _) | (None, Some(Tier::Advanced)) => Tier::Advanced,
        (Some("Intelligent-Tiering"), _) if size > STANDARD_CHARS_MAX || before == Some(Tier::Advanced) => {
            Tier::Advanced
        }
        _ => Tier::Standard,
    };
    if tier == Tier::Standard && before == Some(Tier::Advanced) {
        let message = "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the \
                       advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced \
                       parameter and recreate it as a standard parameter.";
        return Err(Error::Invalid(message.to_owned()));
    }
    match tier {
        Tier::Standard if size > STANDARD_CHARS_MAX => Err(Error::Invalid(format!(
            "Standard tier parameters support a maximum parameter value of {STANDARD_CHARS_MAX} characters. To create a larger \
             parameter value, upgrade the parameter to use the advanced-parameter tier. For more information, see \
             https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
        ))),
        Tier::Advanced if size > ADVANCED_CHARS_MAX => Err(Error::Invalid(format!(
            "Advanced tier parameters support a maximum parameter value of {ADVANCED_CHARS_MAX} characters."
        ))),
        fits => Ok(fits),
    }
}

/// Counts a parameter of a tier in or out.
pub(crate) async fn count(tx: &Tx, place: &Place, tier: Tier, by: i64) -> Result<(), Error> {
    let key = keys::count(place, tier);
    if by > 0 {
        let (max, name) = match tier {
            Tier::Standard => (STANDARD_MAX, "standard"),
            Tier::Advanced => (ADVANCED_MAX, "advanced"),
        };
        if tx.get_counter(&key).await? >= max {
            return Err(Error::Limit { tier: name, max });
        }
    }
    Ok(tx.add(key, by)?)
}

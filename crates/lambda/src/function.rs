//! Creating, reading, changing, listing and deleting functions.
//!
//! AWS: Lambda API, *CreateFunction*, *GetFunction*, *UpdateFunctionCode*, *UpdateFunctionConfiguration*, *ListFunctions*,
//! *DeleteFunction*.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use cauce_core::{Arn, Blob, Call, Violations};
use cauce_store::{RangeReq, Tx, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::configuration::{Settings, architecture, check_tags, defaults};
use crate::error::Error;
use crate::model::{AliasRecord, Code, Configuration, FunctionConfiguration, FunctionRecord, VersionRecord};
use crate::name::{FunctionName, FunctionRef, LATEST, NAME_CHARS_MAX, check_name, check_qualifier};
use crate::package::{Package, UNZIPPED_BYTES_MAX, ZIP_DIRECT_BYTES_MAX};
use crate::service::Lambda;
use crate::{keys, location};

/// Functions on one page of a list. AWS: 50.
const PAGE_MAX: usize = 50;

/// Where a package comes from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CodeInput {
    pub(crate) zip_file: Option<Blob>,
    #[serde(rename = "S3Bucket")]
    pub(crate) s3_bucket: Option<String>,
    #[serde(rename = "S3Key")]
    pub(crate) s3_key: Option<String>,
    #[serde(rename = "S3ObjectVersion")]
    pub(crate) s3_object_version: Option<String>,
    pub(crate) image_uri: Option<String>,
}

/// AWS: *CreateFunction*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateFunctionInput {
    pub(crate) function_name: String,
    pub(crate) code: CodeInput,
    #[serde(default)]
    pub(crate) publish: bool,
    pub(crate) package_type: Option<String>,
    pub(crate) architectures: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) code_signing_config_arn: Option<String>,
    #[serde(flatten)]
    pub(crate) settings: Settings,
}

impl Input for CreateFunctionInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        if !self.function_name.starts_with("arn:") {
            v.length("FunctionName", &self.function_name, 0, NAME_CHARS_MAX);
        }
        v.required("Role", self.settings.role.as_ref());
        if let Some(kind) = &self.package_type {
            v.one_of("PackageType", kind, &["Image", "Zip"]);
        }
        self.settings.validate(v);
        check_tags(v, &self.tags);
    }
}

/// A function by name, with a version or alias.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FunctionInput {
    pub(crate) function_name: String,
    pub(crate) qualifier: Option<String>,
}

impl Input for FunctionInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        check_qualifier(v, self.qualifier.as_deref());
    }
}

/// AWS: *UpdateFunctionCode*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateFunctionCodeInput {
    pub(crate) function_name: String,
    #[serde(default)]
    pub(crate) publish: bool,
    #[serde(default)]
    pub(crate) dry_run: bool,
    pub(crate) revision_id: Option<String>,
    pub(crate) architectures: Option<Vec<String>>,
    #[serde(flatten)]
    pub(crate) code: CodeInput,
}

impl Input for UpdateFunctionCodeInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
    }
}

/// AWS: *UpdateFunctionConfiguration*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateFunctionConfigurationInput {
    pub(crate) function_name: String,
    pub(crate) revision_id: Option<String>,
    #[serde(flatten)]
    pub(crate) settings: Settings,
}

impl Input for UpdateFunctionConfigurationInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        self.settings.validate(v);
    }
}

/// AWS: *ListFunctions*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListFunctionsInput {
    pub(crate) function_version: Option<String>,
    pub(crate) marker: Option<String>,
    pub(crate) max_items: Option<i64>,
}

impl Input for ListFunctionsInput {
    fn validate(&self, v: &mut Violations) {
        if let Some(version) = &self.function_version {
            v.one_of("FunctionVersion", version, &["ALL"]);
        }
        if let Some(n) = self.max_items {
            v.range("MaxItems", n, 1, 10_000);
        }
    }
}

/// AWS: *GetFunction*, response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetFunctionOutput {
    configuration: FunctionConfiguration,
    code: CodeLocation,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<Concurrency>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CodeLocation {
    repository_type: &'static str,
    location: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Concurrency {
    pub(crate) reserved_concurrent_executions: u32,
}

/// AWS: *ListFunctions*, response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListFunctionsOutput {
    functions: Vec<FunctionConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
}

/// Markers are the name after which to go on, unreadable as AWS's are.
pub(crate) fn marker(after: &str) -> String {
    URL_SAFE_NO_PAD.encode(after)
}

/// What a marker means.
///
/// # Errors
/// [`Error::InvalidParameter`] if it is none of ours.
pub(crate) fn read_marker(marker: &str) -> Result<String, Error> {
    let text = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| Error::InvalidParameter("Invalid Marker".to_owned()))
}

/// Stamps a changed configuration.
fn stamp(lambda: &Lambda, configuration: &mut Configuration) {
    configuration.modified = lambda.env.now();
    configuration.revision = lambda.env.entropy().uuid();
}

impl Lambda {
    /// The function's record.
    ///
    /// # Errors
    /// [`Error::NotFound`], named as `reference` names it.
    pub(crate) async fn function(&self, tx: &Tx, reference: &FunctionRef) -> Result<FunctionRecord, Error> {
        let found = tx.get_record(&keys::function(&reference.function)).await?;
        found.ok_or_else(|| Error::no_function(&reference.arn()))
    }

    /// The configuration that a reference means, with its version.
    pub(crate) async fn configuration(
        &self,
        tx: &Tx,
        reference: &FunctionRef,
    ) -> Result<(FunctionRecord, Configuration, String), Error> {
        let function = self.function(tx, reference).await?;
        let name = &reference.function;
        let mut version = reference.qualifier_or_latest().to_owned();
        if version != LATEST && version.parse::<u64>().is_err() {
            let alias: Option<AliasRecord> = tx.get_record(&keys::alias(name, &version)).await?;
            version = alias.ok_or_else(|| Error::no_function(&reference.arn()))?.version;
        }
        if version == LATEST {
            let latest = function.latest.clone();
            return Ok((function, latest, version));
        }
        let number = version.parse().map_err(|_| Error::no_function(&reference.arn()))?;
        let found: Option<VersionRecord> = tx.get_record(&keys::version(name, number)).await?;
        let found = found.ok_or_else(|| Error::no_function(&reference.arn()))?;
        Ok((function, found.configuration, version))
    }

    /// Refuses a role that the caller may not hand on, or that does not trust Lambda.
    async fn check_role(&self, call: &Call, role: &Arn, function: &str) -> Result<(), Error> {
        self.ports.identity.authorize_pass_role(call, role.as_str(), "lambda.amazonaws.com").await?;
        match self.ports.identity.assume_role(role, "lambda.amazonaws.com", function).await {
            Ok(_) => Ok(()),
            Err(error) if error.status() >= 500 => Err(error.into()),
            Err(_) => Err(Error::InvalidParameter(
                "The role defined for the function cannot be assumed by Lambda.".to_owned(),
            )),
        }
    }

    /// The package that a request brings or points to.
    async fn fetch(&self, call: &Call, code: CodeInput) -> Result<Bytes, Error> {
        if code.image_uri.is_some() {
            return Err(Error::InvalidParameter("Images are not supported by this server".to_owned()));
        }
        match (code.zip_file, code.s3_bucket, code.s3_key) {
            (Some(Blob(zip)), None, None) => {
                if zip.len() > ZIP_DIRECT_BYTES_MAX {
                    return Err(Error::TooLarge(format!(
                        "Request must be smaller than {ZIP_DIRECT_BYTES_MAX} bytes of zip file, this one has {}",
                        zip.len()
                    )));
                }
                Ok(zip)
            }
            (None, Some(bucket), Some(key)) => {
                let most = usize::try_from(UNZIPPED_BYTES_MAX).unwrap_or(usize::MAX);
                let read = self.ports.objects.read(call, &bucket, &key, code.s3_object_version.as_deref(), most).await;
                read.map_err(|error| {
                    if error.status() >= 500 {
                        return Error::Service(error);
                    }
                    Error::InvalidParameter(format!(
                        "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}",
                        error.code(),
                        error.message()
                    ))
                })
            }
            (None, None, None) => {
                Err(Error::InvalidParameter("Please provide a source for your Function code.".to_owned()))
            }
            _ => Err(Error::InvalidParameter(
                "Please do not provide other FunctionCode parameters when providing a ZipFile.".to_owned(),
            )),
        }
    }

    pub(crate) async fn create_function(
        self: Arc<Self>,
        call: Call,
        input: CreateFunctionInput,
    ) -> Result<FunctionConfiguration, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        let name = reference.function;
        if input.package_type.as_deref() == Some("Image") {
            return Err(Error::InvalidParameter("PackageType Image is not supported by this server".to_owned()));
        }
        if input.code_signing_config_arn.is_some() {
            return Err(Error::InvalidParameter("CodeSigningConfigArn is not supported by this server".to_owned()));
        }
        if input.settings.runtime.is_none() || input.settings.handler.is_none() {
            return Err(Error::InvalidParameter(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
                    .to_owned(),
            ));
        }
        let role: Arn = input.settings.role.as_deref().and_then(|r| r.parse().ok()).ok_or_else(|| {
            Error::InvalidParameter("The role defined for the function cannot be assumed by Lambda.".to_owned())
        })?;
        let code = Code { package: String::new(), sha256: String::new(), bytes: 0 };
        let mut latest = defaults(code, role.clone());
        latest.architecture = architecture(input.architectures.as_deref())?;
        input.settings.apply(&mut latest)?;
        if self.db.get_bytes(&keys::function(&name)).await?.is_some() {
            return Err(already(&name));
        }
        self.check_role(&call, &role, &name.name).await?;
        let zip = self.fetch(&call, input.code).await?;
        let _pin = self.packages.pin(&Package::of(&zip).id);
        latest.code = code_of(self.packages.add(zip).await?);
        stamp(&self, &mut latest);
        let record = FunctionRecord { latest, last_version: 0, reserved_concurrency: None, tags: input.tags };
        let (publish, revision) = (input.publish, self.env.entropy().uuid());
        let shown = self
            .db
            .transact(async |tx| {
                if tx.get(&keys::function(&name)).await?.is_some() {
                    return Err(already(&name));
                }
                let mut record = record.clone();
                let mut shown = record.latest.shown(&name, LATEST, None);
                if publish {
                    let version = publish_latest(&tx, &name, &mut record, None, &revision)?;
                    shown = version.shown(&name, "1", None);
                }
                tx.set_record(keys::function(&name), &record)?;
                Ok(shown)
            })
            .await?;
        self.changed(&name);
        Ok(shown)
    }

    pub(crate) async fn get_function(
        self: Arc<Self>,
        call: Call,
        input: FunctionInput,
    ) -> Result<GetFunctionOutput, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, input.qualifier.as_deref())?;
        let (function, configuration, version) = self.configuration(&self.db.begin(), &reference).await?;
        let name = &reference.function;
        let path = format!("/2015-03-31/functions/{}/package", name.name);
        let key = match location::key_of(&call) {
            Some(id) => self.ports.identity.access_key(id).await?.map(|key| (id, key)),
            None => None,
        };
        let key = key.as_ref().map(|(id, key)| (*id, key));
        let location = location::link(&call, &path, &[("Qualifier", &version)], key, self.env.now());
        Ok(GetFunctionOutput {
            configuration: configuration.shown(name, &version, reference.qualifier.as_deref()),
            code: CodeLocation { repository_type: "S3", location },
            tags: function.tags,
            concurrency: function.reserved_concurrency.map(|n| Concurrency { reserved_concurrent_executions: n }),
        })
    }

    pub(crate) async fn get_function_configuration(
        self: Arc<Self>,
        call: Call,
        input: FunctionInput,
    ) -> Result<FunctionConfiguration, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, input.qualifier.as_deref())?;
        let (_, configuration, version) = self.configuration(&self.db.begin(), &reference).await?;
        Ok(configuration.shown(&reference.function, &version, reference.qualifier.as_deref()))
    }

    /// The zip of a function: what `Code.Location` of [`get_function`](Lambda::get_function) points to.
    pub(crate) async fn get_function_package(self: Arc<Self>, call: Call, input: FunctionInput) -> Result<Blob, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, input.qualifier.as_deref())?;
        let (_, configuration, _) = self.configuration(&self.db.begin(), &reference).await?;
        let zip = self.packages.zip(&configuration.code.package).await;
        Ok(Blob(zip.map_err(crate::package::PackageError::Io)?))
    }

    pub(crate) async fn update_function_code(
        self: Arc<Self>,
        call: Call,
        input: UpdateFunctionCodeInput,
    ) -> Result<FunctionConfiguration, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        let name = reference.function.clone();
        self.function(&self.db.begin(), &reference).await?;
        let wanted = input.architectures.as_deref().map(|a| architecture(Some(a))).transpose()?;
        let zip = self.fetch(&call, input.code).await?;
        let _pin = self.packages.pin(&Package::of(&zip).id);
        let code = code_of(self.packages.add(zip).await?);
        let (now, entropy) = (self.env.now(), self.env.entropy());
        let (revision, version_revision) = (entropy.uuid(), entropy.uuid());
        let shown = self
            .db
            .transact(async |tx| {
                let mut record = self.function(&tx, &reference).await?;
                check_revision(input.revision_id.as_deref(), &record.latest.revision)?;
                record.latest.code = code.clone();
                if let Some(architecture) = &wanted {
                    record.latest.architecture.clone_from(architecture);
                }
                record.latest.modified = now;
                record.latest.revision.clone_from(&revision);
                let mut shown = record.latest.shown(&name, LATEST, None);
                if input.dry_run {
                    return Ok(shown);
                }
                if input.publish {
                    let published = publish_latest(&tx, &name, &mut record, None, &version_revision)?;
                    let version = record.last_version.to_string();
                    shown = published.shown(&name, &version, Some(&version));
                }
                tx.set_record(keys::function(&name), &record)?;
                Ok::<_, Error>(shown)
            })
            .await?;
        self.after_change(&name);
        Ok(shown)
    }

    pub(crate) async fn update_function_configuration(
        self: Arc<Self>,
        call: Call,
        input: UpdateFunctionConfigurationInput,
    ) -> Result<FunctionConfiguration, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        let name = reference.function.clone();
        let current = self.function(&self.db.begin(), &reference).await?.latest;
        if let Some(role) = input.settings.role.as_deref().and_then(|r| r.parse::<Arn>().ok())
            && role != current.role
        {
            self.check_role(&call, &role, &name.name).await?;
        }
        let (now, revision) = (self.env.now(), self.env.entropy().uuid());
        let shown = self
            .db
            .transact(async |tx| {
                let mut record = self.function(&tx, &reference).await?;
                check_revision(input.revision_id.as_deref(), &record.latest.revision)?;
                input.settings.clone().apply(&mut record.latest)?;
                record.latest.modified = now;
                record.latest.revision.clone_from(&revision);
                tx.set_record(keys::function(&name), &record)?;
                Ok::<_, Error>(record.latest.shown(&name, LATEST, None))
            })
            .await?;
        self.after_change(&name);
        Ok(shown)
    }

    /// Forgets what was known, stops the sandboxes of the old state, and removes packages that nobody uses any more.
    pub(crate) fn after_change(self: &Arc<Self>, name: &FunctionName) {
        self.changed(name);
        self.fleet.retire(&format!("{}/{}/{}", name.account, name.region, name.name));
        let lambda = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = lambda.collect().await {
                tracing::warn!(%error, "unused packages could not be removed; they will be at the next change");
            }
        });
    }

    pub(crate) async fn list_functions(
        self: Arc<Self>,
        call: Call,
        input: ListFunctionsInput,
    ) -> Result<ListFunctionsOutput, Error> {
        let most = input.max_items.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let all = input.function_version.is_some();
        let named =
            |name: &str| FunctionName { account: call.account, region: call.region.clone(), name: name.to_owned() };
        let mut request = RangeReq::new(keys::functions(call.account, &call.region), most + 1);
        let after = input.marker.as_deref().map(read_marker).transpose()?;
        if let Some(after) = &after {
            request = request.after(&keys::function(&named(after)));
        }
        let page = self.db.range(request).await?;
        let mut functions = Vec::new();
        let mut last = None;
        for row in &page.rows {
            // A page ends between functions, so that a marker need only name one.
            if functions.len() >= most {
                return Ok(ListFunctionsOutput { functions, next_marker: last.map(|l: String| marker(&l)) });
            }
            let name = named(&keys::function_of(&row.key)?);
            let record: FunctionRecord = decode_row(row)?;
            functions.push(record.latest.shown(&name, LATEST, all.then_some(LATEST)));
            if all {
                for (key, version) in self.all::<VersionRecord>(keys::versions(&name)).await? {
                    let number = keys::version_of(&key)?.to_string();
                    functions.push(version.configuration.shown(&name, &number, Some(&number)));
                }
            }
            last = Some(name.name);
        }
        Ok(ListFunctionsOutput { functions, next_marker: None })
    }

    pub(crate) async fn delete_function(self: Arc<Self>, call: Call, input: FunctionInput) -> Result<(), Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, input.qualifier.as_deref())?;
        let name = &reference.function;
        match reference.qualifier.as_deref() {
            None => {
                self.db
                    .transact(async |tx| {
                        self.function(&tx, &reference).await?;
                        tx.clear(keys::function(name));
                        for range in
                            [keys::versions(name), keys::aliases(name), keys::policies(name), keys::event_invokes(name)]
                        {
                            tx.clear_range(range);
                        }
                        Ok::<_, Error>(())
                    })
                    .await?;
                self.sum_reserved().await?;
            }
            Some(LATEST) => {
                let message = "$LATEST version cannot be deleted without deleting the function.";
                return Err(Error::InvalidParameter(message.to_owned()));
            }
            Some(version) => self.delete_version(&reference, version).await?,
        }
        self.after_change(name);
        Ok(())
    }
}

fn already(name: &FunctionName) -> Error {
    Error::Conflict(format!("Function already exist: {}", name.name))
}

fn code_of(package: Package) -> Code {
    Code { package: package.id, sha256: package.code_sha256, bytes: package.zip_bytes }
}

/// # Errors
/// [`Error::Precondition`] if the caller has seen another revision.
pub(crate) fn check_revision(seen: Option<&str>, current: &str) -> Result<(), Error> {
    if seen.is_some_and(|seen| seen != current) { Err(Error::revision()) } else { Ok(()) }
}

/// Makes the next version out of `$LATEST`; the caller writes `record`.
pub(crate) fn publish_latest(
    tx: &Tx,
    name: &FunctionName,
    record: &mut FunctionRecord,
    description: Option<&str>,
    revision: &str,
) -> Result<Configuration, Error> {
    record.last_version += 1;
    let mut configuration = record.latest.clone();
    revision.clone_into(&mut configuration.revision);
    if let Some(description) = description {
        description.clone_into(&mut configuration.description);
    }
    let version = VersionRecord { configuration };
    tx.set_record(keys::version(name, record.last_version), &version)?;
    Ok(version.configuration)
}

//! Resources: the paths of an API, as a tree.
//!
//! AWS: API Gateway Developer Guide, "Set up a proxy integration with a proxy resource".

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::Error;
use crate::model::{Definition, Resource};
use crate::page::{Page, Wanted};
use crate::patch::{Patch, PatchOperation, REPLACE, Supported, apply};
use crate::service::{ApiGateway, Located, at};

/// Resources of an API. AWS: 300.
pub(crate) const RESOURCES_MAX: usize = 300;
/// The longest path, in characters.
pub(crate) const PATH_CHARS_MAX: usize = 2_048;

/// AWS: *CreateResource*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateResource {
    rest_api_id: String,
    parent_id: String,
    path_part: Option<String>,
}

impl Input for CreateResource {
    fn validate(&self, v: &mut Violations) {
        v.within("createResourceInput", |v| v.required("pathPart", self.path_part.as_ref()));
    }
}

impl Located for CreateResource {
    fn location(&self) -> String {
        format!("/restapis/{}/resources/{}", self.rest_api_id, self.parent_id)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneResource {
    rest_api_id: String,
    resource_id: String,
    #[serde(default)]
    embed: Vec<String>,
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

impl Input for OneResource {}

impl Located for OneResource {
    fn location(&self) -> String {
        format!("/restapis/{}/resources/{}", self.rest_api_id, self.resource_id)
    }
}

/// AWS: *GetResources*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetResources {
    rest_api_id: String,
    position: Option<String>,
    limit: Option<i64>,
    #[serde(default)]
    embed: Vec<String>,
}

impl Input for GetResources {}

impl Located for GetResources {
    fn location(&self) -> String {
        format!("/restapis/{}/resources", self.rest_api_id)
    }
}

/// A resource as answers show it: its methods only by name, unless they were asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResourceShown {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_part: Option<String>,
    path: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    resource_methods: BTreeMap<String, Value>,
}

impl ResourceShown {
    fn new(resource: &Resource, embed: &[String]) -> Result<ResourceShown, Error> {
        let whole = embeds_methods(embed)?;
        let show = |method| if whole { serde_json::to_value(method).unwrap_or_default() } else { json!({}) };
        let methods = resource.resource_methods.iter().map(|(name, method)| (name.clone(), show(method)));
        Ok(ResourceShown {
            id: resource.id.clone(),
            parent_id: resource.parent_id.clone(),
            path_part: resource.path_part.clone(),
            path: resource.path.clone(),
            resource_methods: methods.collect(),
        })
    }
}

fn embeds_methods(embed: &[String]) -> Result<bool, Error> {
    match embed.iter().find(|one| *one != "methods") {
        Some(other) => {
            Err(Error::bad(format!("Invalid embed parameter specified: {other}. Must be one of: [methods]")))
        }
        None => Ok(!embed.is_empty()),
    }
}

pub(crate) fn no_resource() -> Error {
    Error::missing("Invalid Resource identifier specified")
}

pub(crate) fn resource_mut<'a>(definition: &'a mut Definition, id: &str) -> Result<&'a mut Resource, Error> {
    definition.resources.get_mut(id).ok_or_else(no_resource)
}

/// The name of a path variable: `{name}` or `{name+}`.
pub(crate) fn variable(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

fn check_path_part(part: &str) -> Result<(), Error> {
    let plain =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:".contains(&b));
    let good = match variable(part) {
        Some(name) => plain(name.strip_suffix('+').unwrap_or(name)),
        None => plain(part),
    };
    if good {
        return Ok(());
    }
    Err(Error::bad(
        "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and \
         the end.",
    ))
}

/// Refuses a path part that cannot stand below `parent`; `own` is the resource that is being renamed.
fn check_place(definition: &Definition, parent: &Resource, part: &str, own: Option<&str>) -> Result<(), Error> {
    check_path_part(part)?;
    if parent.path_part.as_deref().is_some_and(|part| part.ends_with("+}")) {
        return Err(Error::bad(format!(
            "Cannot create a child of a resource with a greedy path variable: {}",
            parent.path
        )));
    }
    for sibling in definition.resources.values() {
        if sibling.parent_id.as_deref() != Some(&parent.id) || Some(sibling.id.as_str()) == own {
            continue;
        }
        let have = sibling.path_part.as_deref().unwrap_or_default();
        if have == part {
            return Err(Error::conflict(format!(
                "Another resource with the same parent already has this name: {part}"
            )));
        }
        // `{id}` and `{proxy+}` may stand side by side; two of a kind would fit the same paths.
        let kinds = [have, part].map(|part| variable(part).map(|name| name.ends_with('+')));
        if let [Some(one), Some(other)] = kinds
            && one == other
        {
            let id = &sibling.id;
            return Err(Error::bad(format!(
                "A sibling ({id}) of this resource already has a variable path part -- only one is allowed"
            )));
        }
    }
    Ok(())
}

fn joined(parent: &str, part: &str) -> Result<String, Error> {
    let path = format!("{}/{part}", parent.trim_end_matches('/'));
    match path.chars().count() {
        count if count > PATH_CHARS_MAX => {
            Err(Error::bad(format!("The path has {count} characters; the limit is {PATH_CHARS_MAX}")))
        }
        _ => Ok(path),
    }
}

/// Adds a resource below another one.
pub(crate) fn add_resource(definition: &mut Definition, id: &str, parent: &str, part: &str) -> Result<Resource, Error> {
    let above = definition.resources.get(parent).ok_or_else(no_resource)?;
    check_place(definition, above, part, None)?;
    if definition.resources.len() >= RESOURCES_MAX {
        return Err(Error::limit("resources", RESOURCES_MAX));
    }
    let resource = Resource {
        id: id.to_owned(),
        parent_id: Some(parent.to_owned()),
        path_part: Some(part.to_owned()),
        path: joined(&above.path, part)?,
        resource_methods: BTreeMap::new(),
    };
    definition.resources.insert(id.to_owned(), resource.clone());
    Ok(resource)
}

/// The resource and all below it.
fn subtree(definition: &Definition, id: &str) -> Vec<String> {
    let mut found = vec![id.to_owned()];
    let mut next = 0;
    while let Some(parent) = found.get(next).cloned() {
        let below = definition.resources.values().filter(|resource| resource.parent_id.as_ref() == Some(&parent));
        found.extend(below.map(|resource| resource.id.clone()));
        next += 1;
    }
    found
}

/// Removes a resource with all below it.
pub(crate) fn remove_resource(definition: &mut Definition, id: &str) -> Result<(), Error> {
    if definition.resources.get(id).ok_or_else(no_resource)?.parent_id.is_none() {
        return Err(Error::bad("Root resource cannot be deleted"));
    }
    for id in subtree(definition, id) {
        definition.resources.remove(&id);
    }
    Ok(())
}

/// Gives every resource below `top` the path that follows from its parents.
fn rewrite_paths(definition: &mut Definition, top: &str) -> Result<(), Error> {
    for id in subtree(definition, top) {
        let Some(resource) = definition.resources.get(&id) else { continue };
        let parent = resource.parent_id.as_ref().and_then(|parent| definition.resources.get(parent));
        let (Some(parent), Some(part)) = (parent, &resource.path_part) else { continue };
        let path = joined(&parent.path, part)?;
        if let Some(resource) = definition.resources.get_mut(&id) {
            resource.path = path;
        }
    }
    Ok(())
}

fn patch_resource(definition: &mut Definition, id: &str, patch: &Patch<'_>) -> Result<(), Error> {
    let mut resource = definition.resources.get(id).cloned().ok_or_else(no_resource)?;
    let Some(mut parent) = resource.parent_id.clone() else {
        return Err(Error::bad("Cannot update the root resource"));
    };
    let mut part = resource.path_part.clone().unwrap_or_default();
    if patch.template == "/pathPart" {
        part = patch.text()?;
    } else {
        parent = patch.text()?;
        if subtree(definition, id).contains(&parent) {
            return Err(Error::bad("A resource cannot be moved below itself"));
        }
    }
    let above = definition.resources.get(&parent).ok_or_else(no_resource)?;
    check_place(definition, above, &part, Some(id))?;
    (resource.parent_id, resource.path_part) = (Some(parent), Some(part));
    definition.resources.insert(id.to_owned(), resource);
    rewrite_paths(definition, id)
}

const PATCHES: Supported = &[("/parentId", REPLACE), ("/pathPart", REPLACE)];

impl ApiGateway {
    pub(crate) async fn create_resource(
        self: Arc<Self>,
        call: Call,
        input: CreateResource,
    ) -> Result<ResourceShown, Error> {
        let (id, part) = (self.new_id(), input.path_part.unwrap_or_default());
        self.change_definition(&call, &input.rest_api_id, |definition| {
            ResourceShown::new(&add_resource(definition, &id, &input.parent_id, &part)?, &[])
        })
        .await
    }

    pub(crate) async fn get_resource(self: Arc<Self>, call: Call, input: OneResource) -> Result<ResourceShown, Error> {
        let definition = self.read_definition(&call, &input.rest_api_id).await?;
        let resource = definition.resources.get(&input.resource_id).ok_or_else(no_resource)?;
        ResourceShown::new(resource, &input.embed)
    }

    pub(crate) async fn get_resources(
        self: Arc<Self>,
        call: Call,
        input: GetResources,
    ) -> Result<Page<ResourceShown>, Error> {
        embeds_methods(&input.embed)?;
        let definition = self.read_definition(&call, &input.rest_api_id).await?;
        let wanted = Wanted { position: input.position, limit: input.limit };
        let page = wanted.page(definition.resources.iter().map(|(id, resource)| (id.as_str(), resource)))?;
        let item = page.item.into_iter().map(|one| ResourceShown::new(one, &input.embed)).collect::<Result<_, _>>()?;
        Ok(Page { position: page.position, item })
    }

    pub(crate) async fn update_resource(
        self: Arc<Self>,
        call: Call,
        input: OneResource,
    ) -> Result<ResourceShown, Error> {
        let id = &input.resource_id;
        self.change_definition(&call, &input.rest_api_id, |definition| {
            resource_mut(definition, id)?;
            apply(definition, &input.patch_operations, PATCHES, |definition, patch| {
                patch_resource(definition, id, patch)
            })?;
            ResourceShown::new(resource_mut(definition, id)?, &[])
        })
        .await
    }

    pub(crate) async fn delete_resource(self: Arc<Self>, call: Call, input: OneResource) -> Result<(), Error> {
        self.change_definition(&call, &input.rest_api_id, |definition| remove_resource(definition, &input.resource_id))
            .await
    }
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    const ALL: &str = "/restapis/{restApiId}/resources";
    const ONE: &str = "/restapis/{restApiId}/resources/{resourceId}";
    const BELOW: &str = "/restapis/{restApiId}/resources/{parentId}";
    api.operation(at(Operation::new("CreateResource", ApiGateway::create_resource), HttpMethod::POST, BELOW, 201))
        .operation(
            at(Operation::new("GetResources", ApiGateway::get_resources), HttpMethod::GET, ALL, 200)
                .query("position", "position")
                .query("limit", "limit")
                .query_list("embed", "embed"),
        )
        .operation(
            at(Operation::new("GetResource", ApiGateway::get_resource), HttpMethod::GET, ONE, 200)
                .query_list("embed", "embed"),
        )
        .operation(at(Operation::new("UpdateResource", ApiGateway::update_resource), HttpMethod::PATCH, ONE, 200))
        .operation(at(Operation::new("DeleteResource", ApiGateway::delete_resource), HttpMethod::DELETE, ONE, 202))
}

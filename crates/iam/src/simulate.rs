//! Asking the policies without doing anything. AWS: IAM API Reference, *SimulatePrincipalPolicy*, *SimulateCustomPolicy*.

use std::collections::BTreeSet;
use std::sync::Arc;

use cauce_core::{Account, Arn, Call, Principal, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::IamError;
use crate::iam::Iam;
use crate::policy::{
    Decision, Keys, NamedPolicy, Policies, Policy, PolicyKind, Request, Source, StatementRef, Values, decide,
};

/// Actions, resources and documents of one simulation.
const LIST_ITEMS_MAX: usize = 100;
/// Questions (actions times resources) of one simulation.
const QUESTIONS_MAX: usize = 1_000;
const EVERYTHING: &str = "*";

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ContextEntry {
    context_key_name: Option<String>,
    context_key_values: Option<Vec<String>>,
}

/// What both simulations take.
#[derive(Clone, Debug, Default)]
struct Simulation {
    actions: Vec<String>,
    resources: Vec<String>,
    extra: Vec<String>,
    boundaries: Vec<String>,
    resource_policy: Option<String>,
    owner: Option<String>,
    caller: Option<String>,
    context: Vec<ContextEntry>,
}

macro_rules! simulation_input {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        pub(crate) struct $name {
            $(pub(crate) $field: $type,)*
            action_names: Vec<String>,
            resource_arns: Option<Vec<String>>,
            permissions_boundary_policy_input_list: Option<Vec<String>>,
            resource_policy: Option<String>,
            resource_owner: Option<String>,
            caller_arn: Option<String>,
            context_entries: Option<Vec<ContextEntry>>,
        }

        impl Input for $name {
            fn validate(&self, v: &mut Violations) {
                v.count("actionNames", self.action_names.len(), 1, LIST_ITEMS_MAX);
                let resources = self.resource_arns.as_ref().map_or(0, Vec::len);
                v.count("resourceArns", resources, 0, LIST_ITEMS_MAX);
                let entries = self.context_entries.as_ref().map_or(0, Vec::len);
                v.count("contextEntries", entries, 0, LIST_ITEMS_MAX);
            }
        }

        impl $name {
            fn simulation(&self, extra: Vec<String>) -> Simulation {
                Simulation {
                    actions: self.action_names.clone(),
                    resources: self.resource_arns.clone().unwrap_or_default(),
                    extra,
                    boundaries: self.permissions_boundary_policy_input_list.clone().unwrap_or_default(),
                    resource_policy: self.resource_policy.clone(),
                    owner: self.resource_owner.clone(),
                    caller: self.caller_arn.clone(),
                    context: self.context_entries.clone().unwrap_or_default(),
                }
            }
        }
    };
}

simulation_input! {
    /// The policies of a user or role, and others as if it had them.
    SimulatePrincipalPolicy { policy_source_arn: String, policy_input_list: Option<Vec<String>> }
}

simulation_input! {
    /// The policies given.
    SimulateCustomPolicy { policy_input_list: Vec<String> }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct MatchedStatement {
    source_policy_id: String,
    source_policy_type: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct BoundaryDetail {
    allowed_by_permissions_boundary: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct EvaluationResult {
    eval_action_name: String,
    eval_resource_name: String,
    eval_decision: &'static str,
    matched_statements: Vec<MatchedStatement>,
    missing_context_values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary_decision_detail: Option<BoundaryDetail>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Simulated {
    evaluation_results: Vec<EvaluationResult>,
    is_truncated: bool,
}

/// The keys of a simulation: what its caller gave.
struct Given(Vec<(String, Vec<String>)>);

impl Keys for Given {
    fn get(&self, key: &str) -> Option<Values<'_>> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, values)| Values::Many(values))
    }
}

fn parse(prefix: &str, documents: &[String], kind: PolicyKind) -> Result<Vec<NamedPolicy>, IamError> {
    if documents.len() > LIST_ITEMS_MAX {
        return Err(IamError::InvalidInput(format!("At most {LIST_ITEMS_MAX} policies can be simulated at once.")));
    }
    let parse = |(at, text): (usize, &String)| {
        let policy = Policy::parse(text, kind).map_err(|e| IamError::InvalidInput(e.message().to_owned()))?;
        Ok(NamedPolicy { name: format!("{prefix}.{}", at + 1).into(), policy: Arc::new(policy) })
    };
    documents.iter().enumerate().map(parse).collect()
}

/// A caller as an ARN names it.
fn principal_of(arn: &Arn, id: &str) -> Option<Principal> {
    let account = arn.account()?;
    let mut parts = arn.resource().split('/');
    let access_key_id = String::new();
    match (arn.service(), parts.next()?) {
        ("iam", "root") => Some(Principal::Root { account, access_key_id }),
        ("iam", "user") => Some(Principal::User { arn: arn.clone(), id: id.to_owned(), access_key_id }),
        ("iam", "role") => {
            let name = arn.resource().rsplit('/').next()?;
            let session = Arn::global("sts", account, &format!("assumed-role/{name}/simulation"));
            Some(Principal::Session { arn: session, role: arn.clone(), id: format!("{id}:simulation"), access_key_id })
        }
        ("sts", "assumed-role") => {
            let role = Arn::global("iam", account, &format!("role/{}", parts.next()?));
            Some(Principal::Session { arn: arn.clone(), role, id: id.to_owned(), access_key_id })
        }
        _ => None,
    }
}

impl Iam {
    pub(crate) async fn simulate_principal_policy(
        self: Arc<Self>,
        _call: Call,
        input: SimulatePrincipalPolicy,
    ) -> Result<Simulated, IamError> {
        let invalid = || IamError::InvalidInput(format!("Invalid Entity Arn: {}", input.policy_source_arn));
        let source: Arn = input.policy_source_arn.parse().map_err(|_| invalid())?;
        let simulation = input.simulation(input.policy_input_list.clone().unwrap_or_default());
        let missing = || IamError::NoSuchEntity(format!("Entity {source} cannot be found."));
        let name = source.resource().rsplit('/').next().unwrap_or("");
        let own = source.account() == Some(self.account()) && source.service() == "iam";
        match source.resource().split('/').next() {
            Some("role") if own => {
                let role = self.role_facts(name).await?.filter(|r| r.holder.arn == source).ok_or_else(missing)?;
                let holder = &role.holder;
                let caller = principal_of(&source, &holder.id).ok_or_else(invalid)?;
                self.simulate(&simulation, &holder.identity, holder.boundary.as_ref(), caller)
            }
            Some("user") if own => {
                let user = self.user_facts(name).await?.filter(|u| u.arn == source).ok_or_else(missing)?;
                let caller = principal_of(&source, &user.id).ok_or_else(invalid)?;
                self.simulate(&simulation, &user.identity, user.boundary.as_ref(), caller)
            }
            _ => Err(invalid()),
        }
    }

    pub(crate) async fn simulate_custom_policy(
        self: Arc<Self>,
        _call: Call,
        input: SimulateCustomPolicy,
    ) -> Result<Simulated, IamError> {
        let simulation = input.simulation(input.policy_input_list.clone());
        // Nobody in particular of this account, unless the caller says who.
        let nobody = Arn::global("iam", self.account(), "user/simulation");
        let caller = Principal::User { arn: nobody, id: String::new(), access_key_id: String::new() };
        self.simulate(&simulation, &[], None, caller)
    }

    fn simulate(
        &self,
        simulation: &Simulation,
        identity: &[NamedPolicy],
        boundary: Option<&NamedPolicy>,
        source: Principal,
    ) -> Result<Simulated, IamError> {
        let mut identity = identity.to_vec();
        identity.extend(parse("PolicyInputList", &simulation.extra, PolicyKind::Inline)?);
        let boundaries = parse("PermissionsBoundaryPolicyInputList", &simulation.boundaries, PolicyKind::Inline)?;
        let documents: Vec<String> = simulation.resource_policy.iter().cloned().collect();
        let resource_policy = parse("ResourcePolicy", &documents, PolicyKind::Resource)?;
        let caller = match &simulation.caller {
            None => source,
            Some(text) => {
                let arn = text.parse::<Arn>().ok();
                let invalid = || IamError::InvalidInput(format!("Invalid CallerArn: {text}"));
                arn.and_then(|arn| principal_of(&arn, "")).ok_or_else(invalid)?
            }
        };
        let entry = |e: &ContextEntry| {
            let values = e.context_key_values.clone().unwrap_or_default();
            e.context_key_name.as_ref().map(|name| (name.to_lowercase(), values))
        };
        let keys = Given(simulation.context.iter().filter_map(entry).collect());
        let resources = match simulation.resources.as_slice() {
            [] => vec![EVERYTHING.to_owned()],
            some => some.to_vec(),
        };
        if simulation.actions.len() * resources.len() > QUESTIONS_MAX {
            return Err(IamError::InvalidInput(format!("At most {QUESTIONS_MAX} questions can be asked at once.")));
        }
        let policies = Policies {
            identity: &identity,
            boundary: boundaries.first().or(boundary),
            session: &[],
            resource: resource_policy.first(),
            owner: simulation.owner.as_deref().and_then(owner),
        };
        let missing = missing_keys(&policies, &keys);
        let mut evaluation_results = Vec::new();
        for action in &simulation.actions {
            for resource in &resources {
                let request = Request::new(&caller, action, resource, &keys);
                evaluation_results.push(result(action, resource, &request, &policies, &missing));
            }
        }
        Ok(Simulated { evaluation_results, is_truncated: false })
    }
}

/// A number, or any ARN of the account.
fn owner(text: &str) -> Option<Account> {
    text.parse().ok().or_else(|| text.parse::<Arn>().ok()?.account())
}

fn missing_keys(policies: &Policies<'_>, keys: &dyn Keys) -> Vec<String> {
    let all = policies.identity.iter().chain(policies.boundary).chain(policies.resource);
    let named: BTreeSet<&str> = all.flat_map(|p| p.policy.condition_keys()).collect();
    named.into_iter().filter(|key| keys.get(&key.to_lowercase()).is_none()).map(str::to_owned).collect()
}

fn result(
    action: &str,
    resource: &str,
    request: &Request<'_>,
    policies: &Policies<'_>,
    missing: &[String],
) -> EvaluationResult {
    let matched = |source: Source, at: &StatementRef| MatchedStatement {
        source_policy_id: at.policy.to_string(),
        source_policy_type: match source {
            Source::Resource => "Resource Policy",
            _ => "IAM Policy",
        },
    };
    let decision = decide(request, policies);
    let (eval_decision, matched_statements) = match &decision {
        Decision::Allowed(by) => ("allowed", by.iter().map(|(source, at)| matched(*source, at)).collect()),
        Decision::Explicit(source, at) => ("explicitDeny", vec![matched(*source, at)]),
        Decision::Implicit(_) => ("implicitDeny", Vec::new()),
    };
    let allowed = !matches!(decision, Decision::Implicit(Source::Boundary) | Decision::Explicit(Source::Boundary, _));
    EvaluationResult {
        eval_action_name: action.to_owned(),
        eval_resource_name: resource.to_owned(),
        eval_decision,
        matched_statements,
        missing_context_values: missing.to_vec(),
        permissions_boundary_decision_detail: policies
            .boundary
            .map(|_| BoundaryDetail { allowed_by_permissions_boundary: allowed }),
    }
}

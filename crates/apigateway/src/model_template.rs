//! Sample mapping templates: what a model's schema looks like when a template writes it.
//!
//! AWS: API Gateway API Reference (V1), "GetModelTemplate".

use std::sync::Arc;

use cauce_core::Call;
use cauce_wire::{Api, Input, Operation};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::body_model::{SCHEMA_DEPTH_MAX, no_model};
use crate::error::Error;
use crate::model::Definition;
use crate::service::{ApiGateway, Located, at};

/// The longest sample, in bytes: a model may refer to others many times over.
const SAMPLE_BYTES_MAX: usize = crate::integration::TEMPLATE_BYTES_MAX;

/// AWS: *GetModelTemplate*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetModelTemplate {
    rest_api_id: String,
    model_name: String,
}

impl Input for GetModelTemplate {}

impl Located for GetModelTemplate {
    fn location(&self) -> String {
        format!("/restapis/{}/models/{}/default_template", self.rest_api_id, self.model_name)
    }
}

/// AWS: *Template*.
#[derive(Debug, Serialize)]
pub(crate) struct Template {
    value: String,
}

/// Writes samples.
struct Writer<'a> {
    definition: &'a Definition,
    out: String,
}

/// A template that writes a document as the schema has it.
fn sample(definition: &Definition, schema: &Value) -> Result<String, Error> {
    let mut writer = Writer { definition, out: "#set($inputRoot = $input.path('$'))\n".to_owned() };
    writer.value(schema, "$inputRoot", 0)?;
    Ok(writer.out)
}

impl Writer<'_> {
    /// A value at the place that `from` names in the input, `depth` levels deep.
    fn value(&mut self, schema: &Value, from: &str, depth: usize) -> Result<(), Error> {
        if self.out.len() > SAMPLE_BYTES_MAX {
            return Err(Error::bad(format!("The template of the model exceeds the limit of {SAMPLE_BYTES_MAX} bytes")));
        }
        // A model that contains itself ends here.
        if depth >= SCHEMA_DEPTH_MAX {
            self.out.push_str("{ }");
            return Ok(());
        }
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.rsplit_once("/models/"));
        if let Some((_, name)) = name {
            let text = self.definition.models.get(name).and_then(|model| model.schema.as_deref());
            let referred = text.and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default();
            return self.value(&referred, from, depth + 1);
        }
        match kind(schema) {
            "string" => self.out.push_str("\"foo\""),
            "integer" => self.out.push_str("42"),
            "number" => self.out.push_str("42.0"),
            "boolean" => self.out.push_str("true"),
            "null" => self.out.push_str("null"),
            "array" => self.array(schema, from, depth)?,
            _ => self.object(schema, from, depth)?,
        }
        Ok(())
    }

    fn object(&mut self, schema: &Value, from: &str, depth: usize) -> Result<(), Error> {
        let members = schema.get("properties").and_then(Value::as_object).filter(|members| !members.is_empty());
        let Some(members) = members else {
            self.out.push_str("{ }");
            return Ok(());
        };
        let indent = "  ".repeat(depth);
        for (n, (name, member)) in members.iter().enumerate() {
            self.out.push_str(if n == 0 { "{\n" } else { ",\n" });
            self.out.push_str(&format!("{indent}  {} : ", Value::from(name.as_str())));
            self.value(member, &format!("{from}.{name}"), depth + 1)?;
        }
        self.out.push_str(&format!("\n{indent}}}"));
        Ok(())
    }

    fn array(&mut self, schema: &Value, from: &str, depth: usize) -> Result<(), Error> {
        self.out.push_str("[\n##TODO: Update this foreach loop to reference array from input json\n");
        self.out.push_str(&format!("#foreach($elem in {from})\n "));
        self.value(schema.get("items").unwrap_or(&Value::Null), "$elem", depth + 1)?;
        self.out.push_str(" \n#if($foreach.hasNext),#end\n#end\n");
        self.out.push_str(&format!("{}]", "  ".repeat(depth)));
        Ok(())
    }
}

/// The type that a schema is about, the first one if there are several.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or(""),
        _ if schema.get("items").is_some() => "array",
        _ => "object",
    }
}

impl ApiGateway {
    pub(crate) async fn get_model_template(
        self: Arc<Self>,
        call: Call,
        input: GetModelTemplate,
    ) -> Result<Template, Error> {
        let definition = self.read_definition(&call, &input.rest_api_id).await?;
        let model = definition.models.get(&input.model_name).ok_or_else(|| no_model(&input.model_name))?;
        let text = model.schema.as_deref().filter(|text| !text.trim().is_empty()).unwrap_or("{}");
        let schema = serde_json::from_str(text).map_err(cauce_core::ServiceError::internal)?;
        Ok(Template { value: sample(&definition, &schema)? })
    }
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    const TEMPLATE: &str = "/restapis/{restApiId}/models/{modelName}/default_template";
    let template = Operation::new("GetModelTemplate", ApiGateway::get_model_template);
    api.operation(at(template, Method::GET, TEMPLATE, 200))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::sample;
    use crate::model::{Definition, Model};
    use crate::vtl::{Scope, Template};

    fn definition(models: &[(&str, Value)]) -> Definition {
        let model = |(name, schema): &(&str, Value)| {
            let model = Model {
                id: "m".to_owned(),
                name: (*name).to_owned(),
                description: None,
                schema: Some(schema.to_string()),
                content_type: "application/json".to_owned(),
            };
            ((*name).to_owned(), model)
        };
        Definition { models: models.iter().map(model).collect(), ..Definition::default() }
    }

    fn rendered(template: &str, body: &str) -> Value {
        let none = BTreeMap::new();
        let scope =
            Scope { body, path: &[], query: &[], headers: &[], stage_variables: &none, context: &|| Value::Null };
        serde_json::from_str(&Template::parse(template).unwrap().render(&scope).unwrap().text).unwrap()
    }

    #[test]
    fn a_sample_has_the_members_of_the_schema() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}, "op": {"type": "string"}}});
        let expect = "#set($inputRoot = $input.path('$'))\n{\n  \"a\" : 42,\n  \"op\" : \"foo\"\n}";
        assert_eq!(sample(&Definition::default(), &schema).unwrap(), expect);
        assert_eq!(sample(&Definition::default(), &json!({})).unwrap(), "#set($inputRoot = $input.path('$'))\n{ }");
    }

    #[test]
    fn a_sample_is_a_template_that_writes_json() {
        let line =
            json!({"type": "object", "properties": {"n": {"type": "number"}, "ok": {"type": ["null", "boolean"]}}});
        let reference = "https://apigateway.amazonaws.com/restapis/a/models/Line";
        let models = definition(&[("Line", line)]);
        let schema = json!({"properties": {"lines": {"type": "array", "items": {"$ref": reference}}}});
        let template = sample(&models, &schema).unwrap();
        let expect = json!({"lines": [{"n": 42.0, "ok": true}, {"n": 42.0, "ok": true}]});
        assert_eq!(rendered(&template, r#"{"lines": [1, 2]}"#), expect);
        assert_eq!(rendered(&template, r#"{"lines": []}"#), json!({"lines": []}));
    }

    #[test]
    fn models_that_contain_themselves_end() {
        let reference = json!({"$ref": "https://apigateway.amazonaws.com/restapis/a/models/Node"});
        let once = json!({"properties": {"next": reference}});
        assert!(sample(&definition(&[("Node", once.clone())]), &once).unwrap().ends_with('}'));
        let twice = json!({"properties": {"left": reference, "right": reference}});
        assert!(sample(&definition(&[("Node", twice.clone())]), &twice).is_err());
    }
}

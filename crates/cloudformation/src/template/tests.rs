//! Functions, references and conditions, in one table each.

use std::collections::BTreeMap;

use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use serde_json::{Map, Value, json};

use super::{
    Aliases, Evaluator, GivenParameter, Pseudo, Template, TemplateError, World, bind, check_rules, conditions, parse,
    reference_value,
};

struct Fake;

impl World for Fake {
    fn physical_id(&self, logical_id: &str) -> Option<Value> {
        (logical_id == "Bucket").then(|| json!("my-bucket"))
    }

    fn attribute(&self, logical_id: &str, attribute: &str) -> Result<Value, TemplateError> {
        Ok(json!(format!("{logical_id}/{attribute}")))
    }

    fn import(&self, name: &str) -> Option<String> {
        (name == "shared").then(|| "imported".to_owned())
    }
}

fn pseudo() -> Pseudo {
    Pseudo {
        account: "012345678901".to_owned(),
        region: "eu-west-1".to_owned(),
        stack_id: "arn:aws:cloudformation:eu-west-1:012345678901:stack/s/1".to_owned(),
        stack_name: "s".to_owned(),
        notification_arns: Vec::new(),
    }
}

fn evaluate(value: &Value) -> Result<Option<Value>, String> {
    let mappings = json!({"M": {"eu-west-1": {"a": "one", "l": ["x", "y"]}}});
    let parameters = BTreeMap::from([
        ("P".to_owned(), json!("pv")),
        ("L".to_owned(), json!(["a", "b"])),
        ("N".to_owned(), json!(5)),
    ]);
    let conditions = BTreeMap::from([("Yes".to_owned(), true), ("No".to_owned(), false)]);
    let pseudo = pseudo();
    let evaluator = Evaluator {
        mappings: mappings.as_object().unwrap(),
        parameters: &parameters,
        conditions: &conditions,
        pseudo: &pseudo,
        world: &Fake,
    };
    evaluator.evaluate(value).map_err(|e| e.to_string())
}

fn check(value: Value, expect: Value) {
    assert_eq!(evaluate(&value), Ok(Some(expect)), "{value}");
}

fn refused(value: Value, expect: &str) {
    let error = evaluate(&value).unwrap_err();
    assert!(error.contains(expect), "{value}: {error}");
}

#[test]
fn references() {
    check(json!({"Ref": "P"}), json!("pv"));
    check(json!({"Ref": "N"}), json!(5));
    check(json!({"Ref": "L"}), json!(["a", "b"]));
    check(json!({"Ref": "Bucket"}), json!("my-bucket"));
    check(json!({"Ref": "AWS::AccountId"}), json!("012345678901"));
    check(json!({"Ref": "AWS::Partition"}), json!("aws"));
    check(json!({"Ref": "AWS::URLSuffix"}), json!("amazonaws.com"));
    check(json!({"Ref": "AWS::NotificationARNs"}), json!([]));
    assert_eq!(evaluate(&json!({"Ref": "AWS::NoValue"})), Ok(None));
    check(json!({"a": {"Ref": "AWS::NoValue"}, "b": [1, {"Ref": "AWS::NoValue"}]}), json!({"b": [1]}));
    check(json!({"Fn::GetAtt": ["R", "Arn"]}), json!("R/Arn"));
    check(json!({"Fn::GetAtt": "R.Outputs.X"}), json!("R/Outputs.X"));
    check(json!({"Fn::GetAtt": ["R", {"Ref": "P"}]}), json!("R/pv"));
    refused(json!({"Ref": "Gone"}), "Unresolved resource dependencies [Gone]");
    refused(json!({"Ref": ["P"]}), "every Ref object must have a single String value.");
    refused(json!({"Fn::GetAtt": ["R"]}), "every Fn::GetAtt object requires two non-empty parameters");
}

#[test]
fn texts() {
    check(json!({"Fn::Sub": "${P}-${N}-${AWS::Region}-${R.Arn}-${!P}"}), json!("pv-5-eu-west-1-R/Arn-${P}"));
    check(json!({"Fn::Sub": ["${v}/${P}", {"v": {"Fn::Join": ["+", {"Ref": "L"}]}}]}), json!("a+b/pv"));
    check(json!({"Fn::Sub": "${L}"}), json!("a,b"));
    check(json!({"Fn::Join": ["", ["a", 1, true, {"Ref": "P"}]]}), json!("a1truepv"));
    check(json!({"Fn::Join": [",", {"Fn::GetAZs": ""}]}), json!("eu-west-1a,eu-west-1b,eu-west-1c"));
    check(json!({"Fn::Select": [1, {"Fn::GetAZs": {"Ref": "AWS::Region"}}]}), json!("eu-west-1b"));
    check(json!({"Fn::Select": ["0", {"Fn::Split": ["|", "x|y"]}]}), json!("x"));
    check(json!({"Fn::Select": [{"Fn::FindInMap": ["I", "i", "i", {"DefaultValue": 1}]}, ["p", "q"]]}), json!("q"));
    check(json!({"Fn::Split": ["::", "a::b"]}), json!(["a", "b"]));
    check(json!({"Fn::Base64": {"Fn::Sub": "${P}"}}), json!("cHY="));
    check(json!({"Fn::ImportValue": {"Fn::Sub": "shared"}}), json!("imported"));
    check(json!({"Fn::Length": {"Ref": "L"}}), json!(2));
    check(json!({"Fn::ToJsonString": {"b": {"Ref": "P"}, "a": [1]}}), json!("{\"a\":[1],\"b\":\"pv\"}"));
    check(json!({"Fn::Cidr": ["10.0.0.0/24", "2", "5"]}), json!(["10.0.0.0/27", "10.0.0.32/27"]));
    refused(json!({"Fn::Sub": ["a"]}), "One or more Fn::Sub intrinsic functions don't specify expected arguments");
    refused(json!({"Fn::Join": ["a"]}), "every Fn::Join object requires two parameters, (1) a string delimiter");
    refused(json!({"Fn::Select": [5, ["a"]]}), "Fn::Select cannot select nonexistent value at index 5");
    refused(json!({"Fn::ImportValue": "other"}), "No export named other found");
    refused(json!({"Fn::Foo": "other"}), "Encountered unsupported function: Fn::Foo Supported functions are: [");
    let long = json!({"Fn::Join": ["", vec!["x".repeat(100_000); 20]]});
    refused(long, "a text of more than 1048576 bytes is built");
}

#[test]
fn mappings_and_conditions() {
    check(json!({"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "a"]}), json!("one"));
    check(json!({"Fn::FindInMap": ["M", "eu-west-1", "l"]}), json!(["x", "y"]));
    check(json!({"Fn::FindInMap": ["M", "x", "y", {"DefaultValue": {"Ref": "P"}}]}), json!("pv"));
    refused(
        json!({"Fn::FindInMap": ["M", "eu-west-1", "b"]}),
        "Template error: Unable to get mapping for M::eu-west-1::b",
    );
    refused(json!({"Fn::FindInMap": ["X", "a", "b"]}), "Mapping named 'X' is not present in the 'Mappings' section");
    refused(json!({"Fn::FindInMap": ["M", "a"]}), "every Fn::FindInMap object requires three parameters");
    check(json!({"Fn::If": ["Yes", {"Ref": "P"}, {"Ref": "Gone"}]}), json!("pv"));
    assert_eq!(evaluate(&json!({"Fn::If": ["No", 1, {"Ref": "AWS::NoValue"}]})), Ok(None));
    refused(json!({"Fn::If": ["Maybe", 1, 2]}), "Unresolved condition dependency Maybe");
    check(json!({"Fn::Equals": [{"Ref": "N"}, "5"]}), json!(true));
    check(json!({"Fn::And": [{"Condition": "Yes"}, {"Fn::Not": [{"Condition": "No"}]}]}), json!(true));
    check(json!({"Fn::Or": [{"Condition": "No"}, {"Fn::Equals": ["a", "b"]}]}), json!(false));
    refused(
        json!({"Fn::And": [{"Condition": "Yes"}]}),
        "every Fn::And object requires a list of at least 2 and at most 10",
    );
}

/// Reads, checks, binds and decides, as a stack operation does before anything is made.
fn prepare(document: &Value, given: &[(&str, &str)]) -> Result<BTreeMap<String, bool>, String> {
    let run = || {
        let template = Template::read(document)?;
        template.check_references()?;
        let given: Vec<GivenParameter> = given
            .iter()
            .map(|(key, value)| GivenParameter {
                key: (*key).to_owned(),
                value: Some((*value).to_owned()),
                use_previous: false,
            })
            .collect();
        let bound = bind(&template.parameters, &given, &BTreeMap::new())?;
        let values = bound
            .iter()
            .filter_map(|(name, text)| Some((name.clone(), reference_value(template.parameters.get(name)?.kind, text))))
            .collect();
        let known = conditions(&template, &values, &pseudo())?;
        check_rules(&template, &values, &known, &pseudo())?;
        Ok(known)
    };
    run().map_err(|e: TemplateError| e.to_string())
}

fn with(sections: Value) -> Value {
    let mut document = json!({"Resources": {"R": {"Type": "T"}}});
    let document_map: &mut Map<String, Value> = document.as_object_mut().unwrap();
    document_map.extend(sections.as_object().unwrap().clone());
    document
}

#[test]
fn references_to_nothing_and_cycles_are_refused() {
    let refused = |resources: Value, expect: &str| {
        assert_eq!(prepare(&json!({ "Resources": resources }), &[]), Err(expect.to_owned()));
    };
    let r = |properties: Value| json!({"Type": "T", "Properties": properties});
    refused(
        json!({"A": r(json!({"p": {"Ref": "X"}, "q": {"Fn::Sub": "${Y}"}}))}),
        "Template format error: Unresolved resource dependencies [X, Y] in the Resources block of the template",
    );
    refused(
        json!({"A": r(json!({"p": {"Fn::GetAtt": ["X", "Arn"]}}))}),
        "Template error: instance of Fn::GetAtt references undefined resource X",
    );
    refused(
        json!({"A": {"Type": "T", "DependsOn": ["X"]}}),
        "Template format error: Unresolved resource dependencies [X] in the Resources block of the template",
    );
    refused(
        json!({"A": r(json!({"p": {"Ref": "B"}})), "B": r(json!({"p": {"Fn::Sub": "${A.Arn}"}})), "C": {"Type": "T", "DependsOn": "A"}}),
        "Circular dependency between resources: [A, B]",
    );
    refused(json!({"A": r(json!({"p": {"Ref": "A"}}))}), "Circular dependency between resources: [A]");
    refused(
        json!({"A": {"Type": "T", "Condition": "C"}}),
        "Template format error: Unresolved condition dependency C in the Resources block of the template",
    );
    refused(
        json!({"A": r(json!({"p": {"Fn::FindInMap": ["M", "a", "b"]}}))}),
        "Template error: Mapping named 'M' is not present in the 'Mappings' section of template.",
    );
    let length = prepare(&json!({"Resources": {"A": r(json!({"p": {"Fn::Length": [1]}}))}}), &[]).unwrap_err();
    assert!(length.starts_with("Template error: Encountered unsupported function: Fn::Length"), "{length}");
    let outputs = with(json!({"Outputs": {"O": {"Value": {"Ref": "X"}}}}));
    assert_eq!(
        prepare(&outputs, &[]),
        Err("Template format error: Unresolved resource dependencies [X] in the Outputs block of the template"
            .to_owned())
    );
}

#[test]
fn conditions_are_decided_in_their_order() {
    let document = with(json!({
        "Parameters": {"Env": {"Type": "String", "Default": "dev"}},
        "Conditions": {
            "A": {"Fn::Not": [{"Condition": "Z"}]},
            "M": {"Fn::And": [{"Condition": "A"}, {"Condition": "Z"}]},
            "Z": {"Fn::Equals": [{"Ref": "Env"}, "prod"]},
        }
    }));
    let decided = |given| prepare(&document, given).unwrap().into_values().collect::<Vec<_>>();
    assert_eq!(decided(&[]), [true, false, false]);
    assert_eq!(decided(&[("Env", "prod")]), [false, false, true]);
    let cyclic =
        with(json!({"Conditions": {"A": {"Fn::Not": [{"Condition": "B"}]}, "B": {"Fn::Not": [{"Condition": "A"}]}}}));
    assert_eq!(
        prepare(&cyclic, &[]),
        Err("Template format error: Circular dependencies between conditions: [A, B]".to_owned())
    );
    let resource = with(json!({"Conditions": {"A": {"Fn::Equals": [{"Ref": "R"}, ""]}}}));
    assert_eq!(
        prepare(&resource, &[]),
        Err("Template format error: Unresolved dependencies [R]. Cannot reference resources in the Conditions block of the \
             template"
            .to_owned())
    );
}

#[test]
fn rules_judge_parameters() {
    let document = with(json!({
        "Parameters": {"Version": {"Type": "String", "Default": "6"}},
        "Rules": {"CheckVersion": {"Assertions": [{
            "Assert": {"Fn::Not": [{"Fn::Contains": [["1", "2", "3"], {"Ref": "Version"}]}]},
            "AssertDescription": "CDK bootstrap stack version 6 required."
        }]}}
    }));
    assert!(prepare(&document, &[]).is_ok());
    assert_eq!(
        prepare(&document, &[("Version", "2")]),
        Err("Template error: rule CheckVersion is violated: CDK bootstrap stack version 6 required.".to_owned())
    );
    let each = with(json!({
        "Parameters": {"L": {"Type": "CommaDelimitedList", "Default": "a,b"}},
        "Rules": {"E": {"RuleCondition": {"Fn::Equals": [1, 1]}, "Assertions": [{"Assert": {"Fn::EachMemberIn": [{"Ref": "L"}, ["a", "b", "c"]]}}]}}
    }));
    assert!(prepare(&each, &[]).is_ok());
    assert!(prepare(&each, &[("L", "a,z")]).is_err());
}

/// Whatever happens to the text, it is either a template or an error.
fn read_anything(text: &str) -> bool {
    for aliases in [Aliases::Refused, Aliases::Expanded] {
        if let Ok(document) = parse(text, aliases)
            && let Ok(template) = Template::read(&document)
        {
            let _ = template.check_references();
        }
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>()) {
        prop_assert!(read_anything(&text));
    }

    #[test]
    fn any_text_of_yaml_signs_is_read_without_a_panic(text in "[-a&*!:?|>{}\\[\\],'\"#%@ \n\t0-9~<.$]{0,60}") {
        prop_assert!(read_anything(&text));
    }

    #[test]
    fn a_damaged_template_is_read_without_a_panic(cut in 0_usize..400, put in "[-a&*!:?|>{}\\[\\],'\"#%@ \n\t~<]{0,4}") {
        let whole = "Parameters:\n  P: {Type: String, Default: 'x'}\nResources:\n  A:\n    Type: T\n    Properties:\n      \
                     a: !Sub ['${b}', {b: !Ref P}]\n      c: |\n        text\n      d: [1, 2.50, !GetAtt A.Arn]\nOutputs:\n  \
                     O:\n    Value: !Join ['', [a, &x b]]\n    Export: {Name: !If [C, *x, y]}\n";
        let cut = (0..=cut.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
        let (head, tail) = whole.split_at(cut);
        let text = format!("{head}{put}{tail}");
        prop_assert!(read_anything(&text));
    }
}

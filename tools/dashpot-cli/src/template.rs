//! `template.yaml` as JSON: CloudFormation's short tags (`!Ref`, `!GetAtt`, `!Sub`) become their long forms.

use std::path::Path;

use anyhow::{Context, Result, bail};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// Reads a template file.
///
/// # Errors
///
/// The file cannot be read, is not YAML, or holds something that JSON has no word for.
pub fn load(path: &Path) -> Result<Value> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is not a template", path.display()))
}

/// Reads a template's text.
///
/// # Errors
///
/// The text is not one YAML document, or holds something that JSON has no word for.
pub fn parse(text: &str) -> Result<Value> {
    let documents = Yaml::load_from_str(text)?;
    let [document] = documents.as_slice() else {
        bail!("it has {} YAML documents instead of one", documents.len());
    };
    to_json(document)
}

fn to_json(node: &Yaml<'_>) -> Result<Value> {
    Ok(match node {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(value) => json!(value),
            Scalar::Integer(value) => json!(value),
            Scalar::FloatingPoint(value) => json!(value.into_inner()),
            Scalar::String(value) => json!(value),
        },
        Yaml::Sequence(nodes) => nodes.iter().map(to_json).collect::<Result<_>>()?,
        Yaml::Mapping(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                let key = match to_json(key)? {
                    Value::String(key) => key,
                    Value::Number(key) => key.to_string(),
                    other => bail!("{other} is not a key"),
                };
                object.insert(key, to_json(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tag, node) => function(&tag.suffix, to_json(node)?)?,
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            bail!("{node:?} is not understood")
        }
    })
}

/// The long form of an intrinsic function that was written as a tag.
fn function(tag: &str, argument: Value) -> Result<Value> {
    let name = match tag {
        "Ref" | "Condition" => tag.to_owned(),
        _ => format!("Fn::{tag}"),
    };
    let argument = match (tag, &argument) {
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path
                .split_once('.')
                .with_context(|| format!("`!GetAtt {path}` names no attribute"))?;
            json!([resource, attribute])
        }
        _ => argument,
    };
    Ok(json!({ name: argument }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn short_tags_become_long_forms() {
        let template = parse(
            "Queue: !Ref Inbox\n\
             Arn: !GetAtt Table.StreamArn\n\
             Name: !Sub '${AWS::StackName}-x'\n\
             Choice: !If [IsProd, 30, !Ref AWS::NoValue]\n\
             When: !Condition IsProd\n\
             Row: !FindInMap [Stage, !Ref Stage, Timeout]\n",
        )
        .unwrap();

        assert_eq!(
            template,
            json!({
                "Queue": { "Ref": "Inbox" },
                "Arn": { "Fn::GetAtt": ["Table", "StreamArn"] },
                "Name": { "Fn::Sub": "${AWS::StackName}-x" },
                "Choice": { "Fn::If": ["IsProd", 30, { "Ref": "AWS::NoValue" }] },
                "When": { "Condition": "IsProd" },
                "Row": { "Fn::FindInMap": ["Stage", { "Ref": "Stage" }, "Timeout"] },
            })
        );
    }

    #[test]
    fn a_date_stays_text() {
        assert_eq!(
            parse("Version: 2012-10-17").unwrap(),
            json!({ "Version": "2012-10-17" })
        );
    }

    #[test]
    fn broken_yaml_is_an_error() {
        assert!(parse("a: [1, 2").is_err());
    }
}

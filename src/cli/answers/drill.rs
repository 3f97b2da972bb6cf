//! What an answers file says about a drill.

use serde::Deserialize;
use serde_yaml::Value;

use crate::engine::Finding;

/// What an answers file says about a drill: what its people agreed on, and what they learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrillAnswers {
    /// What ends it early, in words.
    pub abort: Option<String>,
    /// How long it may take, as written.
    pub limit: Option<String>,
    /// Who holds the abort key.
    pub abort_key: Option<String>,
    /// What it showed: `none`, or a list. Missing is no statement.
    #[serde(deserialize_with = "findings")]
    pub findings: Option<Vec<Finding>>,
}

/// `none` is the statement that there is nothing, which an empty list is not.
fn findings<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Vec<Finding>>, D::Error> {
    use serde::de::Error;
    let wrong = |why: &dyn std::fmt::Display| {
        D::Error::custom(format!(
            "findings: {why}; say `none`, or a list of {{ text, owner, due }}, due as 2026-02-01"
        ))
    };
    let items = match Value::deserialize(from)? {
        Value::Null => return Ok(None),
        Value::String(word) if word == "none" => return Ok(Some(Vec::new())),
        Value::Sequence(items) if !items.is_empty() => items,
        _ => return Err(wrong(&"they are not stated")),
    };
    let read = |item| {
        let finding: Finding = serde_yaml::from_value(item).map_err(|why| wrong(&why))?;
        match finding.lacks() {
            None => Ok(finding),
            Some(why) => Err(wrong(&why)),
        }
    };
    items
        .into_iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map(Some)
}

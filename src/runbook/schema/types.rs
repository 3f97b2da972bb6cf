//! Kinds of values.

use serde_json::{Value, json};

/// A kind with a line about it.
pub(super) fn about(mut kind: Value, line: &str) -> Value {
    kind["description"] = json!(line);
    kind
}

/// Text that is not empty.
pub(super) fn text() -> Value {
    json!({ "type": "string", "pattern": "\\S" })
}

/// `true` or `false`.
pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// A whole number within bounds.
pub(super) fn whole(least: u64, most: u64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

/// A number.
pub(super) fn number() -> Value {
    json!({ "type": "number" })
}

/// `90s`, `1h 30m`.
pub(super) fn duration() -> Value {
    json!({ "type": "string", "pattern": "^\\s*([0-9]+\\s*[smhdw]\\s*)+$", "examples": ["30s", "5m", "4h"] })
}

/// A list of at least one.
pub(super) fn list(item: Value) -> Value {
    json!({ "type": "array", "items": item, "minItems": 1 })
}

/// The words of a command: no shell reads them.
pub(super) fn argv() -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "minItems": 1, "examples": [["logger", "done"]] })
}

/// Entries whose keys are names that the file gives.
pub(super) fn entries(entry: Value) -> Value {
    json!({ "type": "object", "additionalProperties": entry })
}

/// Any of several kinds.
pub(super) fn any_of(kinds: impl IntoIterator<Item = Value>) -> Value {
    let kinds: Vec<Value> = kinds.into_iter().collect();
    json!({ "anyOf": kinds })
}

/// One word of those that the reader knows.
pub(super) fn one_of<T>(words: &[(&str, T)]) -> Value {
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    json!({ "enum": words })
}

/// A VM by its name, or `${vm}`.
pub(super) fn vm() -> Value {
    json!({ "type": "string", "pattern": "\\S", "examples": ["${vm}"] })
}

/// `"${name}"` of a secret.
pub(super) fn secret() -> Value {
    json!({ "type": "string", "pattern": "^\\$\\{[a-z][a-z0-9_]*\\}$", "examples": ["${root_password}"] })
}

//! From text to YAML values: serde_yaml's, with two differences.
//!
//! A duplicate key does not end the reading (the index has reported it; the first one counts). And
//! merges (`<<: *defaults`) are applied here, because `serde_yaml::Value::apply_merge` leaves merges
//! within merged mappings alone and moves other keys about, while the order of VMs in the file means
//! something.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Mapping, Value};

/// Parses a text whose structure the index has accepted.
pub(super) fn parse(text: &str, has_merges: bool) -> Result<Value, serde_yaml::Error> {
    let Tolerant(mut value) = serde_yaml::from_str(text)?;
    if has_merges {
        apply_merges(&mut value);
    }
    Ok(value)
}

/// A value in which the first of several equal keys counts.
struct Tolerant(Value);

impl<'de> Deserialize<'de> for Tolerant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Tolerant)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Tolerant(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut mapping = Mapping::new();
        while let Some((Tolerant(key), Tolerant(value))) = access.next_entry()? {
            mapping.entry(key).or_insert(value);
        }
        Ok(Value::Mapping(mapping))
    }
}

/// Replaces every `<<` by the keys that it brings; the mapping's own keys win, then earlier merges.
fn apply_merges(value: &mut Value) {
    match value {
        Value::Sequence(items) => items.iter_mut().for_each(apply_merges),
        Value::Mapping(mapping) => {
            mapping.values_mut().for_each(apply_merges);
            if mapping.contains_key("<<") {
                *mapping = merged(std::mem::take(mapping));
            }
        }
        Value::Tagged(tagged) => apply_merges(&mut tagged.value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn merged(mapping: Mapping) -> Mapping {
    let mut result = Mapping::with_capacity(mapping.len());
    let mut brought = Vec::new();
    for (key, value) in mapping {
        match (key.as_str(), value) {
            (Some("<<"), Value::Sequence(several)) => brought.extend(several),
            (Some("<<"), one) => brought.push(one),
            (_, value) => {
                result.insert(key, value);
            }
        }
    }
    for (key, value) in brought.into_iter().filter_map(into_mapping).flatten() {
        result.entry(key).or_insert(value);
    }
    result
}

fn into_mapping(value: Value) -> Option<Mapping> {
    match value {
        Value::Mapping(mapping) => Some(mapping),
        _ => None,
    }
}

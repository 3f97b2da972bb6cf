//! One line of the journal: its bytes, its place in the chain, and what it says.
//!
//! `{"seq":7,"at":"…","event":"write-intended","step":…,"attempt":1,"data":{…},"prev":H,"hash":H}`.
//! `hash` is the SHA-256 of the line's bytes before its last `,"hash":`, so standard tools can check
//! a journal: the bytes are hashed as they stand, nothing is parsed and printed again.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::digest::sha256;
use crate::engine::{Entry, RunEvent};
use crate::names::{Attempt, StepId};

use super::FORMAT;

/// `prev` of the first line.
pub const ZERO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const HASH_KEY: &str = ",\"hash\":";
/// `"` + 64 digits + `"}`
const HASH_TAIL: usize = 67;

/// What is wrong with one line.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::journal) enum Misfit {
    /// A newer version wrote this journal.
    Newer {
        /// Its format.
        format: u64,
        /// That version, as its first line says.
        version: String,
    },
    /// The line does not belong where it stands.
    Why(String),
}

impl From<String> for Misfit {
    fn from(why: String) -> Self {
        Self::Why(why)
    }
}

impl From<&str> for Misfit {
    fn from(why: &str) -> Self {
        Self::Why(why.to_owned())
    }
}

/// A line of the journal, newline included, and its hash.
pub(in crate::journal) fn encode(
    entry: &Entry,
    prev: &str,
) -> Result<(String, String), serde_json::Error> {
    use std::fmt::Write as _;
    let event = serde_json::to_string(&entry.event)?;
    let (tag, data) = split_event(&event);
    let mut line = String::with_capacity(event.len() + 320);
    // Writing to a String cannot fail.
    let _ = write!(
        line,
        "{{\"seq\":{},\"at\":\"{:.3}\",{tag}",
        entry.seq, entry.at
    );
    if let Some(step) = &entry.step {
        let _ = write!(line, ",\"step\":{}", serde_json::to_string(step)?);
    }
    if let Some(attempt) = entry.attempt {
        let _ = write!(line, ",\"attempt\":{attempt}");
    }
    let _ = write!(line, ",\"data\":{data},\"prev\":\"{prev}\"");
    let hash = sha256(line.as_bytes());
    let _ = writeln!(line, "{HASH_KEY}\"{hash}\"}}");
    Ok((line, hash))
}

/// `"event":"tag"` and the data of `{"event":"tag","data":…}`; tags hold no quotes.
fn split_event(event: &str) -> (&str, &str) {
    let inner = &event[1..event.len() - 1];
    match inner.split_once(",\"data\":") {
        Some((tag, data)) => (tag, data),
        None => (inner, "{}"),
    }
}

/// What the reader knows before it takes a line.
pub(in crate::journal) struct Expected<'a> {
    pub(in crate::journal) seq: u64,
    pub(in crate::journal) prev: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    seq: u64,
    at: String,
    event: String,
    step: Option<StepId>,
    attempt: Option<Attempt>,
    data: Value,
    prev: String,
    hash: String,
}

/// Takes a line (without its newline) apart, checking that it belongs where it stands.
pub(in crate::journal) fn decode(
    line: &[u8],
    expected: &Expected<'_>,
) -> Result<(Entry, String), Misfit> {
    let hash = check_hash(line)?;
    let fields: Fields = serde_json::from_slice(line)
        .map_err(|error| format!("it is not a journal line ({error})"))?;
    if fields.hash != hash {
        return Err("its hash stands twice".into());
    }
    if fields.seq != expected.seq {
        return Err(format!(
            "it has number {}, expected {}: lines are missing or moved",
            fields.seq, expected.seq
        )
        .into());
    }
    if fields.prev != expected.prev {
        return Err("its `prev` is not the hash of the line before it: that line was changed, or lines are missing".into());
    }
    if fields.seq == 1 {
        check_format(&fields)?;
    }
    let at: Timestamp = fields
        .at
        .parse()
        .map_err(|_| format!("its time `{}` cannot be read", fields.at))?;
    let event = read_event(fields.event, fields.data)?;
    Ok((
        Entry {
            seq: fields.seq,
            at,
            step: fields.step,
            attempt: fields.attempt,
            event,
        },
        hash,
    ))
}

fn check_hash(line: &[u8]) -> Result<String, Misfit> {
    let tail_at = line
        .len()
        .checked_sub(HASH_KEY.len() + HASH_TAIL)
        .ok_or("it is too short for a journal line")?;
    let (hashed, tail) = line.split_at(tail_at);
    let written = tail
        .strip_prefix(HASH_KEY.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"\""))
        .and_then(|rest| rest.strip_suffix(b"\"}"))
        .ok_or("it does not end in a hash")?;
    let hash = sha256(hashed);
    if written != hash.as_bytes() {
        return Err("its hash is not that of its bytes: it was changed".into());
    }
    Ok(hash)
}

fn check_format(first: &Fields) -> Result<(), Misfit> {
    if first.event != "run-started" {
        return Err("the first line is not `run-started`".into());
    }
    match first.data.get("format").and_then(Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => Ok(()),
        Some(format) if format > u64::from(FORMAT) => {
            let version = first.data.get("version").and_then(Value::as_str);
            Err(Misfit::Newer {
                format,
                version: version.map(clean_version).unwrap_or_default(),
            })
        }
        _ => Err("the first line names no format".into()),
    }
}

/// A version as it may be shown: what else the line says is not known to this one.
fn clean_version(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_graphic)
        .take(40)
        .collect()
}

fn read_event(tag: String, data: Value) -> Result<RunEvent, Misfit> {
    let complaint = format!(
        "its hash is right, but the event `{tag}` cannot be read: a later version of Lifeboat may have written it"
    );
    let mut tagged = Map::new();
    tagged.insert("event".to_owned(), Value::String(tag));
    // An event without data is written with an empty object, for readers with standard tools.
    if data.as_object().is_none_or(|data| !data.is_empty()) {
        tagged.insert("data".to_owned(), data);
    }
    serde_json::from_value(Value::Object(tagged))
        .map_err(|error| format!("{complaint} ({error})").into())
}

//! Where secrets come from.

use std::path::PathBuf;

use serde::Deserialize;
use serde_yaml::Value;
use zeroize::Zeroizing;

use super::did_you_mean;
use crate::names::VariableName;
use crate::runbook::model::Runbook;

/// Where a secret comes from; it never stands in the file itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file's first line.
    File(PathBuf),
    /// The first line that a command prints: a line for `sh -c`.
    Command(String),
}

impl SecretSource {
    /// Fetches the secret.
    ///
    /// # Errors
    /// Why it could not be had; never the secret itself.
    pub fn fetch(&self) -> Result<String, String> {
        let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        let secret = match self {
            Self::Env(name) => std::env::var(name)
                .map_err(|_| format!("the environment variable {name} is not set"))?,
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| first_line(&Zeroizing::new(text)))
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
            Self::Command(line) => {
                let output = std::process::Command::new("sh")
                    .args(["-c", line])
                    .stdin(std::process::Stdio::null())
                    .stderr(std::process::Stdio::inherit())
                    .output()
                    .map_err(|error| format!("its command could not be started: {error}"))?;
                if !output.status.success() {
                    return Err(format!("its command failed: {}", output.status));
                }
                // What it printed is wiped once its first line is taken.
                let printed = Zeroizing::new(output.stdout);
                let text = Zeroizing::new(String::from_utf8_lossy(&printed).into_owned());
                first_line(&text)
            }
        };
        if secret.is_empty() {
            Err("it is empty".to_owned())
        } else {
            Ok(secret)
        }
    }
}

/// Where the secret of that name comes from, which is never said in the open.
pub(super) fn take_secret(
    runbook: &Runbook,
    name: &str,
    value: Value,
) -> Result<SecretSource, String> {
    match runbook.variables.get(name) {
        Some(variable) if variable.secret => {}
        Some(_) => return Err(format!("`{name}` is no secret: give it under `variables`")),
        None => {
            let near = did_you_mean(name, runbook.variables.keys().map(VariableName::as_str));
            return Err(format!("this runbook has no variable `{name}`{near}"));
        }
    }
    let ways = "say where it comes from: { env: NAME }, { file: PATH } or { command: LINE }";
    match &value {
        Value::Mapping(ways_given) if ways_given.len() == 1 => {}
        _ => return Err(ways.to_owned()),
    }
    // An externally tagged enum is a YAML tag to serde_yaml; here it is a mapping with one key.
    serde_yaml::with::singleton_map::deserialize(value).map_err(|_| ways.to_owned())
}

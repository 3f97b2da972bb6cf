//! From a backup of the runbook to the folder that its points are read from.

use std::path::PathBuf;

use super::source::Folder;
use super::stream::{RunsOn, Stream};
use crate::error::Fault;
use crate::host::{Hosts, Lane, Secret};
use crate::names::VariableName;
use crate::runbook::model::{Backup, BackupForm, BackupTool};

impl Folder {
    /// Where the points of a backup are read from, over that session of its host.
    ///
    /// # Errors
    /// There is no such host, or a secret of the backup's tool was not given.
    pub fn of_backup(hosts: &Hosts, backup: &Backup, lane: Lane) -> Result<Self, Fault> {
        Ok(match (&backup.form, &backup.host) {
            (BackupForm::Folder(path), None) => Self::Here(PathBuf::from(path)),
            (BackupForm::Folder(path), Some(host)) => Self::On {
                host: hosts.named(host)?,
                path: path.clone(),
                lane,
            },
            (BackupForm::Tool(tool), host) => {
                let on = match host {
                    None => RunsOn::Here,
                    Some(host) => RunsOn::Host(hosts.named(host)?, lane),
                };
                Self::Stream(Stream::new(on, tool.clone(), tool_secrets(hosts, tool)?))
            }
        })
    }
}

/// The secrets of a backup's tool, by their names in its environment.
///
/// # Errors
/// One was not given.
pub fn tool_secrets(hosts: &Hosts, tool: &BackupTool) -> Result<Vec<(String, Secret)>, Fault> {
    let secret = |(name, variable): &(String, VariableName)| {
        let secret = hosts.secret(variable).ok_or_else(|| {
            Fault::new(
                format!("the secret {variable}, which the backup's tool needs, was not given"),
                "console",
                "nothing was sent",
                "leave (q) and resume: it is asked for then; or name its source under `secrets` in an answers file",
            )
        })?;
        Ok((name.clone(), secret))
    };
    tool.environment.iter().map(secret).collect()
}

//! The reads over a plain `sh`, asked over one of a host's sessions.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{
    Entry, Found, Ping, Seen, Sha256, TcpAnswer, TcpTool, Trace, entries, find, free_space, list,
    neighbor, parse_free_space, ping, sha256, tcp, trace,
};
use crate::host::{Host, HostCommand, Lane, Output};
use crate::hypervisor::{DriverError, DriverFault};

/// A host with a POSIX shell, asked over one lane; ESXi is one too.
#[derive(Clone)]
pub struct Shell {
    host: Arc<Host>,
    lane: Lane,
}

impl Shell {
    /// Reads of `host` over `lane`.
    #[must_use]
    pub fn new(host: Arc<Host>, lane: Lane) -> Self {
        Self { host, lane }
    }

    /// Sends one command that only looks and reads its reply.
    pub(in crate::hypervisor) async fn ask<T>(
        &self,
        command: &HostCommand,
        parse: impl FnOnce(&Output) -> Result<T, DriverFault>,
    ) -> Result<T, DriverError> {
        let output = self.host.read(self.lane, command).await?;
        Ok(parse(&output)?)
    }

    /// What is at a path.
    ///
    /// # Errors
    /// The host cannot be asked, or cannot look.
    pub async fn find(&self, path: &str) -> Result<Found, DriverError> {
        self.ask(&find(path), Found::parse).await
    }

    /// What is in a folder, hidden names included.
    ///
    /// # Errors
    /// The host cannot be asked; the folder is not there or cannot be read.
    pub async fn list(&self, folder: &str) -> Result<Vec<Entry>, DriverError> {
        self.ask(&list(folder), entries).await
    }

    /// The sum of a whole file, within `limit`.
    ///
    /// # Errors
    /// The host cannot be asked, has nothing to sum with, or cannot read the file.
    pub async fn sha256(&self, path: &str, limit: Duration) -> Result<Sha256, DriverError> {
        self.ask(&sha256(path).deadline(limit), Sha256::parse).await
    }

    /// Bytes free on the volume of a folder; not for ESXi, whose volumes tell it.
    ///
    /// # Errors
    /// The host cannot be asked; the folder is not there.
    pub async fn free_space(&self, folder: &str) -> Result<u64, DriverError> {
        self.ask(&free_space(folder), parse_free_space).await
    }

    /// Tries a port from this host by the first tool that it has, and says by which.
    ///
    /// # Errors
    /// The host cannot be asked, has no tool for it, or could not send anything.
    pub async fn tcp(
        &self,
        address: &str,
        port: u16,
        seconds: u8,
    ) -> Result<(TcpTool, TcpAnswer), DriverError> {
        let mut missing = None;
        for tool in TcpTool::ALL {
            let command = tcp(tool, address, port, seconds);
            match self
                .ask(&command, |output| TcpAnswer::parse(tool, output))
                .await
            {
                Ok(answer) => return Ok((tool, answer)),
                Err(error @ DriverError::Reply(DriverFault::ToolMissing { .. })) => {
                    missing.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        let text = missing.map(|error| error.to_string()).unwrap_or_default();
        let tool = TcpTool::ALL.map(|tool| tool.to_string()).join(", ");
        Err(DriverFault::ToolMissing { tool, text }.into())
    }

    /// Whether an address answers to ping from this host.
    ///
    /// # Errors
    /// The host cannot be asked, or could not send anything.
    pub async fn ping(&self, address: &str) -> Result<Ping, DriverError> {
        self.ask(&ping(address), Ping::parse).await
    }

    /// What a Linux host saw behind an address; ask right after [`Shell::ping`].
    ///
    /// # Errors
    /// The host cannot be asked, or is no Linux.
    pub async fn neighbor(&self, address: IpAddr) -> Result<Seen, DriverError> {
        self.ask(&neighbor(address), Seen::parse).await
    }

    /// Whether a process still is a command that was lost.
    ///
    /// # Errors
    /// The host cannot be asked, or cannot show its processes.
    pub async fn trace(&self, pid: u32, command: &HostCommand) -> Result<Trace, DriverError> {
        self.ask(&trace(self.host.driver(), pid, command), Trace::parse)
            .await
    }
}

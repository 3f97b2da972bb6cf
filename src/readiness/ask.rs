//! Asking one host: every question has a time limit, and a host that falls silent is not asked on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::timeout;

use super::seen::{Clock, Shut, Silence, Told};
use crate::error::Fault;
use crate::host::{Host, HostCommand, HostError, Lane, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::esxi::storage::Volumes;
use crate::hypervisor::shell;
use crate::transfer::{Folder, VmFiles, vm_files_on};

/// How long a host may take for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is said of a question that had no effect.
const UNCHANGED: &str = "nothing was changed";

/// A host that is asked.
pub(super) struct Asker {
    host: Arc<Host>,
    /// Why it is not asked any more.
    gone: Option<Fault>,
}

impl Asker {
    pub(super) fn new(host: Arc<Host>) -> Self {
        Self { host, gone: None }
    }

    /// Logs in, and asks for the time: the smallest question that tells anything.
    ///
    /// # Errors
    /// It could not be reached, or did not let us in.
    pub(super) async fn open(&mut self) -> Result<(Told<Clock>, Duration), Shut> {
        // The login lies in the first one.
        let shut = |error: HostError| Shut::new(self.host.name(), &error);
        let command = shell::utc().deadline(PATIENCE);
        self.host
            .read(Lane::Control, &command)
            .await
            .map_err(shut)?;
        let (before, began) = (Timestamp::now(), Instant::now());
        let output = self
            .host
            .read(Lane::Control, &command)
            .await
            .map_err(shut)?;
        let (after, took) = (Timestamp::now(), began.elapsed());
        let clock = shell::parse_utc(&output)
            .map(|host| Clock {
                host,
                before,
                after,
            })
            .map_err(|fault| self.silence("its clock", &fault, true));
        Ok((clock, took))
    }

    /// Asks no more: every question from now on is answered by why.
    pub(super) fn leave(&mut self, why: Fault) {
        self.gone = Some(why);
    }

    /// Asks for what the host must tell.
    pub(super) async fn ask<T>(
        &mut self,
        asked: &'static str,
        command: HostCommand,
        parse: impl FnOnce(&Output) -> Result<T, DriverFault>,
    ) -> Told<T> {
        self.put(asked, command, parse, false).await
    }

    /// Asks for what not every release tells.
    pub(super) async fn ask_extra<T>(
        &mut self,
        asked: &'static str,
        command: HostCommand,
        parse: impl FnOnce(&Output) -> Result<T, DriverFault>,
    ) -> Told<T> {
        self.put(asked, command, parse, true).await
    }

    async fn put<T>(
        &mut self,
        asked: &'static str,
        command: HostCommand,
        parse: impl FnOnce(&Output) -> Result<T, DriverFault>,
        is_extra: bool,
    ) -> Told<T> {
        let silent = |fault: &Fault| Silence {
            asked,
            fault: fault.clone(),
            is_extra: false,
        };
        if let Some(fault) = &self.gone {
            return Err(silent(fault));
        }
        let limited = command.deadline(PATIENCE);
        match self.host.read(Lane::Control, &limited).await {
            Ok(output) => parse(&output).map_err(|fault| self.silence(asked, &fault, is_extra)),
            Err(error) => {
                let fault = error.fault(self.host.name());
                let why = silent(&fault);
                // Whoever took too long once would take as long for every question that is left.
                self.gone = error.passing().then_some(fault);
                Err(why)
            }
        }
    }

    /// What comes of the VM with this .vmx where its files are copied from its folder, or why they
    /// cannot be.
    pub(super) async fn ask_files(
        &mut self,
        folder: String,
        vmx: &str,
        volumes: &Volumes,
    ) -> Told<Result<VmFiles, Fault>> {
        let silent = |fault: &Fault| Silence {
            asked: "the disks of VMs that are copied from where they are",
            fault: fault.clone(),
            is_extra: false,
        };
        if let Some(fault) = &self.gone {
            return Err(silent(fault));
        }
        let from = Folder::On {
            host: Arc::clone(&self.host),
            path: folder,
            lane: Lane::Control,
        };
        let after = PATIENCE * 2;
        let late = |_| {
            let what = "reading the descriptors of its disks".to_owned();
            HostError::TimedOut { what, after }.fault(self.host.name())
        };
        let files = vm_files_on(&from, vmx, volumes);
        match timeout(after, files)
            .await
            .unwrap_or_else(|over| Err(late(over)))
        {
            Ok(files) => Ok(Ok(files)),
            Err(fault) if fault.passing => {
                let why = silent(&fault);
                self.gone = Some(fault);
                Err(why)
            }
            Err(fault) => Ok(Err(fault)),
        }
    }

    fn silence(&self, asked: &'static str, fault: &DriverFault, is_extra: bool) -> Silence {
        Silence {
            asked,
            fault: Fault::new(
                fault.to_string(),
                self.host.name().as_str(),
                UNCHANGED,
                fault.next_move(),
            ),
            // Whatever a host has no words for, without its agent it can do nothing.
            is_extra: is_extra && !fault.is_passing(),
        }
    }
}

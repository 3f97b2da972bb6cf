//! Machines whose operating system the runbook lists as a host: the guest of a VM, or a physical
//! server. Their sshd answers while they run, and their application serves while its unit does.
//!
//! Each has files of its own: what a backup tool or an agent brings into a machine, file by file. They
//! do not follow the disks of a VM that is copied as a whole.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::network::Network;
use super::process::ProcessTable;
use super::ssh::Switch;
use super::units;
use crate::names::{HostName, SiteName};

/// One of them.
#[derive(Debug)]
pub(crate) struct Machine {
    /// The host that it is in the runbook.
    pub(crate) host: HostName,
    /// The VM that it is the guest of, or the server's own name.
    pub(crate) guest: String,
    /// Where it stands.
    pub(crate) site: SiteName,
    /// The addresses and ports of a physical server; a VM's come with its adapters.
    pub(crate) physical: Option<Vec<(String, u16)>>,
    /// The unit that has to run for it to serve: one that bears a VM's name, if a step starts it.
    pub(crate) application: Option<String>,
    /// Its files.
    pub(crate) root: PathBuf,
    /// What runs in it.
    pub(crate) processes: Arc<ProcessTable>,
    /// Whether its sshd answers.
    pub(crate) door: Switch,
    /// Who runs it, and which ports it then has.
    pub(crate) run: Mutex<Option<Run>>,
}

/// A machine that runs.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    holder: String,
    ports: Vec<(String, u16)>,
}

impl Machine {
    fn run(&self) -> Option<Run> {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.clone()
    }

    fn set_run(&self, run: Option<Run>) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = run;
    }

    /// Whether it is this VM's guest at this site.
    pub(crate) fn is_guest(&self, guest: &str, site: &SiteName) -> bool {
        self.physical.is_none() && self.guest == guest && self.site == *site
    }

    /// Whether it runs as this.
    pub(crate) fn is_run_by(&self, holder: &str) -> bool {
        self.run().is_some_and(|run| run.holder == holder)
    }

    /// A VM has come so far that its guest answers. One that `boots` has only what is enabled.
    pub(crate) fn start(
        &self,
        network: &Network,
        holder: &str,
        ports: Vec<(String, u16)>,
        boots: bool,
    ) {
        if boots && let Err(error) = units::boot(&self.root) {
            tracing::warn!(host = %self.host, %error, "a simulated machine cannot start its units");
        }
        self.set_run(Some(Run {
            holder: holder.to_owned(),
            ports,
        }));
        network.set_host(&self.host, true);
        self.door.set(true);
        self.serve(network);
    }

    /// A physical server is switched on, or has been running.
    pub(crate) fn start_physical(&self, network: &Network, boots: bool) {
        if let Some(ports) = &self.physical {
            self.start(network, self.host.as_str(), ports.clone(), boots);
        }
    }

    /// It has no power any more.
    pub(crate) fn stop(&self, network: &Network) {
        let Some(run) = self.run() else { return };
        self.set_run(None);
        self.door.set(false);
        self.processes.kill_all();
        network.set_host(&self.host, false);
        network.close(&run.holder);
    }

    /// Opens its ports while its application runs, and closes them while it does not.
    pub(crate) fn serve(&self, network: &Network) {
        let Some(run) = self.run() else { return };
        let serves = |unit: &String| units::is_active(&self.root, unit);
        if self.application.as_ref().is_none_or(serves) {
            for (host, port) in &run.ports {
                network.open(&run.holder, host, *port);
            }
        } else {
            network.close(&run.holder);
        }
    }
}

//! What makes a simulated host an ESXi host: hostd's inventory, running VMs, tasks, networks.
//!
//! The inventory and what belongs to it are replaced by rename at each change, so that a site that
//! was killed goes on where it was.

mod disk;
mod esxcli;
mod guest;
mod hostsvc;
mod inventory;
mod nfs;
mod power;
mod question;
mod report;
mod small;
mod value;
mod vim_cmd;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

pub(crate) use self::guest::{GuestFacts, GuestPlan, GuestService, boot_sector};
pub use self::nfs::{NfsMount, NfsVersion};
pub(crate) use self::power::{freeze, power_cut, restart_idle, resume};
use self::question::Question;
pub(crate) use self::report::place;
use super::commands::Program;
use super::host::SimHost;
use super::vmx::Vmx;

/// The program of that name, where it is one of ESXi's own.
pub(crate) fn program(name: &str) -> Option<Program> {
    Some(match name {
        "vim-cmd" => vim_cmd::run,
        "esxcli" => esxcli::run,
        "vmkfstools" => disk::vmkfstools,
        "vmware" => small::vmware,
        "esxcfg-vswitch" => small::esxcfg_vswitch,
        "vdf" => small::vdf,
        "vmkload_mod" => small::vmkload_mod,
        "hostd" => small::init_hostd,
        _ => return None,
    })
}

/// A registered VM, as kept on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Registered {
    /// The vmid.
    pub(crate) id: u32,
    /// The .vmx by its volume's UUID.
    pub(crate) path: String,
    /// A display name given at registration.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Whether it is powered on.
    #[serde(default)]
    pub(crate) on: bool,
    /// What the guest said last.
    #[serde(default)]
    pub(crate) facts: Option<GuestFacts>,
}

/// A standard switch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Switch {
    /// Its name.
    pub(crate) name: String,
    /// Physical adapters.
    pub(crate) uplinks: Vec<String>,
    /// Configured ports.
    pub(crate) ports: u32,
}

/// A port group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Its name.
    pub(crate) name: String,
    /// Its switch.
    pub(crate) switch: String,
    /// 0 to 4095.
    pub(crate) vlan: u16,
}

/// An entry of the autostart list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Autostart {
    /// The vmid.
    pub(crate) id: u32,
    /// Place in the order, -1 for any.
    pub(crate) order: i32,
    /// `powerOn`, `none` …
    pub(crate) start_action: String,
    /// Seconds, -1 for the default.
    pub(crate) start_delay: i32,
    /// `systemDefault`, `guestShutdown` …
    pub(crate) stop_action: String,
    /// Seconds, -1 for the default.
    pub(crate) stop_delay: i32,
    /// `systemDefault`, `yes`, `no`.
    pub(crate) heartbeat: String,
}

/// What is kept on disk.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// The next vmid.
    pub(crate) next: u32,
    /// All registered VMs.
    pub(crate) vms: Vec<Registered>,
    /// All switches.
    pub(crate) switches: Vec<Switch>,
    /// All port groups.
    pub(crate) groups: Vec<Group>,
    /// The autostart list.
    #[serde(default)]
    pub(crate) autostart: Vec<Autostart>,
    /// Maintenance mode.
    #[serde(default)]
    pub(crate) maintenance: bool,
}

impl Saved {
    /// The .vmx of a registered VM.
    pub(crate) fn path_of(&self, id: u32) -> Option<String> {
        let vm = self.vms.iter().find(|vm| vm.id == id);
        vm.map(|vm| vm.path.clone())
    }
}

/// A task of hostd.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// `haTask-…`
    pub(crate) key: String,
    /// The VM it is about.
    pub(crate) vm: u32,
    /// The VM's name at that time.
    pub(crate) entity: String,
    /// `powerOn` and the like.
    pub(crate) method: &'static str,
    /// How it ended; `None` while it runs.
    pub(crate) outcome: Option<Result<(), value::Fault>>,
    /// When it began.
    pub(crate) started: Timestamp,
    /// When it ended.
    pub(crate) completed: Option<Timestamp>,
    done: Option<Instant>,
}

/// A VM that runs, or stands before its question.
#[derive(Debug)]
pub(crate) struct Running {
    /// World id.
    pub(crate) world: u32,
    /// VMX cartel id.
    pub(crate) cartel: u32,
    /// When it was powered on.
    pub(crate) since: Instant,
    /// Site seconds that it had run already when it was taken over.
    pub(crate) ahead: f64,
    /// When it was powered on, as a date.
    pub(crate) booted: Timestamp,
    /// What it asks.
    pub(crate) question: Option<Question>,
    /// Files that it holds.
    pub(crate) held: Vec<PathBuf>,
    /// The guest on its disk, if there is one that boots.
    pub(crate) guest: Option<GuestPlan>,
    /// Who it is on the network.
    pub(crate) holder: String,
    /// Its guest's timers.
    pub(crate) timers: Vec<tokio::task::AbortHandle>,
    /// A shutdown was asked for.
    pub(crate) stopping: bool,
    /// Adapters that were plugged in or out while it runs.
    pub(crate) switched: BTreeMap<String, bool>,
    /// The task that powers it on.
    pub(crate) task: String,
}

/// A VM that is off and whose world is not gone from the host's list yet.
#[derive(Debug)]
pub(crate) struct Leaving {
    /// The vmid.
    pub(crate) id: u32,
    /// World id.
    pub(crate) world: u32,
    /// VMX cartel id.
    pub(crate) cartel: u32,
    /// When it is gone.
    pub(crate) until: Instant,
}

/// Behind the lock.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// What is kept on disk.
    pub(crate) saved: Saved,
    /// hostd's view of each readable .vmx, by vmid; edits of the file are not seen before a reload.
    pub(crate) configs: BTreeMap<u32, Vmx>,
    /// What runs.
    pub(crate) running: BTreeMap<u32, Running>,
    /// What is off and still listed among those that run.
    pub(crate) leaving: Vec<Leaving>,
    /// Recent tasks.
    pub(crate) tasks: Vec<Task>,
    /// Datastores that are NFS shares.
    pub(crate) nfs: nfs::Mounts,
    next_task: u32,
    next_world: u32,
}

impl State {
    /// The VM with this id, as typed.
    pub(crate) fn find(&self, id: &str) -> Result<&Registered, value::Fault> {
        let found = id
            .parse::<u32>()
            .ok()
            .and_then(|id| self.saved.vms.iter().find(|vm| vm.id == id));
        found.ok_or_else(|| value::Fault::no_vm(id))
    }

    /// The VM with this id.
    pub(crate) fn vm_mut(&mut self, id: u32) -> Option<&mut Registered> {
        self.saved.vms.iter_mut().find(|vm| vm.id == id)
    }

    /// Its display name.
    pub(crate) fn name(&self, vm: &Registered) -> String {
        let config = self
            .configs
            .get(&vm.id)
            .and_then(|vmx| vmx.get("displayName"));
        vm.name
            .as_deref()
            .or(config)
            .unwrap_or("Unknown")
            .to_owned()
    }

    /// Begins a task and gives its key.
    pub(crate) fn begin_task(&mut self, vm: u32, method: &'static str) -> String {
        self.next_task += 1;
        let key = format!(
            "haTask-{vm}-vim.VirtualMachine.{method}-{}",
            2800 + self.next_task * 13
        );
        let entity = self
            .saved
            .vms
            .iter()
            .find(|r| r.id == vm)
            .map(|r| self.name(r))
            .unwrap_or_default();
        self.tasks.push(Task {
            key: key.clone(),
            vm,
            entity,
            method,
            outcome: None,
            started: Timestamp::now(),
            completed: None,
            done: None,
        });
        key
    }

    /// Ends a task.
    pub(crate) fn end_task(&mut self, key: &str, outcome: Result<(), value::Fault>) {
        if let Some(task) = self
            .tasks
            .iter_mut()
            .find(|task| task.key == key && task.outcome.is_none())
        {
            task.outcome = Some(outcome);
            task.completed = Some(Timestamp::now());
            task.done = Some(Instant::now());
        }
    }

    /// World numbers for a VM that starts: cartel, world.
    pub(crate) fn next_worlds(&mut self) -> (u32, u32) {
        self.next_world += 7;
        (2_110_000 + self.next_world, 2_110_002 + self.next_world)
    }
}

/// Faults that can be switched on and off while a site runs.
#[derive(Debug, Default)]
pub(crate) struct EsxiFaults {
    /// hostd does not answer.
    pub(crate) hostd_down: AtomicBool,
    /// `power.on` says `Power on failed` although the VM is on.
    pub(crate) power_on_lies: AtomicBool,
    /// `power.on` fails for real.
    pub(crate) power_on_fails: AtomicBool,
    pub(crate) power_on_lingers: AtomicBool,
    /// For so many site seconds a VM that is off is listed among those that run.
    pub(crate) list_lags: AtomicU8,
    /// `vmkfstools -i` breaks at this percent; 0 is never.
    pub(crate) clone_breaks_at: AtomicU8,
}

/// Who a host is; given once.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// MAC of vmnic0, which also is vmk0's.
    pub(crate) mac: String,
    /// System UUID.
    pub(crate) uuid: String,
    /// The address of vmk0.
    pub(crate) address: String,
    /// The site's seed.
    pub(crate) seed: u64,
}

/// An ESXi host's own part.
pub(crate) struct Esxi {
    /// Who it is.
    pub(crate) identity: Identity,
    /// The guests that disks may hold, by name.
    pub(crate) guests: Arc<BTreeMap<String, GuestPlan>>,
    /// What goes wrong on purpose.
    pub(crate) faults: EsxiFaults,
    /// The module `multiextent` is loaded, which it is not after a boot.
    pub(crate) multiextent: AtomicBool,
    /// Where timers run.
    pub(crate) runtime: Handle,
    file: PathBuf,
    state: Mutex<State>,
    /// Signalled whenever a task ends or a question is answered.
    pub(crate) changed: Condvar,
}

impl Esxi {
    /// The part of a host whose state lies in `file`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn load(
        file: PathBuf,
        identity: Identity,
        guests: Arc<BTreeMap<String, GuestPlan>>,
    ) -> io::Result<Self> {
        let saved: Saved =
            serde_json::from_str(&std::fs::read_to_string(&file)?).map_err(io::Error::other)?;
        Ok(Self {
            identity,
            guests,
            faults: EsxiFaults::default(),
            multiextent: AtomicBool::new(false),
            runtime: Handle::current(),
            file,
            state: Mutex::new(State {
                saved,
                ..State::default()
            }),
            changed: Condvar::new(),
        })
    }

    /// Its state.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether hostd answers.
    pub(crate) fn hostd_is_up(&self) -> bool {
        !self.faults.hostd_down.load(Ordering::Acquire)
    }

    /// Writes the state, and the inventory as the host shows it.
    pub(crate) fn save(&self, host: &SimHost, state: &State) {
        if let Err(error) = self.try_save(host, state) {
            tracing::warn!(host = %host.name, %error, "the simulated host's state cannot be written");
        }
    }

    fn try_save(&self, host: &SimHost, state: &State) -> io::Result<()> {
        write_saved(&self.file, &state.saved)?;
        let inventory = inventory::xml(&state.saved);
        replace(
            &host.vfs.root().join("etc/vmware/hostd/vmInventory.xml"),
            inventory.as_bytes(),
        )
    }

    /// World, cartel and name of every running VM.
    pub(crate) fn worlds(&self) -> Vec<(u32, u32, String)> {
        let state = self.lock();
        let mut worlds = Vec::new();
        for (id, running) in &state.running {
            if let Some(vm) = state.saved.vms.iter().find(|vm| vm.id == *id) {
                worlds.push((running.world, running.cartel, state.name(vm)));
            }
        }
        worlds
    }
}

/// Writes a host's state file.
///
/// # Errors
/// As the file system's.
pub(crate) fn write_saved(file: &Path, saved: &Saved) -> io::Result<()> {
    let text = serde_json::to_string_pretty(saved).map_err(io::Error::other)?;
    replace(file, text.as_bytes())
}

/// Replaces a file whole or not at all.
///
/// # Errors
/// As the file system's.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("replacing");
    std::fs::write(&beside, bytes)?;
    std::fs::rename(beside, path)
}

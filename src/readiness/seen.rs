//! What hosts and backups told. An answer that did not come is kept with the reason, never guessed.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};

use crate::error::Fault;
use crate::host::HostError;
use crate::hypervisor::esxi::Vmid;
use crate::hypervisor::esxi::host_summary::HostSummary;
use crate::hypervisor::esxi::identity::Identity;
use crate::hypervisor::esxi::licence::Licence;
use crate::hypervisor::esxi::network::{Nic, PortGroup, Vswitch};
use crate::hypervisor::esxi::nfs::NfsMount;
use crate::hypervisor::esxi::process::RunningVm;
use crate::hypervisor::esxi::replica::Replica;
use crate::hypervisor::esxi::storage::{Volumes, may_be_uuid};
use crate::hypervisor::esxi::version::Version;
use crate::hypervisor::shell::Access;
use crate::names::{HostName, VmName};
use crate::runbook::model::Place;
use crate::transfer::{NoPoint, Point, Takes, VmFiles};

/// A clock may be wrong by so much before it is worth a word.
const SKEW: Duration = Duration::from_secs(60);

/// An answer, or why there is none.
pub type Told<T> = Result<T, Silence>;

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// What was asked for: `the port groups`.
    pub asked: &'static str,
    /// Why it is not known.
    pub fault: Fault,
    /// Nothing rests on it alone: some releases do not tell it.
    pub is_extra: bool,
}

/// Everything that was seen in one look.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// When it began, by the console's clock.
    pub at: Timestamp,
    /// Each host of the runbook, or why nothing could be asked there.
    pub hosts: IndexMap<HostName, Result<HostSeen, Shut>>,
    /// The restore points of each VM that is restored; none of those whose backup's host is shut.
    pub points: BTreeMap<VmName, Told<PointsSeen>>,
}

impl Seen {
    /// What an ESXi host told.
    #[must_use]
    pub fn esxi(&self, host: &HostName) -> Option<&EsxiSeen> {
        self.hosts.get(host)?.as_ref().ok()?.esxi.as_deref()
    }

    /// The same, to be added to or corrected.
    pub(super) fn esxi_mut(&mut self, host: &HostName) -> Option<&mut EsxiSeen> {
        self.hosts.get_mut(host)?.as_mut().ok()?.esxi.as_deref_mut()
    }

    /// A VM that is copied from where it is, as its host told.
    #[must_use]
    pub fn leaving(&self, vm: &VmName) -> Option<&Leaving> {
        let mut hosts = self.hosts.keys();
        let told = hosts.find_map(|host| self.esxi(host)?.leaving.get(vm))?;
        told.as_ref().ok()
    }

    /// What comes of a VM that is copied from where it is, where its files can be.
    #[must_use]
    pub fn brought(&self, vm: &VmName) -> Option<&VmFiles> {
        let mut hosts = self.hosts.keys();
        let told = hosts.find_map(|host| self.esxi(host)?.brought.get(vm))?;
        told.as_ref().ok()?.as_ref().ok()
    }

    /// The disks outside its folder of a VM that is copied from where it is.
    pub fn apart(&self, vm: &VmName) -> impl Iterator<Item = &Apart> {
        let hosts = self.hosts.keys().filter_map(|host| self.esxi(host));
        hosts.filter_map(|esxi| esxi.apart.get(vm)).flatten()
    }

    /// What is restored, of a VM for which there is a point.
    #[must_use]
    pub fn used(&self, vm: &VmName) -> Option<&Used> {
        let points = self.points.get(vm)?.as_ref().ok()?;
        points.used.as_deref().ok()
    }
}

/// A host that could not be asked anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shut {
    /// The one whose fault it is: the host, or a hop on the way to it.
    pub by: HostName,
    /// Why.
    pub fault: Fault,
    /// Nothing answered there, or no SSH server: so it is where a machine is off.
    pub is_silent: bool,
}

impl Shut {
    /// It did not let us in.
    #[must_use]
    pub fn new(host: &HostName, error: &HostError) -> Self {
        let (by, cause) = error.origin(host);
        Self {
            by: by.clone(),
            fault: cause.fault(by),
            is_silent: matches!(
                cause,
                HostError::Refused { .. }
                    | HostError::Unreachable { .. }
                    | HostError::UnreachableFromHop { .. }
                    | HostError::TimedOut { .. }
            ),
        }
    }

    /// There are no sessions to it.
    #[must_use]
    pub fn unknown(host: &HostName) -> Self {
        Self {
            by: host.clone(),
            fault: Fault::new(
                "there is no login to it",
                host.as_str(),
                "nothing was sent",
                "give it a user and a way to log in in the runbook",
            ),
            is_silent: false,
        }
    }
}

/// What a host told.
#[derive(Clone, Debug)]
pub struct HostSeen {
    /// Its time beside the console's.
    pub clock: Told<Clock>,
    /// From the first question to its answer, the login not included.
    pub round_trip: Duration,
    /// What a call to its management agent took while it was asked, where that is so long that steps take
    /// much longer.
    pub slow_call: Option<Duration>,
    /// Whether a session there takes no second channel; false where that is not known.
    pub one_channel: bool,
    /// Programs that it lacks for what the task does there.
    pub lacks: Told<Vec<String>>,
    /// What an ESXi host told beside that.
    pub esxi: Option<Box<EsxiSeen>>,
}

/// A host's time beside the console's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// What the host said, in whole seconds.
    pub host: Timestamp,
    /// The console's time when the question left.
    pub before: Timestamp,
    /// The console's time when the answer came.
    pub after: Timestamp,
}

impl HostSeen {
    /// How far its clock is ahead of the console's, negative where it is behind; `None` where that is
    /// not worth a word, or not known.
    #[must_use]
    pub fn clock_off(&self) -> Option<SignedDuration> {
        let ahead = self.clock.as_ref().ok()?.ahead();
        (ahead.unsigned_abs() >= SKEW).then_some(ahead)
    }
}

impl Seen {
    /// The hosts whose clocks are off, with the seconds by which each is ahead.
    #[must_use]
    pub fn clocks_off(&self) -> BTreeMap<HostName, i64> {
        let off = |(name, host): (&HostName, &Result<HostSeen, Shut>)| {
            let ahead = host.as_ref().ok()?.clock_off()?;
            Some((name.clone(), ahead.as_secs()))
        };
        self.hosts.iter().filter_map(off).collect()
    }
}

impl Clock {
    /// How far the host is ahead at least; negative where it is behind.
    #[must_use]
    pub fn ahead(&self) -> SignedDuration {
        let latest = self.host.saturating_add(SignedDuration::from_secs(1));
        match latest {
            Ok(latest) if latest < self.before => latest.duration_since(self.before),
            _ if self.host > self.after => self.host.duration_since(self.after),
            _ => SignedDuration::ZERO,
        }
    }
}

/// What an ESXi host told.
#[derive(Clone, Debug)]
pub struct EsxiSeen {
    /// Its release.
    pub version: Told<Version>,
    /// Size, load, maintenance mode.
    pub summary: Told<HostSummary>,
    /// What it may run on.
    pub licences: Told<Vec<Licence>>,
    /// Whether the agent of a vCenter runs there.
    pub vcenter: Told<bool>,
    /// Its volumes.
    pub volumes: Told<Volumes>,
    /// Copies of volumes that it has not mounted.
    pub replicas: Told<Vec<Replica>>,
    /// Its NFS mounts, by version; none where none of its volumes is one.
    pub nfs: Vec<Told<Vec<NfsMount>>>,
    /// Port groups of standard switches.
    pub groups: Told<Vec<PortGroup>>,
    /// Standard switches.
    pub switches: Told<Vec<Vswitch>>,
    /// Physical adapters.
    pub nics: Told<Vec<Nic>>,
    /// What is registered there.
    pub registered: Told<Vec<Registered>>,
    /// What runs there.
    pub running: Told<Vec<RunningVm>>,
    /// VMs of the task that make room there.
    pub spares: Told<Vec<SpareSeen>>,
    /// VMs that start when the host does.
    pub autostart: Told<Vec<Vmid>>,
    /// Names at the top of each datastore that VMs of the task come to.
    pub tops: BTreeMap<String, Told<Vec<String>>>,
    /// Whether this login may write to each of these datastores.
    pub access: BTreeMap<String, Told<Access>>,
    /// What lies where a VM of the task is to come, by VM; empty where nothing does.
    pub folders: BTreeMap<VmName, Told<Vec<String>>>,
    /// The files of a VM there, by VM, where that is known.
    pub taken: BTreeMap<VmName, Files>,
    /// VMs of the task that are copied from there.
    pub leaving: BTreeMap<VmName, Told<Leaving>>,
    /// The disks that VMs which are copied from there have outside their folders.
    pub apart: BTreeMap<VmName, Vec<Apart>>,
    /// What comes of VMs that are copied from there, as their disks' descriptors tell, or why nothing can.
    pub brought: BTreeMap<VmName, Told<Result<VmFiles, Fault>>>,
    /// The .vmx at home of VMs that go home there; none where there is no such file.
    pub homes: BTreeMap<VmName, Told<Option<Vec<u8>>>>,
    /// Who holds a VM of the task where it comes up or where it leaves, in words.
    pub holders: BTreeMap<VmName, Told<String>>,
}

/// Files of a VM with the room that each takes, in bytes; without those that a VM leaves behind.
pub type Files = BTreeMap<String, u64>;

/// A VM where it is, before it goes home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Its files.
    pub files: Files,
    /// What it takes of its host's memory at most, in bytes.
    pub memory: Told<Option<u64>>,
    /// The bytes of its .vmx.
    pub vmx: Told<Vec<u8>>,
}

impl Leaving {
    fn silences(&self) -> impl Iterator<Item = &Silence> {
        let both = [self.memory.as_ref().err(), self.vmx.as_ref().err()];
        both.into_iter().flatten()
    }
}

impl EsxiSeen {
    /// What is registered from the folder of a place; `None` where that is not known.
    #[must_use]
    pub fn in_folder(&self, place: &Place) -> Option<Vec<&Registered>> {
        let rows = self.registered.as_ref().ok()?.iter();
        Some(rows.filter(|row| row.within(place).is_some()).collect())
    }

    /// The VM that is registered from a place, if there is one: by its .vmx where that is given.
    /// `None` where it is not known.
    #[must_use]
    pub fn at(&self, place: &Place) -> Option<Option<&Registered>> {
        let is_its_file = |file: &str| place.vmx.as_ref().is_none_or(|vmx| file == vmx);
        let mut rows = self.registered.as_ref().ok()?.iter();
        Some(rows.find(|row| row.within(place).is_some_and(is_its_file)))
    }

    /// Whether a registered VM runs there; `None` where that is not known.
    #[must_use]
    pub fn runs(&self, row: &Registered) -> Option<bool> {
        let mut running = self.running.as_ref().ok()?.iter();
        Some(running.any(|vm| vm.is_from(&row.path, row.identity.uuid.as_ref())))
    }

    /// Questions without an answer.
    #[must_use]
    pub fn silences(&self) -> Vec<&Silence> {
        fn why<T>(told: &Told<T>) -> Option<&Silence> {
            told.as_ref().err()
        }
        let one = [
            why(&self.version),
            why(&self.summary),
            why(&self.licences),
            why(&self.vcenter),
            why(&self.volumes),
            why(&self.replicas),
            why(&self.groups),
            why(&self.switches),
            why(&self.nics),
            why(&self.registered),
            why(&self.running),
            why(&self.spares),
            why(&self.autostart),
        ];
        let lists = self.tops.values().chain(self.folders.values());
        let apart = self.apart.values().flatten();
        let more = lists
            .filter_map(why)
            .chain(self.leaving.values().filter_map(why))
            .chain(self.leaving.values().flatten().flat_map(Leaving::silences))
            .chain(apart.filter_map(|disk| why(&disk.bytes)))
            .chain(self.brought.values().filter_map(why))
            .chain(self.homes.values().filter_map(why))
            .chain(self.nfs.iter().filter_map(why))
            .chain(self.access.values().filter_map(why))
            .chain(self.holders.values().filter_map(why));
        one.into_iter().flatten().chain(more).collect()
    }
}

/// A registered VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its number now.
    pub vmid: Vmid,
    /// Its display name.
    pub name: String,
    /// The label of the datastore that holds its .vmx.
    pub datastore: String,
    /// The UUID of that volume, where the host told it.
    pub volume: Option<String>,
    /// The .vmx within it.
    pub path: String,
    /// What makes it one of a kind, as far as its .vmx tells.
    pub identity: Identity,
    /// Why its .vmx could not be read, so that it tells nothing.
    pub unread: Option<String>,
}

impl Registered {
    /// Its .vmx within the folder of a place, if it lies there.
    #[must_use]
    pub fn within(&self, place: &Place) -> Option<&str> {
        let inside = self.path.strip_prefix(&place.folder)?.strip_prefix('/')?;
        self.is_on(&place.datastore).then_some(inside)
    }

    /// Whether its .vmx lies on the datastore of this name, be that its label or its UUID. Where the
    /// host did not tell which volume that is, a UUID may be its.
    fn is_on(&self, datastore: &str) -> bool {
        let is_its = match &self.volume {
            Some(volume) => volume == datastore,
            None => may_be_uuid(datastore),
        };
        is_its || self.datastore == datastore
    }

    /// The names of the datastore that holds its .vmx.
    #[must_use]
    pub fn datastore_names(&self) -> Vec<&str> {
        std::iter::once(self.datastore.as_str())
            .chain(self.volume.as_deref())
            .collect()
    }
}

/// A disk that lies outside the folder of its VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Its descriptor, as the .vmx names it.
    pub disk: String,
    /// Bytes that its files take; none where it is not there.
    pub bytes: Told<Option<u64>>,
}

/// An expendable VM that is shut down to free capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpareSeen {
    /// Its name there.
    pub name: String,
    /// Whether it runs.
    pub runs: bool,
    /// What it takes of the host's memory at most, in bytes.
    pub memory: Option<u64>,
}

/// The restore points of a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointsSeen {
    /// All that are offered, newest first.
    pub points: Vec<Point>,
    /// The one that a restore would take, or why it would take none.
    pub used: Result<Box<Used>, NoPoint>,
}

/// The point that a restore would take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// The point.
    pub point: Point,
    /// Newer ones that it would pass over, each with what speaks against it.
    pub passed_over: Vec<(String, String)>,
    /// The bytes of its .vmx; none where files alone are restored from it.
    pub vmx: Told<Option<Vec<u8>>>,
    /// The room that it takes.
    pub needs: Told<Needs>,
    /// Files outside the VM's folder that the .vmx names and the recovery host has.
    pub there: Vec<String>,
}

impl Used {
    /// The bytes of its .vmx, where it has one and that is known.
    #[must_use]
    pub fn vmx(&self) -> Option<&[u8]> {
        self.vmx.as_ref().ok()?.as_deref()
    }
}

/// Room that a VM takes on its datastore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Its files.
    pub files: Takes,
    /// The swap file that the host makes at power-on.
    pub swap: u64,
}

impl Needs {
    /// Bytes when its files are at their fullest, or when it is powered on.
    #[must_use]
    pub fn least(&self) -> u64 {
        let on = self.files.least.saturating_sub(self.files.passing);
        self.files.least.max(on.saturating_add(self.swap))
    }
}

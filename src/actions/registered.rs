//! What a host's inventory has of a VM. A vmid is looked up here, right before each use.

use crate::engine::ProbeAnswer;
use crate::error::Fault;
use crate::host::{Lane, Output};
use crate::hypervisor::esxi::guest::Guest;
use crate::hypervisor::esxi::inventory::{Inventory, InventoryEntry, split_datastore_path};
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::process::RunningVm;
use crate::hypervisor::esxi::summary::VmSummary;
use crate::hypervisor::esxi::{Vmid, commands};
use crate::names::HostName;

use super::answer::blocked;
use super::context::Ctx;
use super::datastores::as_listed;
use super::link::ActError;
use super::place::{VmAt, folder_and_file};
use super::{configuration, store};

/// The VM's own entry and what else may stand in its way.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Registration {
    /// The entry for the VM's own file.
    pub entry: Option<Entry>,
    /// Entries for other files that bear the VM's name, as `[datastore] path`.
    pub namesakes: Vec<String>,
    /// Entries of which the host cannot read the file.
    pub invalid: Vec<Vmid>,
    /// Lines of the list that could not be read: "not registered" is not proven by it.
    pub unread: usize,
    /// What there is of it without an entry in the list; nothing where [`look_past`] did not ask.
    pub unlisted: Unlisted,
}

impl Registration {
    /// What was asked, and whether all of its answer was understood.
    pub fn asked(&self) -> &'static str {
        if self.unread > 0 {
            "getallvms; some lines could not be read"
        } else {
            "getallvms"
        }
    }

    /// The entry that stands for it, be it readable or not.
    pub fn vmid(&self) -> Option<Vmid> {
        let entry = self.entry.as_ref().map(|entry| entry.vmid);
        entry.or(self.unlisted.invalid)
    }

    /// That the list has no row for it.
    pub fn is_none(&self, at: &VmAt) -> String {
        format!("{} is not registered ({})", at.who(), self.asked())
    }
}

/// What a host has of a VM that its list of VMs has no row for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unlisted {
    /// The entry for its file that the host cannot read.
    pub invalid: Option<Vmid>,
    /// It runs.
    pub runs: bool,
}

impl Unlisted {
    /// Looks past the list, at the unreadable entries that it skipped and at what runs.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn look(ctx: &Ctx, at: &VmAt, invalid: &[Vmid]) -> Result<Self, Fault> {
        let invalid = if invalid.is_empty() {
            None
        } else {
            configuration::invalid_entry(ctx, at, invalid).await?
        };
        let runs = runs(ctx, at).await?;
        Ok(Self { invalid, runs })
    }

    /// Why nothing is done about a VM that runs without a row of its own, and the way past it.
    pub fn blocks(&self, at: &VmAt, way: &str) -> Option<ProbeAnswer> {
        let found = format!(
            "a VM runs from {} that getallvms does not list (esxcli vm process list)",
            at.folder_path()
        );
        let fault = Fault::new(
            format!("{} runs without being registered there", at.who()),
            at.host.as_str(),
            format!("{found}; nothing was changed"),
            "shut it down from inside its guest, or register it on that host again; then retry",
        );
        self.runs.then(|| blocked(found, fault, &[way]))
    }
}

/// The words for an entry that the host cannot read.
pub(super) fn unreadable(vmid: Vmid) -> String {
    format!("an unreadable entry stands for it, vmid {vmid}")
}

/// The entry for the VM's own file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// Its number now.
    pub vmid: Vmid,
    /// What hostd knows of it.
    pub summary: VmSummary,
}

impl Entry {
    /// Whether hostd can read its file.
    pub fn is_valid(&self) -> bool {
        self.summary.connection == "connected"
    }

    /// Its file as an inventory names it.
    pub fn inventory_path(&self) -> String {
        format!("[{}] {}", self.summary.datastore, self.summary.path)
    }

    /// Whether it is off, on or suspended.
    pub fn power(&self) -> PowerState {
        self.summary.power
    }
}

/// Looks for the VM in its host's inventory, by the file and by the names it may go by.
///
/// # Errors
/// The host could not be asked, or its list is not to be believed.
pub(super) async fn look(ctx: &Ctx, at: &VmAt, lane: Lane) -> Result<Registration, Fault> {
    let at = &as_listed(ctx, at).await?;
    let inventory = inventory(ctx, &at.host, lane).await?;
    let mut own = Vec::new();
    for row in own_rows(&inventory, at) {
        if let Some(summary) = confirmed(ctx, &at.host, lane, row).await? {
            own.push(Entry {
                vmid: row.vmid,
                summary,
            });
        }
    }
    let mut namesakes = Vec::new();
    for row in namesakes_of(&inventory, at) {
        if !matches!(confirmed(ctx, &at.host, lane, row).await, Ok(None)) {
            namesakes.push(inventory_path(row));
        }
    }
    Ok(Registration {
        // Two files in its folder, and it is not known which is its own.
        entry: own.pop().filter(|_| own.is_empty()),
        namesakes,
        invalid: inventory.invalid.clone(),
        unread: inventory.unread.len(),
        unlisted: Unlisted::default(),
    })
}

/// As [`look`], and past the list where that has no entry for the VM: this proves neither that there
/// is none nor that it is off.
///
/// # Errors
/// As [`look`].
pub(super) async fn look_past(ctx: &Ctx, at: &VmAt) -> Result<Registration, Fault> {
    let mut registration = look(ctx, at, Lane::Control).await?;
    if registration.entry.is_none() {
        registration.unlisted = Unlisted::look(ctx, at, &registration.invalid).await?;
    }
    Ok(registration)
}

/// The rows for the VM's own file: the .vmx where its name is known, else any in its folder; the place
/// is as its host lists it.
fn own_rows<'a>(
    inventory: &'a Inventory,
    at: &'a VmAt,
) -> impl Iterator<Item = &'a InventoryEntry> {
    inventory.vms.iter().filter(|row| is_own(row, at))
}

fn is_own(row: &InventoryEntry, at: &VmAt) -> bool {
    let (folder, file) = folder_and_file(&row.path);
    let is_its = at.vmx.as_deref().is_none_or(|vmx| vmx == file);
    row.datastore == at.datastore && folder == at.folder && is_its
}

/// The rows for other files that bear the VM's name.
fn namesakes_of<'a>(
    inventory: &'a Inventory,
    at: &'a VmAt,
) -> impl Iterator<Item = &'a InventoryEntry> {
    let several = own_rows(inventory, at).count() > 1 && at.vmx.is_none();
    inventory.vms.iter().filter(move |row| {
        let tail = |vmx: &String| row.path.ends_with(&format!("{}/{vmx}", at.folder));
        (several || !is_own(row, at))
            && (row.name.eq_ignore_ascii_case(at.display_name())
                || at.vmx.as_ref().is_some_and(tail))
    })
}

/// What hostd knows of the VM that a row stands for; nothing where the row is none. Notes of other
/// VMs stand in the same list and may look like one: then another VM has that number, or none has.
///
/// # Errors
/// The host could not be asked, or the entry is invalid.
pub(super) async fn confirmed(
    ctx: &Ctx,
    host: &HostName,
    lane: Lane,
    row: &InventoryEntry,
) -> Result<Option<VmSummary>, Fault> {
    let parse = |output: &Output| row.confirmed(VmSummary::parse(output));
    let command = commands::summary(row.vmid);
    ctx.read(host, lane, &command, parse, "reading the VM's summary")
        .await
}

/// Whether the host's list of running VMs has it.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn runs(ctx: &Ctx, at: &VmAt) -> Result<bool, Fault> {
    is_among(ctx, at, &running(ctx, &at.host).await?).await
}

/// Whether it is one of those that run on its host.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn is_among(ctx: &Ctx, at: &VmAt, running: &[RunningVm]) -> Result<bool, Fault> {
    for vm in running {
        if store::is_own(ctx, at, &vm.config_file).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a VM's guest tools tell.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn guest(ctx: &Ctx, host: &HostName, vmid: Vmid) -> Result<Guest, Fault> {
    let doing = "reading what the guest's tools told";
    ctx.read(
        host,
        Lane::Control,
        &commands::guest(vmid),
        Guest::parse,
        doing,
    )
    .await
}

/// A host's list of running VMs.
///
/// # Errors
/// The host could not be asked, or its list is not to be believed.
pub(super) async fn running(ctx: &Ctx, host: &HostName) -> Result<Vec<RunningVm>, Fault> {
    running_told(ctx, host).await?
}

/// The same, with a list that is not to be believed told apart from none.
///
/// # Errors
/// No reply came.
pub(super) async fn running_told(
    ctx: &Ctx,
    host: &HostName,
) -> Result<Result<Vec<RunningVm>, Fault>, Fault> {
    let doing = "reading the list of running VMs";
    let parse = RunningVm::parse_all;
    ctx.reply(host, Lane::Control, &commands::running(), parse, doing)
        .await
}

/// A host's inventory.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn inventory(ctx: &Ctx, host: &HostName, lane: Lane) -> Result<Inventory, Fault> {
    ctx.read(
        host,
        lane,
        &commands::getallvms(),
        Inventory::parse,
        "reading the inventory",
    )
    .await
}

/// The number of the entry for a file, `[datastore] path`, right now.
///
/// # Errors
/// The host could not be asked, or has no such entry.
pub(super) async fn vmid_of(
    ctx: &Ctx,
    host: &HostName,
    lane: Lane,
    vmx: &str,
) -> Result<Vmid, ActError> {
    Ok(entry_of(ctx, host, lane, vmx).await?.vmid)
}

/// The entry for a file, `[datastore] path`, right now.
///
/// # Errors
/// The host could not be asked, or has no such entry.
pub(super) async fn entry_of(
    ctx: &Ctx,
    host: &HostName,
    lane: Lane,
    vmx: &str,
) -> Result<Entry, ActError> {
    let inventory = inventory(ctx, host, lane).await?;
    let (datastore, path) = split_datastore_path(vmx).unwrap_or_default();
    for row in inventory.claims(datastore, path) {
        if let Some(summary) = confirmed(ctx, host, lane, row).await? {
            return Ok(Entry {
                vmid: row.vmid,
                summary,
            });
        }
    }
    Err(ActError::Failed(Fault::new(
        format!("{vmx} is not in the inventory any more"),
        host.as_str(),
        "nothing was sent for it",
        "look who took it out; the next look at the step shows what is there now",
    )))
}

/// `[datastore] folder/file.vmx`, as an inventory names it.
pub(super) fn inventory_path(row: &InventoryEntry) -> String {
    format!("[{}] {}", row.datastore, row.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::tests::parts::place;

    fn row(vmid: u32, datastore: &str, path: &str) -> InventoryEntry {
        InventoryEntry {
            vmid: Vmid(vmid),
            name: "x".into(),
            datastore: datastore.into(),
            path: path.into(),
            guest_os: String::new(),
            version: String::new(),
        }
    }

    fn at(vmx: Option<&str>) -> VmAt {
        place(vmx)
    }

    #[test]
    fn a_vm_is_known_by_its_file_and_not_by_a_part_of_it() {
        let inventory = Inventory {
            vms: vec![
                row(1, "local2", "sql01/sql01.vmx"),
                row(2, "local1", "sql011/sql01.vmx"),
                row(3, "local1", "sql01/sql01.vmx"),
                row(4, "local1", "sql01/deeper/sql01.vmx"),
            ],
            ..Inventory::default()
        };
        let own = |inventory: &Inventory, vmx| -> Vec<u32> {
            let at = at(vmx);
            own_rows(inventory, &at).map(|row| row.vmid.0).collect()
        };
        assert_eq!(own(&inventory, Some("sql01.vmx")), [3]);
        assert_eq!(own(&inventory, None), [3]);
        assert_eq!(own(&inventory, Some("other.vmx")), [0; 0]);
        let namesakes = |vmx| -> Vec<u32> {
            let at = at(vmx);
            let rows = namesakes_of(&inventory, &at);
            rows.map(|row| row.vmid.0).collect()
        };
        assert_eq!(namesakes(Some("sql01.vmx")), [1]);
        assert_eq!(namesakes(None), [0; 0]);
        let two = Inventory {
            vms: vec![
                row(3, "local1", "sql01/a.vmx"),
                row(4, "local1", "sql01/b.vmx"),
            ],
            ..Inventory::default()
        };
        assert_eq!(own(&two, None), [3, 4]);
    }
}

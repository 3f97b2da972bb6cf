//! Asks every listed host of a site about a VM, and the guest's address beside them.
//!
//! A VM is recognised by its uuid.bios, whatever it is called there; until that is known, by its path and
//! its name. That a VM does not run is believed only of a host that answered in full: hostd may be down
//! where its VMs run on, and an old release may have no list of what runs. What such a host does tell is told.

use futures_util::future::join_all;

use crate::engine::{AutostartEntry, Fact};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::inventory::{Inventory, InventoryEntry};
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::process::RunningVm;
use crate::hypervisor::esxi::uuid::BiosUuid;
use crate::hypervisor::esxi::{Vmid, commands};
use crate::names::{HostName, VmName};
use crate::runbook::model::{Driver, Mode, SiteRole};
use crate::transfer;
use crate::vmfiles::Vmx;

use super::context::Ctx;
use super::file_locks::{self, Locks};
use super::link::ActError;
use super::ownership::{Copy, Ownership, Sighting, Sign, Standing, Told};
use super::place::{VmAt, path_tail, site_title};
use super::{moving, reach, registered};

/// What a host has, before it is known which of it is the VM.
#[derive(Default)]
struct Lists {
    inventory: Inventory,
    running: Vec<RunningVm>,
    autostart: Vec<(Vmid, AutostartEntry)>,
    /// What it did not tell of that.
    missing: Option<String>,
}

impl Lists {
    /// A part of the answer; where it is missing, what was told before stays told.
    fn told<T>(&mut self, part: Result<T, Fault>) -> Option<T> {
        part.map_err(|fault| self.lacks(fault.what)).ok()
    }

    /// Keeps the first of what is missing.
    fn lacks(&mut self, why: String) {
        self.missing.get_or_insert(why);
    }

    /// All that the host told, with what of it is the VM.
    fn in_all(self, copies: Vec<Copy>) -> Told {
        match self.missing {
            None => Told::Copies(copies),
            Some(why) => Told::Part { why, copies },
        }
    }
}

/// By what a VM is recognised.
#[derive(Clone, Debug, Default)]
struct Marks {
    uuid: Option<BiosUuid>,
    /// Its place at that site.
    place: Option<VmAt>,
    /// Names it may go by.
    names: Vec<String>,
}

/// A host that nobody asked.
pub(super) fn not_asked(host: &HostName) -> Sighting {
    Sighting {
        host: host.clone(),
        told: Told::NotAsked,
        invalid: 0,
    }
}

/// Nothing was asked anywhere.
pub(super) fn nothing_known(vm: &VmName, site: &str, sightings: Vec<Sighting>) -> Ownership {
    Ownership {
        vm: vm.clone(),
        site: site.to_owned(),
        sightings,
        by_uuid: false,
        sign: Sign::default(),
        locks: Locks::default(),
        locks_there: Vec::new(),
        attested: None,
        at: None,
    }
}

/// What to do about a host that does not answer. A planned run lives on its protected site: where
/// that is lost, another kind of run is needed.
pub(super) fn way_on(ctx: &Ctx, role: SiteRole, site: &str) -> String {
    let lost = ctx.mode == Mode::Planned && role == SiteRole::Protected;
    if lost {
        format!(
            "a planned run needs {site} to answer: reach that host, then retry; if {site} is lost, \
             leave this run (q) and fail over: `lifeboat run`"
        )
    } else {
        "reach that host, then retry".to_owned()
    }
}

/// Gathers everything there is about a VM at the site of a role, before anything is made of what somebody
/// vouched for: see [`vouched`]. A host that cannot be asked is evidence too, so this never fails.
pub(super) async fn unvouched(ctx: &Ctx, vm: &VmName, role: SiteRole) -> Ownership {
    let at = ctx.clock.now();
    let (asked, sign, locks) = futures_util::join!(
        hosts_of(ctx, vm, role),
        reach::sign(ctx, vm, role),
        file_locks::of_vm(ctx, vm, role.other())
    );
    Ownership {
        sign,
        locks,
        at: Some(at),
        ..asked
    }
}

/// As [`unvouched`], without the guest's address: enough where the hosts are up and only their answer
/// counts.
pub(super) async fn of_hosts(ctx: &Ctx, vm: &VmName, role: SiteRole) -> Ownership {
    let at = ctx.clock.now();
    Ownership {
        at: Some(at),
        ..hosts_of(ctx, vm, role).await
    }
}

/// As [`of_hosts`], for a VM whose start is under way at the other site.
pub(super) async fn of_starting(ctx: &Ctx, vm: &VmName, role: SiteRole) -> Ownership {
    let mut ownership = of_hosts(ctx, vm, role).await;
    ownership.sign.left_out = Some("the copy that is being started may answer it");
    ownership
}

/// As [`of_starting`], with what a person vouched for of those that do not answer.
pub(super) async fn of_answering(ctx: &Ctx, vm: &VmName, role: SiteRole) -> Ownership {
    let mut ownership = of_starting(ctx, vm, role).await;
    vouched(ctx, &mut ownership).await;
    ownership
}

/// What the hosts tell, and of those that do not tell what they run, who holds the VM's files there.
async fn hosts_of(ctx: &Ctx, vm: &VmName, role: SiteRole) -> Ownership {
    let title = site_title(&ctx.runbook, role);
    // A physical server runs on no host: what hosts say of it is no evidence.
    let Ok(home) = VmAt::new(&ctx.runbook, vm, role) else {
        return nothing_known(vm, &title, Vec::new());
    };
    let (sightings, by_uuid) = asked(ctx, vm, role).await;
    Ownership {
        by_uuid,
        locks_there: file_locks::by_mute_hosts(ctx, &home, &sightings).await,
        ..nothing_known(vm, &title, sightings)
    }
}

/// What each listed host tells, and whether they were asked by uuid.bios.
async fn asked(ctx: &Ctx, vm: &VmName, role: SiteRole) -> (Vec<Sighting>, bool) {
    let site = ctx.runbook.site_with(role);
    let listed = ctx
        .runbook
        .hosts_of(&site)
        .filter(|(_, host)| host.driver == Driver::Esxi);
    let hosts: Vec<&HostName> = listed.map(|(name, _)| name).collect();
    let lists = join_all(hosts.iter().map(|host| lists(ctx, host))).await;
    let mut marks = marks(ctx, vm, role);
    if marks.uuid.is_none() && lists.iter().any(Result::is_ok) {
        marks.uuid = learn_uuid(ctx, vm, role).await;
    }
    let told = hosts
        .iter()
        .zip(lists)
        .map(|(host, lists)| seen(ctx, host, lists, &marks));
    (join_all(told).await, marks.uuid.is_some())
}

/// Asks a host for all of them, again where it replies with a trouble that passes: else one reply that
/// failed would ask a person to vouch.
///
/// # Errors
/// It did not reply to the first question: each that stays without a reply costs its whole time.
async fn lists(ctx: &Ctx, host: &HostName) -> Result<Lists, Fault> {
    // What is registered is to be no older than what runs, or a VM that came in between runs without a row.
    ctx.forget(host);
    let lane = Lane::Control;
    let mut lists = Lists::default();
    let patient = ctx.patient();
    let running = registered::running_told(&patient, host).await?;
    lists.running = lists.told(running).unwrap_or_default();
    // What has not passed while it was waited for is not waited for once more.
    let ctx = if lists.missing.is_none() {
        &patient
    } else {
        ctx
    };
    let inventory = lists.told(registered::inventory(ctx, host, lane).await);
    // Without an inventory nothing says whose an entry of the start order is.
    if let Some(inventory) = inventory {
        lists.inventory = inventory;
        let (order, parse) = (commands::autostart(), AutostartEntry::parse_all);
        let doing = "reading the start order";
        let autostart = ctx.read(host, lane, &order, parse, doing).await;
        lists.autostart = lists.told(autostart).unwrap_or_default();
    }
    Ok(lists)
}

/// What is known of the VM without asking anybody.
fn marks(ctx: &Ctx, vm: &VmName, role: SiteRole) -> Marks {
    let place = VmAt::new(&ctx.runbook, vm, role)
        .ok()
        .map(|place| place.with_facts(ctx));
    let uuid = ctx.facts().find_map(|fact| match fact {
        Fact::Registered {
            vm: of, uuid_bios, ..
        } if of == vm => BiosUuid::parse(uuid_bios),
        _ => None,
    });
    Marks {
        uuid,
        place,
        names: vec![vm.to_string()],
    }
}

/// The VM's uuid.bios, from the entry for its file: at its home of that site, else at the other,
/// else from its newest restore point.
async fn learn_uuid(ctx: &Ctx, vm: &VmName, role: SiteRole) -> Option<BiosUuid> {
    for side in [role, role.other()] {
        let Ok(place) = VmAt::new(&ctx.runbook, vm, side) else {
            continue;
        };
        let place = place.with_facts(ctx);
        let found = registered::look(&ctx.patient(), &place, Lane::Control).await;
        let entry = found.ok().and_then(|found| found.entry);
        if let Some(uuid) = entry.and_then(|entry| entry.summary.uuid_bios) {
            return Some(uuid);
        }
    }
    uuid_of_backup(ctx, vm).await
}

/// The uuid.bios in the VM's newest restore point: its home may be dark, and yet the other hosts of
/// that site can be asked by it.
pub(super) async fn uuid_of_backup(ctx: &Ctx, vm: &VmName) -> Option<BiosUuid> {
    let backup = ctx.runbook.vms.get(vm)?.backup.as_ref()?;
    let place = ctx.runbook.backups.get(backup)?;
    let folder = moving::source(ctx, place, vm).ok()?;
    let bytes = transfer::newest_vmx(&folder, vm.as_str()).await.ok()??;
    BiosUuid::parse(&Vmx::parse(&bytes).ok()?.uuid_bios()?)
}

/// Which of what a host has is the VM.
async fn seen(ctx: &Ctx, host: &HostName, lists: Result<Lists, Fault>, marks: &Marks) -> Sighting {
    let invalid = lists
        .as_ref()
        .map_or(0, |lists| lists.inventory.invalid.len());
    let told = match lists {
        Ok(lists) => copies(ctx, host, lists, marks).await,
        Err(fault) => Told::Nothing(fault.what),
    };
    Sighting {
        host: host.clone(),
        told,
        invalid,
    }
}

async fn copies(ctx: &Ctx, host: &HostName, mut lists: Lists, marks: &Marks) -> Told {
    let mut copies = Vec::new();
    for row in &lists.inventory.vms {
        match copy_of(ctx, host, &lists, row, marks).await {
            Ok(copy) => copies.extend(copy),
            Err(fault) => {
                lists.lacks(fault.what);
                break;
            }
        }
    }
    if let Err(why) = add_running(&mut copies, &lists.running, marks) {
        lists.lacks(why);
    }
    lists.in_all(copies)
}

/// What a row of a host's inventory is, if it is the VM.
async fn copy_of(
    ctx: &Ctx,
    host: &HostName,
    lists: &Lists,
    row: &InventoryEntry,
    marks: &Marks,
) -> Result<Option<Copy>, Fault> {
    let vmx = registered::inventory_path(row);
    let runs = |vm: &RunningVm| marks.is_own(vm.uuid_bios) && is_one(&vm.config_file, &vmx);
    let by = match marks.by(&vmx, &row.name) {
        Some(by) => by,
        None if lists.running.iter().any(runs) => "uuid.bios",
        None => return Ok(None),
    };
    let patient = ctx.patient();
    let Some(summary) = registered::confirmed(&patient, host, Lane::Control, row).await? else {
        return Ok(None);
    };
    let by = match (marks.uuid, summary.uuid_bios) {
        (Some(own), Some(its)) if own == its => "uuid.bios",
        // Another VM, which only bears the name, or came into its folder.
        (Some(_), Some(_)) if by != "path" => return Ok(None),
        _ => by,
    };
    let mut order = lists.autostart.iter();
    let entry = order.find(|(vmid, _)| *vmid == row.vmid);
    Ok(Some(Copy {
        vmid: Some(row.vmid),
        name: row.name.clone(),
        vmx,
        by,
        power: summary.power,
        since: summary.started(),
        tools: summary.tools_running,
        autostart: entry.map(|(_, entry)| entry.clone()),
    }))
}

/// The list of what runs has the last word: it needs no inventory, and knows no stale state.
///
/// # Errors
/// One of them cannot be compared; the others count all the same.
fn add_running(copies: &mut Vec<Copy>, running: &[RunningVm], marks: &Marks) -> Result<(), String> {
    let mut told = Ok(());
    for vm in running {
        let by = match (marks.by(&vm.config_file, &vm.name), vm.uuid_bios) {
            (_, its) if marks.is_own(its) => "uuid.bios",
            (Some("path"), _) => "path",
            (_, Some(_)) if marks.uuid.is_some() => continue,
            (Some(by), _) => by,
            (None, None) if marks.uuid.is_some() => {
                let what = "runs there without a uuid.bios to compare";
                told = told.and_then(|()| Err(format!("{} {what}", vm.name)));
                continue;
            }
            (None, _) => continue,
        };
        let mut copies_here = copies.iter_mut();
        let known = copies_here.find(|copy| is_one(&copy.vmx, &vm.config_file));
        match known {
            Some(copy) => copy.power = PowerState::On,
            None => copies.push(Copy {
                vmid: None,
                name: vm.name.clone(),
                vmx: vm.config_file.clone(),
                by,
                power: PowerState::On,
                since: None,
                tools: false,
                autostart: None,
            }),
        }
    }
    told
}

/// Whether two spellings of a path, by a datastore's label or its UUID, name one .vmx.
fn is_one(one: &str, other: &str) -> bool {
    path_tail(one).is_some() && path_tail(one) == path_tail(other)
}

impl Marks {
    /// By what a VM looks like this one: its file, that it lies in its folder where the file's name is not
    /// known, its name.
    fn by(&self, vmx: &str, name: &str) -> Option<&'static str> {
        let here = self.place.as_ref().filter(|place| place.is_at(vmx));
        match here.map(|place| place.vmx.is_some()) {
            Some(true) => Some("path"),
            Some(false) => Some("folder"),
            None => self.is_named(name).then_some("name"),
        }
    }

    /// Whether it is its own identity, where that is known.
    fn is_own(&self, uuid: Option<BiosUuid>) -> bool {
        self.uuid.is_some() && self.uuid == uuid
    }

    fn is_named(&self, name: &str) -> bool {
        self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Puts what somebody vouched for beside what was seen. A sign to the contrary ends it for good: a host
/// that ran the VM and fell silent again is not what was vouched for.
pub(super) async fn vouched(ctx: &Ctx, ownership: &mut Ownership) {
    let (vm, statement) = (ownership.vm.clone(), ownership.statement());
    // What answers at the address may be the copy that this run started.
    let counts = ownership.running().next().is_some() || ctx.state.started_on(&vm).is_none();
    let seen = match ownership.standing() {
        Standing::Contradicted(seen) if counts => Some(seen),
        _ => None,
    };
    let mut kept = kept_attestation(&ctx.run_facts(), &vm, &statement);
    if let Some(seen) = seen.filter(|_| kept.is_some()) {
        kept = None;
        let fact = Fact::Contradicted {
            vm,
            statement,
            seen,
        };
        // Where the run no longer waits for this look, nothing goes on by it.
        let _ = ctx.link.fact(fact).await;
    }
    ownership.attested = typed(ctx).map(|(by, words)| vouched_by(by, words)).or(kept);
}

/// Who has just vouched for the statement that was shown, and in which words.
fn typed(ctx: &Ctx) -> Option<(&str, &str)> {
    let confirmation = ctx.confirmation.as_ref()?;
    let words = confirmation.attest.as_deref()?.trim();
    (!words.is_empty()).then_some((confirmation.by.as_str(), words))
}

fn vouched_by(by: &str, words: &str) -> String {
    format!("{by}: {words}")
}

/// The newest that the run kept, unless something was seen to the contrary since: whoever vouched for it
/// did not know that.
fn kept_attestation(facts: &[Fact], vm: &VmName, wanted: &str) -> Option<String> {
    let mut words = facts.iter().rev().filter_map(|fact| match fact {
        Fact::Attested {
            by,
            words,
            statement,
            ..
        } if statement == wanted => Some(Some(vouched_by(by, words))),
        Fact::Contradicted { statement, .. } if statement == wanted => Some(None),
        Fact::HostReturned { running, .. } if running.contains(vm) => Some(None),
        Fact::SplitBrain { vm: of, .. } | Fact::RunsElsewhere { vm: of, .. } if of == vm => {
            Some(None)
        }
        _ => None,
    });
    words.next().flatten()
}

/// Keeps the attestation that was just typed, unless it stands already. What was seen to the contrary
/// ended it: the same words, given anew, are another one.
///
/// # Errors
/// The run no longer waits for this action.
pub(super) async fn keep_attestation(ctx: &Ctx, ownership: &Ownership) -> Result<(), ActError> {
    let Some((by, words)) = typed(ctx) else {
        return Ok(());
    };
    let (vm, statement) = (ownership.vm.clone(), ownership.statement());
    if kept_attestation(&ctx.run_facts(), &vm, &statement) == Some(vouched_by(by, words)) {
        return Ok(());
    }
    let fact = Fact::Attested {
        vm,
        by: by.to_owned(),
        words: words.to_owned(),
        statement,
    };
    ctx.link.fact(fact).await
}

/// Keeps what was asked and what came back.
///
/// # Errors
/// The run no longer waits for this action.
pub(super) async fn keep_evidence(ctx: &Ctx, ownership: &Ownership) -> Result<(), ActError> {
    let fact = Fact::OwnershipEvidence {
        vm: ownership.vm.clone(),
        lines: ownership.lines(),
        whole: ownership.is_kept_as_whole(),
        silent: ownership.silent_hosts().cloned().collect(),
        at: ownership.at.unwrap_or_default(),
    };
    ctx.link.fact(fact).await
}

#[cfg(test)]
mod tests;

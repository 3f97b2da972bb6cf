//! What earlier runs and drills left behind, and what else lies where VMs are to come.

use std::collections::BTreeSet;

use crate::actions::clearing;
use crate::error::Fault;
use crate::names::{HostName, RunId, VmName, in_commands, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::{EsxiSeen, Seen};
use crate::readiness::task::Task;
use crate::runbook::drill_of as named;
use crate::runbook::model::{Identity, Place, SiteRole};

/// Names that are shown of a folder, at most.
const SHOWN: usize = 4;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let mut findings = unfinished(task);
    findings.extend(open_drills(task));
    findings.extend(task.vms.iter().filter_map(|name| held(task, seen, name)));
    for (name, vm) in task.chosen() {
        let Some(place) = task.place(vm) else {
            continue;
        };
        let Some(esxi) = seen.esxi(&place.host) else {
            continue;
        };
        if task.brings(name) {
            findings.extend(taken(task, name, place, esxi));
        }
    }
    for host in seen.hosts.keys() {
        if let Some(esxi) = seen.esxi(host) {
            findings.extend(drills(task, host, esxi));
        }
    }
    findings
}

fn unfinished(task: &Task) -> Vec<Finding> {
    let finding = |run: &crate::readiness::Unfinished| {
        let id = &run.run;
        let next = format!("`lifeboat resume {id}`, or `lifeboat brief {id}` to see how it stands");
        let fault = Fault::new(
            format!(
                "{} run {} of {} is not finished",
                run.mode, run.run, run.operator
            ),
            "the state folder of this console",
            "what it began may stand half done",
            in_commands(&next, &task.elsewhere),
        );
        Finding::warning(format!("run/{}", run.run), Vec::new(), fault)
    };
    task.unfinished.iter().map(finding).collect()
}

/// What is in the way of a failover is told, and that none of it goes live.
fn open_drills(task: &Task) -> impl Iterator<Item = Finding> {
    task.drills.iter().map(|drill| {
        let run = &drill.run;
        let goes_home = task.side == SiteRole::Protected;
        let stands_in = task.runbook.drill.identity == Identity::Moved
            && drill.holds.values().any(|held| !held.on.is_empty());
        let next = if goes_home {
            // It stands at the site that they leave.
            format!("`lifeboat cleanup {run}` once it is not needed")
        } else if drill.kept {
            format!("`lifeboat run RUNBOOK --from-drill {run}` starts from them; `lifeboat cleanup {run}` deletes them")
        } else if stands_in {
            format!("`lifeboat cleanup {run}` first: nothing starts beside a VM of the same identity that is on")
        } else {
            format!(
                "`lifeboat cleanup {run}` first where room is short; with --keep-disks `lifeboat run --from-drill {run}` \
                 can start from its disks"
            )
        };
        let fault = Fault::new(
            format!(
                "drill {run} of this runbook is open ({}): {}",
                drill.stage,
                drill.in_words()
            ),
            "the state folder of this console",
            if drill.kept {
                "its copies do not go live; a live restore can start from their disks"
            } else {
                "its copies do not go live: they ran cut off and changed data of their own"
            },
            in_commands(&next, &task.elsewhere),
        );
        let key = format!("run/{run}");
        if goes_home || drill.kept {
            Finding::note(key, Vec::new(), fault)
        } else {
            Finding::warning(key, Vec::new(), fault)
        }
    })
}

/// Another run holds the VM, where it comes up or where it leaves: a step takes both locks.
fn held(task: &Task, seen: &Seen, vm: &VmName) -> Option<Finding> {
    let comes = task.runbook.vms.get(vm).and_then(|vm| task.place(vm));
    let places = task.leaves(vm).into_iter().chain(comes);
    let mut held = places.filter_map(|place| {
        let by = seen.esxi(&place.host)?.holders.get(vm)?;
        Some((place, by.as_ref().ok()?))
    });
    let (place, by) = held.next()?;
    let fault = Fault::new(
        format!("{vm} is held by {by}"),
        place.host.as_str(),
        "another run would be refused until that lock is given back or broken",
        "finish that run (`lifeboat resume`); if its console is lost, a run breaks the lock for its id and a reason",
    );
    Some(Finding::stops(
        format!("vm/{vm}/lock"),
        vec![vm.clone()],
        fault,
    ))
}

/// Something lies where the VM is to come, or is registered from there.
fn taken(task: &Task, vm: &VmName, place: &Place, esxi: &EsxiSeen) -> Option<Finding> {
    let names = esxi.folders.get(vm)?.as_ref().ok()?;
    let rows = esxi.in_folder(place).unwrap_or_default();
    let row = rows.first();
    if names.is_empty() && row.is_none() {
        return None;
    }
    let shown = names.iter().take(SHOWN).map(String::as_str);
    let mut words = shown.collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        words.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    let registered = row.map(|row| format!("{} is registered from there ({})", row.name, row.vmid));
    let is = match registered {
        Some(registered) if names.is_empty() => format!("has no files there: {registered}"),
        Some(registered) => format!("is not empty: {words}; {registered}"),
        None => format!("is not empty: {words}"),
    };
    let next = if row.is_some() {
        "if an earlier failover left it there, take it home (`lifeboat failback`); if it is not needed, unregister it and move its files elsewhere"
            .to_owned()
    } else {
        in_commands(&clearing(names), &task.elsewhere)
    };
    let fault = Fault::new(
        format!(
            "[{}] {}, where {vm} is to come, {is}",
            place.datastore, place.folder
        ),
        place.host.as_str(),
        "a restore refuses to write among files that are not its own",
        next,
    );
    Some(Finding::stops(
        format!("vm/{vm}/folder"),
        vec![vm.clone()],
        fault,
    ))
}

/// Folders, port groups and switches of drills.
fn drills(task: &Task, host: &HostName, esxi: &EsxiSeen) -> Option<Finding> {
    let mut found = BTreeSet::new();
    let mut runs = BTreeSet::new();
    let mut add = |run: Option<RunId>, what: String| {
        found.insert(what);
        runs.extend(run);
    };
    // What its own journal tells is told once.
    let is_told = |run: &RunId| task.drills.iter().any(|drill| drill.run == *run);
    let drill_of = |name: &str| named(name).filter(|run| !is_told(run));
    for (datastore, names) in &esxi.tops {
        for name in names.as_ref().ok().into_iter().flatten() {
            if let Some(run) = drill_of(name) {
                add(Some(run), format!("folder [{datastore}] {name}"));
            }
        }
    }
    for switch in esxi.switches.as_ref().ok().into_iter().flatten() {
        if let Some(run) = drill_of(&switch.name) {
            add(Some(run), format!("switch {}", switch.name));
        }
    }
    let networks = task.runbook.networks.values();
    let wanted: BTreeSet<&str> = networks
        .filter_map(|network| network.drill.as_deref())
        .collect();
    for group in esxi.groups.as_ref().ok().into_iter().flatten() {
        let told = named(&group.vswitch).is_some_and(|run| is_told(&run));
        if wanted.contains(group.name.as_str()) && !told {
            let run = drill_of(&group.vswitch);
            add(run, format!("port group {}", group.name));
        }
    }
    if found.is_empty() {
        return None;
    }
    let found: Vec<String> = found.into_iter().collect();
    let ways: Vec<String> = runs
        .iter()
        .map(|run: &RunId| format!("`lifeboat cleanup {run}{}`", task.elsewhere))
        .collect();
    let list = format!("`lifeboat runs{}`", task.elsewhere);
    let fault = Fault::new(
        format!("a drill has left {}", listed(&found)),
        host.as_str(),
        "it takes room, and the next drill may find its names taken",
        if ways.is_empty() {
            format!("see in {list} whether that drill is over; then clean it up")
        } else {
            let ways = listed(&ways);
            format!("see in {list} whether that drill is over; then {ways}")
        },
    );
    Some(Finding::warning(
        format!("host/{host}/drill"),
        Vec::new(),
        fault,
    ))
}

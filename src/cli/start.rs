//! Starting a new run: everything that is settled before its first line is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{Timestamp, Zoned};

use crate::actions::Begun;
use crate::clock::Clock;
use crate::engine::{DrillTerms, FromDrill, Parent, RunInfo, RunState, seconds};
use crate::host::{HostConfig, Hosts, Policy, Secret};
use crate::journal::RunFolder;
use crate::names::{VariableName, VmName};
use crate::plan::{Plan, PlanInputs, planned_gaps};
use crate::runbook::Loaded;
use crate::runbook::model::{BackupForm, Mode, Runbook, Section, SiteRole};
use crate::runner::{self, Launch, RunHandle};

use super::answers::{self, Answers};
use super::args::StartArgs;
use super::console::{Conclusion, Console};
use super::drill::{Proposed, as_walked};
use super::exit::{Exit, Failure};
use super::forms;
use super::logins::{as_reached, host_configs, known_hosts, ssh_config};
use super::outage;
use super::past::make_plan;
use super::preflight::{Looked, look_first};
use super::variables::{Sources, gather};

/// What is to be started.
pub(super) struct Order {
    pub(super) loaded: Loaded,
    /// The file that the runbook was read from; the bundled one has none.
    pub(super) path: Option<PathBuf>,
    pub(super) mode: Mode,
    pub(super) sections: Vec<Section>,
    pub(super) parent: Option<Before>,
    /// The drill whose kept disks the restores start from.
    pub(super) from_drill: Option<FromDrill>,
    pub(super) start: StartArgs,
    /// The hosts are looked at before the first line is written.
    pub(super) looks_first: bool,
}

/// The run that a failback takes back.
pub(super) struct Before {
    pub(super) parent: Parent,
    pub(super) state: Arc<RunState>,
    pub(super) variables: BTreeMap<VariableName, String>,
}

/// Everything that is known before the first line.
pub(super) struct Ready {
    pub(super) loaded: Loaded,
    pub(super) info: RunInfo,
    pub(super) plan: Plan,
    pub(super) answers: Answers,
    pub(super) secrets: BTreeMap<VariableName, Secret>,
    pub(super) parent: Option<Arc<RunState>>,
}

/// Starts a run against the runbook's own hosts and walks it.
pub(super) async fn start(console: &mut Console, order: Order) -> Result<Conclusion, Failure> {
    let looks_first = order.looks_first;
    let mut ready = prepare(console, order).await?;
    let (runbook, secrets) = (&ready.loaded.runbook, &ready.secrets);
    let configs = host_configs(runbook, secrets, &known_hosts(), &ssh_config())?;
    let runbook = with_own_paths(runbook, &ready.info.runbook_path);
    let runbook = as_reached(runbook, &configs);
    let hosts = sessions(console, &ready, configs);
    let looked = if looks_first {
        look_first(console, &ready.loaded, &ready.plan, &runbook, &hosts).await?
    } else {
        Looked::default()
    };
    ready.info.clocks_off = looked.clocks_off;
    ready.info.despite = looked.despite;
    let folder = new_folder(console, &ready.loaded)?;
    let runbook = as_walked(runbook, ready.info.mode, &folder.id);
    let answers = ready.answers.clone();
    let handle = launch(console, ready, &folder, runbook, hosts)
        .inspect_err(|_| discard_unbegun(&folder))?;
    if let Some(remark) = looked.remark {
        // A run that has ended already needs no remark.
        let _ = handle.inputs.send(remark);
    }
    console.walk(&folder, handle, answers, false).await
}

/// Deletes the folder of a run that has no journal: nothing was ever sent on its word.
pub(super) fn discard_unbegun(folder: &RunFolder) {
    if !folder.journal().exists()
        && let Err(error) = std::fs::remove_dir_all(&folder.path)
    {
        tracing::warn!(%error, folder = %folder.path.display(), "the folder of a run that never began could not be deleted");
    }
}

/// Settles variables, secrets, plan and outage; asks where there is a terminal.
pub(super) async fn prepare(console: &mut Console, order: Order) -> Result<Ready, Failure> {
    let settled = settle(console, &order).await?;
    let runbook = &order.loaded.runbook;
    let inputs = PlanInputs {
        variables: settled.variables.clone(),
        only: settled.only.clone(),
    };
    let plan = make_plan(runbook, &order.sections, order.mode, &inputs)?;
    if order.mode == Mode::Planned {
        check_planned(runbook, &plan)?;
    }
    let info = describe(console, &order, &settled, &plan);
    Ok(Ready {
        loaded: order.loaded,
        info,
        plan,
        answers: settled.answers,
        secrets: settled.secrets,
        parent: order.parent.map(|before| before.state),
    })
}

/// What people and files have said about a run that is to be started.
struct Settled {
    answers: Answers,
    variables: BTreeMap<VariableName, String>,
    secrets: BTreeMap<VariableName, Secret>,
    only: Vec<VmName>,
    outage_at: Timestamp,
    outage_reason: Option<String>,
    drill: Option<DrillTerms>,
}

async fn settle(console: &mut Console, order: &Order) -> Result<Settled, Failure> {
    let (runbook, start) = (&order.loaded.runbook, &order.start);
    let practice = order.mode == Mode::Practice;
    let answers = match &start.act.answers {
        Some(path) => answers::read(path, runbook)?,
        None => Answers::default(),
    };
    let sources = Sources {
        set: &start.set,
        answers: &answers,
        before: order.parent.as_ref().map(|before| &before.variables),
        examples: practice && (start.act.yes || !start.act.headless),
    };
    let values = gather(runbook, &sources)?;
    // What is wrong with flags and files is said before anybody fills in a form.
    let only: Vec<VmName> = start
        .only
        .iter()
        .map(|vm| VmName::from(vm.trim()))
        .collect();
    check_selection(runbook, &only)?;
    let now = Zoned::now();
    let proposed = (order.mode == Mode::Drill)
        .then(|| Proposed::new(&answers.drill, runbook, &console.settings.operator));
    let mut settled = Settled {
        outage_at: answered_outage(&answers, &now)?,
        outage_reason: answers.outage_reason.clone(),
        // A simulated site has logins of its own.
        secrets: if practice {
            BTreeMap::new()
        } else {
            fetch_secrets(console, &answers)?
        },
        variables: BTreeMap::new(),
        drill: proposed.as_ref().map(Proposed::terms).transpose()?,
        only,
        answers,
    };
    if start.act.headless {
        settled.variables = values.complete()?;
        return Ok(settled);
    }
    let before = forms::Before {
        runbook,
        mode: order.mode,
        values,
        secrets: &settled.secrets,
        outage_at: settled.answers.outage_at.as_deref(),
        outage_reason: settled.outage_reason.as_deref(),
        drill: proposed,
        notes: notes(order),
    };
    let filled = forms::before_start(console, before, &now).await?;
    if let Some((at, why)) = filled.outage {
        (settled.outage_at, settled.outage_reason) = (at, why);
    }
    settled
        .secrets
        .extend(keep_secrets(console, filled.secrets));
    settled.variables = filled.variables;
    settled.drill = filled.drill;
    Ok(settled)
}

/// What is to be known of the run that this one follows.
fn notes(order: &Order) -> Vec<String> {
    let taken_back = order
        .parent
        .iter()
        .flat_map(|before| before.parent.in_words());
    let live = order.from_drill.iter().map(|drill| {
        format!(
            "Goes live {}: each restore sends what differs from them, and proves the whole.",
            drill.in_words()
        )
    });
    taken_back.chain(live).collect()
}

fn answered_outage(answers: &Answers, now: &Zoned) -> Result<Timestamp, Failure> {
    let Some(text) = &answers.outage_at else {
        return Ok(now.timestamp());
    };
    outage::parse(text, now).map_err(|why| {
        let place = "variables.outage_at in the answers file";
        Failure::invalid(why, place, format!("say {}", outage::FORMS))
    })
}

/// The first line of the run's journal.
fn describe(console: &Console, order: &Order, settled: &Settled, plan: &Plan) -> RunInfo {
    let runbook = &order.loaded.runbook;
    RunInfo {
        format: crate::journal::FORMAT,
        mode: Some(order.mode),
        sections: order.sections.clone(),
        operator: console.settings.operator.clone(),
        console: console.settings.console.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        runbook: runbook.name.clone(),
        title: runbook.title.clone(),
        runbook_path: absolute(order.path.as_deref()),
        sites: [SiteRole::Protected, SiteRole::Recovery].map(|role| site_title(runbook, role)),
        runbook_sha256: order.loaded.sha256.clone(),
        plan: plan.fingerprint.clone(),
        parent: order.parent.as_ref().map(|before| before.parent.clone()),
        from_drill: order.from_drill.clone(),
        variables: settled.variables.clone(),
        only: settled.only.clone(),
        left_out: plan.left_out.clone(),
        outage_at: match order.mode {
            // A planned run counts from its own stops, a drill from its start.
            Mode::Planned => None,
            Mode::Drill => Some(in_whole_ms(Timestamp::now())),
            _ => Some(in_whole_ms(settled.outage_at)),
        },
        outage_reason: settled
            .outage_reason
            .clone()
            .filter(|_| order.mode != Mode::Drill),
        rto_s: seconds(runbook.objectives.rto),
        rpo_s: seconds(runbook.objectives.rpo),
        commit_within_s: seconds(runbook.commit.within),
        vm_objectives: vm_objectives(runbook, plan),
        headless: order.start.act.headless,
        drill: settled.drill.clone(),
        ..RunInfo::default()
    }
}

/// Makes the run's folder with the frozen runbook in it.
pub(super) fn new_folder(console: &Console, loaded: &Loaded) -> Result<RunFolder, Failure> {
    let folder = console.store.create(Clock::system().now())?;
    folder.write(&folder.runbook(), loaded.text.as_bytes())?;
    Ok(folder)
}

/// Sessions to the hosts of a run that is to be started, under the rules of its mode.
pub(super) fn sessions(console: &Console, ready: &Ready, configs: Vec<HostConfig>) -> Hosts {
    let mode = ready.info.mode.unwrap_or(Mode::Failover);
    Hosts::new(configs, Policy::for_mode(mode), console.redactor.clone())
        .with_secrets(ready.secrets.clone())
}

/// Writes the run's first line and sets it going.
pub(super) fn launch(
    console: &Console,
    ready: Ready,
    folder: &RunFolder,
    runbook: Runbook,
    hosts: Hosts,
) -> Result<RunHandle, Failure> {
    let Ready {
        mut info,
        plan,
        parent,
        ..
    } = ready;
    info.run = folder.id.clone();
    let mode = info.mode.unwrap_or(Mode::Failover);
    let settings = console.engine_settings(&runbook);
    let launch = Launch {
        run: folder.id.clone(),
        dir: folder.path.clone(),
        mode,
        runbook: Arc::new(runbook),
        plan: Arc::new(plan),
        hosts,
        settings,
        parent,
        // Times begin with the run's own session, however long the console was open before.
        clock: Clock::system(),
        begun: Begun::default(),
    };
    runner::start(launch, info).map_err(|fault| Failure::of(Exit::Refused, &fault))
}

/// The secrets that the answers file leads to, masked from now on.
pub(super) fn fetch_secrets(
    console: &Console,
    answers: &Answers,
) -> Result<BTreeMap<VariableName, Secret>, Failure> {
    let mut found = BTreeMap::new();
    for (name, source) in &answers.secrets {
        let secret = source.fetch().map_err(|why| {
            Failure::invalid(
                format!("the secret {name} could not be had: {why}"),
                "secrets in the answers file",
                "make it available there, then start again",
            )
        })?;
        found.insert(name.clone(), secret);
    }
    Ok(keep_secrets(console, found))
}

/// Masks secrets from now on.
pub(super) fn keep_secrets(
    console: &Console,
    found: BTreeMap<VariableName, String>,
) -> BTreeMap<VariableName, Secret> {
    found
        .into_iter()
        .map(|(name, secret)| {
            console.redactor.add(&secret);
            (name, Secret::new(secret))
        })
        .collect()
}

/// The runbook with the console's own backup folders where they are, seen from anywhere.
pub(super) fn with_own_paths(runbook: &Runbook, runbook_path: &str) -> Runbook {
    let mut runbook = runbook.clone();
    let base = Path::new(runbook_path).parent().unwrap_or(Path::new(""));
    for backup in runbook
        .backups
        .values_mut()
        .filter(|backup| backup.host.is_none())
    {
        if let BackupForm::Folder(path) = &mut backup.form {
            *path = base.join(&*path).display().to_string();
        }
    }
    runbook
}

/// Refuses a planned run whose runbook would lose data: one that was written for disasters alone.
pub(super) fn check_planned(runbook: &Runbook, plan: &Plan) -> Result<(), Failure> {
    let gaps = planned_gaps(plan, runbook);
    let Some(first) = gaps.first() else {
        return Ok(());
    };
    let more = match gaps.len() {
        1 => String::new(),
        n => format!(" ({} more like it)", n - 1),
    };
    Err(Failure::invalid(
        format!("this runbook cannot be walked as a planned run: {first}{more}"),
        format!("failover in runbook {}", runbook.name),
        "before its `register` write `shut_down: \"${vm}\"`, then `replicate: \"${vm}\"`, both with \
         `modes: [planned]`, and give `restore` the other modes; if the site is lost: `lifeboat run`",
    ))
}

/// Refuses a selection of VMs that the runbook does not have.
pub(super) fn check_selection(runbook: &Runbook, only: &[VmName]) -> Result<(), Failure> {
    match only.iter().find(|vm| !runbook.vms.contains_key(*vm)) {
        None => Ok(()),
        Some(unknown) => {
            let near =
                answers::did_you_mean(unknown.as_str(), runbook.vms.keys().map(VmName::as_str));
            Err(Failure::invalid(
                format!("this runbook has no VM `{unknown}`{near}"),
                "--only",
                "name VMs of the runbook, separated by commas",
            ))
        }
    }
}

fn absolute(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| {
        std::path::absolute(path)
            .unwrap_or_else(|_| path.to_owned())
            .display()
            .to_string()
    })
}

fn site_title(runbook: &Runbook, role: SiteRole) -> String {
    let name = runbook.site_with(role);
    runbook
        .sites
        .get(&name)
        .map_or_else(|| name.to_string(), |site| site.title.clone())
}

fn vm_objectives(runbook: &Runbook, plan: &Plan) -> BTreeMap<VmName, (Option<u64>, Option<u64>)> {
    plan.vms
        .iter()
        .filter_map(|name| {
            let vm = runbook.vms.get(name)?;
            let own = (seconds(vm.rto), seconds(vm.rpo));
            (own != (None, None)).then(|| (name.clone(), own))
        })
        .collect()
}

fn in_whole_ms(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

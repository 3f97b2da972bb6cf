//! A VM that runs at both sites: a person chooses which copy lives, and the other is stopped.
//!
//! The choice is a fact of the run. Where the copy at this step's own site is to live, the step is
//! over when every host of the other site says that it runs there no more: nothing is fenced here.

use crate::actions::answer::{Known, blocked, done, needed, shown_for};
use crate::actions::context::Ctx;
use crate::actions::link::ActError;
use crate::actions::ownership::{Copy, Ownership, copy_line};
use crate::actions::place::path_tail;
use crate::actions::stopping;
use crate::engine::{Answer, Fact, ProbeAnswer, Prompt, Proposal, ShownCommand, Split};
use crate::error::Fault;
use crate::hypervisor::esxi::commands;
use crate::names::{HostName, VmName};
use crate::plan::Risk;
use crate::runbook::drill_of;

use super::{Fence, Seen};

/// The key of the question.
const LIVES: &str = "lives";

/// The site where the VM is to live, if that was chosen in this run and it was not split again since.
pub(super) fn chosen(ctx: &Ctx, vm: &VmName) -> Option<String> {
    let last = ctx
        .run_facts()
        .into_iter()
        .rev()
        .find_map(|fact| match fact {
            Fact::SurvivorChosen { vm: of, site, .. } if of == *vm => Some(Some(site)),
            Fact::SplitBrain { vm: of, .. } if of == *vm => Some(None),
            _ => None,
        });
    last.flatten()
}

/// Where all that runs at the other site was made by a drill, nobody is asked which copy lives:
/// that one is not to live, and its drill is cleaned up.
pub(in crate::actions) fn a_drills(
    vm: &VmName,
    site: &str,
    elsewhere: &Ownership,
) -> Option<ProbeAnswer> {
    let made = |(host, copy): (&HostName, &Copy)| {
        let (folder, _) = path_tail(&copy.vmx)?;
        Some((host.clone(), drill_of(folder)?))
    };
    let made: Vec<_> = elsewhere.running().map(made).collect::<Option<_>>()?;
    let (host, run) = made.first()?;
    let what = format!("{vm} runs in {site}, and its copy of drill {run} still runs on {host}");
    let fault = Fault::new(
        what.clone(),
        host.as_str(),
        "nothing was changed; a drill's copy does not go live",
        format!(
            "`lifeboat cleanup {run}` stops it and removes what that drill made (with --keep-disks all but its \
             disks); then retry"
        ),
    );
    Some(blocked(what, fault, &[]))
}

impl Seen {
    /// Whether the VM runs at the other site.
    pub(super) fn runs_elsewhere(&self) -> bool {
        let elsewhere = self.elsewhere.as_ref();
        elsewhere.is_some_and(|elsewhere| elsewhere.running().next().is_some())
    }

    /// Whether it runs at both.
    pub(super) fn is_split(&self) -> bool {
        self.runs_elsewhere() && self.ownership.running().next().is_some()
    }
}

impl Fence {
    /// What follows where the VM runs at both sites, or did.
    pub(super) fn decide_survivor(&self, seen: &Seen, found: &str) -> Option<ProbeAnswer> {
        let elsewhere = seen.elsewhere.as_ref()?;
        if seen.is_split() {
            if let Some(blocked) = a_drills(&self.vm, &self.site, elsewhere) {
                return Some(blocked);
            }
            return Some(self.ask_which_lives(seen, elsewhere, found));
        }
        let lives_here = seen.lives.as_ref() == Some(&self.site)
            && !seen.runs_elsewhere()
            && elsewhere.all_answered()
            && seen.ownership.running().next().is_some();
        lives_here.then(|| {
            let mut evidence = vec![format!(
                "{} lives in {}, as was chosen while it ran at both sites; it was not fenced there",
                self.vm, self.site
            )];
            evidence.extend(elsewhere.lines());
            done(found, evidence)
        })
    }

    fn ask_which_lives(&self, seen: &Seen, elsewhere: &Ownership, found: &str) -> ProbeAnswer {
        let copies = |ownership: &Ownership| {
            let running = ownership
                .running()
                .map(|(host, copy)| format!("{} on {host}: {}", self.vm, copy_line(copy)));
            running.collect::<Vec<_>>().join(", ")
        };
        let choice = |lives: &str, stopped: &Ownership| {
            format!(
                "choose {lives}, and this copy is stopped: {}",
                copies(stopped)
            )
        };
        let mut changes = vec![
            format!(
                "{}: {} runs in {} and in {}",
                Split::STATE,
                self.vm,
                elsewhere.site,
                self.site
            ),
            choice(&elsewhere.site, &seen.ownership),
            choice(&self.site, elsewhere),
            "what the stopped copy wrote while both ran stays in its files; nothing is merged"
                .into(),
        ];
        let running = seen.ownership.running().chain(elsewhere.running());
        for (host, _) in running.filter(|(_, copy)| !copy.tools) {
            let how = stopping::guest_first(false, self.patience);
            changes.push(format!("{} on {host}, if it is stopped: {how}", self.vm));
        }
        let mut commands = self.commands(&seen.ownership);
        commands.extend(self.stops(elsewhere));
        let ask = Prompt::Choose {
            options: vec![elsewhere.site.clone(), self.site.clone()],
            at_least: 1,
        };
        let proposal = Proposal {
            changes,
            commands,
            then: format!(
                "{} runs at the site that you choose, and nowhere else",
                self.vm
            ),
            risk: Some(Risk::Typed),
            typed: Some(self.vm.to_string()),
            ask: [(LIVES.to_owned(), ask)].into(),
            ..Proposal::default()
        };
        needed(
            format!("split brain: {} runs at both sites; {found}", self.vm),
            proposal,
        )
    }

    fn stops(&self, ownership: &Ownership) -> Vec<ShownCommand> {
        let stop = |(host, copy): (&HostName, &Copy)| {
            let vmid = copy.vmid?;
            let shown = |make: fn(_) -> _| shown_for(host, &self.vm, Known::Is(vmid), make);
            Some([shown(commands::shutdown_guest), shown(commands::power_off)])
        };
        ownership.running().filter_map(stop).flatten().collect()
    }

    /// Keeps the choice; where the copy at this step's site is to live, stops the other one, and
    /// says that nothing is left to be fenced.
    pub(super) async fn act_on_choice(&self, ctx: &Ctx, seen: &Seen) -> Result<bool, ActError> {
        let (Some(elsewhere), Some(confirmation)) = (&seen.elsewhere, &ctx.confirmation) else {
            return Ok(false);
        };
        let Some(Answer::Chosen(chosen)) = confirmation.answers.get(LIVES) else {
            return Err(self.no_choice());
        };
        let [site] = chosen.as_slice() else {
            return Err(self.no_choice());
        };
        let fact = Fact::SurvivorChosen {
            vm: self.vm.clone(),
            site: site.clone(),
            by: confirmation.by.clone(),
        };
        ctx.link.fact(fact).await?;
        if *site != self.site {
            return Ok(false);
        }
        for (host, copy) in elsewhere.running().filter(|(_, copy)| copy.vmid.is_some()) {
            let way = stopping::Way::GuestFirst(self.patience);
            stopping::stop(ctx, host, &self.vm, &copy.vmx, way).await?;
        }
        Ok(true)
    }

    fn no_choice(&self) -> ActError {
        ActError::Failed(Fault::new(
            format!(
                "which copy of {} lives was not chosen, or both were",
                self.vm
            ),
            self.site.clone(),
            "both copies still run; nothing was sent",
            "retry, and choose one site",
        ))
    }
}

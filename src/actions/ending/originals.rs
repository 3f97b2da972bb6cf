//! Files of before the run: they get their names back, or are deleted.

use crate::engine::{Fact, ProbeAnswer, Proposal};
use crate::error::Fault;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::shell;
use crate::names::own::{Asides, UNDONE};
use crate::plan::{Aside, Close, Risk};

use super::super::answer::{blocked, done, needed, shown};
use super::super::context::Ctx;
use super::super::link::ActError;
use super::super::place::{VmAt, file_name};
use super::super::registered::Entry;
use super::super::view::{Stale, last_word};
use super::super::words::{count, size};
use super::super::{replacing, view};
use super::LEFT;
use super::files::{EndFiles, FromHere, Seen, View};

impl EndFiles<'_> {
    /// Those that bear the name that they got in the run; the error is a file that is nowhere.
    fn due<'o>(originals: &'o [Aside], seen: &Seen) -> Result<Vec<&'o Aside>, &'o Aside> {
        let mut due = Vec::new();
        for original in originals {
            if seen.has(&original.aside).is_some() {
                due.push(original);
                continue;
            }
            let here = seen.size(&original.path);
            let is_it = original.bytes.is_none_or(|bytes| here == Some(bytes));
            if here.is_none() || !is_it {
                return Err(original);
            }
        }
        Ok(due)
    }

    fn lost(&self, original: &Aside) -> ProbeAnswer {
        let Aside { path, aside, .. } = original;
        let found = format!("{aside} is not there, and {path} is not the file of before");
        let fault = Fault::new(
            format!("the original of {path} is not where the run left it"),
            self.at.host.as_str(),
            format!("{aside} is not there; nothing was changed"),
            "look into the folder and bring the file of before back by hand, then retry",
        );
        blocked(found, fault, &[])
    }

    pub(super) fn names_back(&self, originals: &[Aside], seen: &Seen) -> ProbeAnswer {
        let due = match Self::due(originals, seen) {
            Ok(due) => due,
            Err(original) => return self.lost(original),
        };
        let names = originals.iter().map(|original| original.path.as_str());
        let home = names.map(|path| format!("{path} is the file as it was"));
        let mut home: Vec<String> = home.collect();
        if due.is_empty() && !seen.registered.iter().any(|vm| vm.view == View::Unread) {
            let found = home.join("; ");
            home.extend(seen.registered.iter().filter_map(|vm| self.differs(vm)));
            return done(found, home);
        }
        let found = if due.is_empty() {
            format!("{}; the host has not read that yet", home.join("; "))
        } else {
            let files = count(due.len(), "file");
            format!("{files} of before under names of the run")
        };
        if !due.is_empty()
            && let Some(answer) = self.in_the_way(seen, &found)
        {
            return answer;
        }
        let mut commands = Vec::new();
        let mut changes = Vec::new();
        for original in &due {
            let (path, aside) = (&original.path, &original.aside);
            if seen.has(path).is_some() {
                let undone = self.undone(path, seen);
                commands.push(shown(&self.at.host, &shell::rename(path, &undone)));
            }
            commands.push(shown(&self.at.host, &shell::rename(aside, path)));
            changes.push(format!(
                "{path} is the file as it was, that the run kept as {aside}"
            ));
        }
        let readers: Vec<&FromHere> = Self::readers(&due, seen).collect();
        if !readers.is_empty() {
            let (host, vm) = (&self.at.host, &self.at.vm);
            changes.push(format!("{host} reads the .vmx of {vm} again"));
        }
        let reload = |vm: &&FromHere| shown(&self.at.host, &commands::reload(vm.vmid));
        commands.extend(readers.iter().map(reload));
        let proposal = Proposal {
            changes,
            commands,
            then: "every file of before has its own name, and the host knows it".to_owned(),
            risk: Some(Risk::Write),
            ..Proposal::default()
        };
        needed(found, proposal)
    }

    /// What is left to tell of a VM whose .vmx the host has read: its start is what that view is for, and
    /// holds it off.
    fn differs(&self, vm: &FromHere) -> Option<String> {
        let View::Read(Some(found)) = &vm.view else {
            return None;
        };
        let (host, vmx) = (&self.at.host, &vm.vmx);
        Some(format!(
            "{host} has read {vmx} again; {found}; power_on starts it only once they agree"
        ))
    }

    /// Why no file gets its name back now.
    fn in_the_way(&self, seen: &Seen, found: &str) -> Option<ProbeAnswer> {
        if let Some(kept) = &seen.later {
            let fault = kept.fault(&self.at, format!("{found}; nothing was changed"));
            return Some(blocked(found, fault, &[LEFT]));
        }
        if let Some(answer) = seen.unlisted.blocks(&self.at, LEFT) {
            return Some(answer);
        }
        if !seen.registered.iter().any(|vm| vm.on) {
            return None;
        }
        let fault = Fault::new(
            format!("{} runs, so its files stay as they are", self.at.who()),
            self.at.host.as_str(),
            format!("{found}; nothing was changed"),
            "stop it there first (retry its stop step, or by hand), then retry",
        );
        Some(blocked(found, fault, &[]))
    }

    /// How the host's view of a VM that is off stands to the .vmx of before. A file that is not this
    /// step's says nothing of it.
    pub(super) async fn view(&self, ctx: &Ctx, vmx: &str, entry: &Entry) -> Result<View, Fault> {
        let Close::NamesBack { originals, .. } = self.close else {
            return Ok(View::default());
        };
        let mut names = originals.iter().map(|original| file_name(&original.path));
        if entry.power() != PowerState::Off || !names.any(|name| name == Some(vmx)) {
            return Ok(View::default());
        }
        let at = self.of_vmx(vmx);
        if !self.was_read(ctx, &at) {
            return Ok(View::Unread);
        }
        let stale = Stale::look(ctx, &at, entry).await?;
        Ok(View::Read(stale.map(|stale| stale.found())))
    }

    /// Whether this step has made the host read that .vmx: the step is what gives it its name back, so
    /// that no reading before it counts.
    fn was_read(&self, ctx: &Ctx, at: &VmAt) -> bool {
        let path = at.vmx_path();
        let reads = |fact: &Fact| matches!(fact, Fact::ConfigRead { path: of, .. } if *of == path);
        let last = last_word(&ctx.run_facts(), &at.vm, &at.host, &path).is_some_and(reads);
        last && ctx.step_facts().iter().any(reads)
    }

    /// The VMs whose .vmx the host reads again: all of the folder where files of it change.
    fn readers<'s>(due: &[&Aside], seen: &'s Seen) -> impl Iterator<Item = &'s FromHere> {
        let changes = !due.is_empty();
        let all = seen.registered.iter();
        all.filter(move |vm| changes || vm.view == View::Unread)
    }

    /// A free name for the file that the run placed under that path.
    fn undone(&self, path: &str, seen: &Seen) -> String {
        Asides::of(path, &seen.run, UNDONE).free(|name| seen.has(name).is_some())
    }

    pub(super) fn originals_go(&self, originals: &[Aside], seen: &Seen) -> ProbeAnswer {
        let due: Vec<&Aside> = originals
            .iter()
            .filter(|original| seen.has(&original.aside).is_some())
            .collect();
        if due.is_empty() {
            let found = format!("{} holds no file of before", self.at.folder_path());
            return done(found.clone(), vec![found]);
        }
        let found = format!("{} of before", count(due.len(), "file"));
        if let Some(twice) = &seen.twice {
            let fault = Fault::new(
                format!(
                    "{twice}: what was kept of before may be what the copy that is to live needs"
                ),
                self.at.host.as_str(),
                format!("{found}; nothing was deleted"),
                format!(
                    "shut one copy down, and let it be seen: lifeboat watch --hosts {}; then retry",
                    seen.run
                ),
            );
            return blocked(found, fault, &[]);
        }
        let unsafe_to_go = |original: &&&Aside| {
            let other = original
                .bytes
                .is_some_and(|bytes| seen.size(&original.aside) != Some(bytes));
            other || seen.has(&original.path).is_none()
        };
        if let Some(Aside { path, aside, .. }) = due.iter().find(unsafe_to_go) {
            let fault = Fault::new(
                format!("{aside} stays: it is not as the run left it, or {path} is not there"),
                self.at.host.as_str(),
                format!("{found}; nothing was deleted"),
                "look at both files by hand; then retry, or skip the step to keep them",
            );
            return blocked(found, fault, &[]);
        }
        let line = |original: &&Aside| {
            let bytes = seen.size(&original.aside).map(size).unwrap_or_default();
            format!(
                "{} is deleted: {bytes}, {} of before",
                original.aside, original.path
            )
        };
        let remove = |original: &&Aside| shown(&self.at.host, &shell::remove_file(&original.aside));
        let proposal = Proposal {
            changes: due.iter().map(line).collect(),
            commands: due.iter().map(remove).collect(),
            then: "they are gone, and the run cannot be rolled back".to_owned(),
            risk: Some(Risk::Write),
            ..Proposal::default()
        };
        needed(found, proposal)
    }

    pub(super) async fn give_names_back(
        &self,
        ctx: &Ctx,
        originals: &[Aside],
        seen: &Seen,
    ) -> Result<(), ActError> {
        let due = Self::due(originals, seen).unwrap_or_default();
        for original in &due {
            if seen.has(&original.path).is_some() {
                let undone = self.undone(&original.path, seen);
                replacing::rename(ctx, &self.at, &original.path, &undone).await?;
            }
            replacing::rename(ctx, &self.at, &original.aside, &original.path).await?;
        }
        for vm in Self::readers(&due, seen) {
            view::read_again(ctx, &self.of_vmx(&vm.vmx), vm.vmid).await?;
        }
        Ok(())
    }
}

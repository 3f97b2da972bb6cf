//! `restore_files`: files of a restore point, brought into a machine that is there (a prestaged VM, a
//! physical server) by the backup tool's own command.
//!
//! The point is chosen as for `restore`; what runs is a command with all that `command` promises: its
//! exit status turns nothing green, that takes `verify`, `done_if` or a person. What was quiesced
//! when the backup was taken is the runbook's statement; the card, the journal and the report repeat
//! it as one.

use crate::engine::{Fact, Performed, ProbeAnswer};
use crate::error::Fault;
use crate::names::{BackupName, VmName};
use crate::plan::{ActionSpec, Step};
use crate::runbook::model::{Backup, CommandLine, CommandSpec, PointChoice, Runbook};
use crate::transfer::{self, NoPoint, Stamp, choose};

use super::action::ended;
use super::command::Command;
use super::context::Ctx;
use super::link::ActError;
use super::moving;

/// What stands for the point's id before it is known.
const UNKNOWN: &str = "‹point›";

/// The verb about one VM or server.
pub(super) struct RestoreFiles<'a> {
    step: &'a Step,
    vm: &'a VmName,
    from: PointChoice,
    quiesced: String,
    command: CommandSpec,
    backup: BackupName,
    place: Backup,
}

/// The point that is used.
struct Chosen {
    stamp: Stamp,
    /// What the tool calls it; a folder's path.
    id: String,
}

impl<'a> RestoreFiles<'a> {
    /// The verb.
    ///
    /// # Errors
    /// The VM has no backup.
    pub fn new(runbook: &Runbook, step: &'a Step, vm: &'a VmName) -> Result<Self, Fault> {
        let backup = runbook.vms.get(vm).and_then(|vm| vm.backup.clone());
        let known = backup.and_then(|name| Some((runbook.backups.get(&name)?.clone(), name)));
        let (
            Some((place, backup)),
            ActionSpec::RestoreFiles {
                from,
                quiesced,
                command,
                ..
            },
        ) = (known, &step.action)
        else {
            return Err(Fault::new(
                format!("{vm} has no backup to take files from"),
                format!("vms.{vm} in the runbook"),
                "nothing was sent",
                "name its backup there, then start a run with that runbook",
            ));
        };
        Ok(Self {
            step,
            vm,
            from: from.clone(),
            quiesced: quiesced.clone(),
            command: command.clone(),
            backup,
            place,
        })
    }

    /// What it would do, when nobody was asked.
    pub fn outline(&self) -> ProbeAnswer {
        let which = match &self.from {
            PointChoice::Latest => "the newest point".to_owned(),
            PointChoice::Stamp(stamp) => format!("point {stamp}"),
            PointChoice::Before(time) => format!("the newest point up to {time}"),
        };
        let about = self.about(&format!("{which} of {}", self.backup));
        let spec = self.filled(UNKNOWN);
        Command::new(self.step, &spec).told(&[], about).outline()
    }

    /// Looks and decides.
    ///
    /// # Errors
    /// The backup or the host could not be asked, or no point can be used.
    pub async fn probe(&self, ctx: &Ctx) -> Result<ProbeAnswer, Fault> {
        let chosen = self.choose(ctx).await?;
        let spec = self.filled(&chosen.id);
        self.command(ctx, &spec, &chosen)?.probe(ctx).await
    }

    /// Looks again, sends it, and looks whether it worked.
    pub async fn perform(&self, ctx: &Ctx) -> Performed {
        match self.try_perform(ctx).await {
            Ok(performed) => performed,
            Err(error) => ended(error),
        }
    }

    async fn try_perform(&self, ctx: &Ctx) -> Result<Performed, ActError> {
        let chosen = self.choose(ctx).await.map_err(ActError::Failed)?;
        let fact = Fact::FilesChosen {
            vm: self.vm.clone(),
            host: self.command.host.clone(),
            backup: self.backup.clone(),
            stamp: chosen.stamp.to_string(),
            point: chosen.id.clone(),
            taken: chosen.stamp.time(),
            quiesced: self.quiesced.clone(),
        };
        let same = fact.clone();
        ctx.keep_once(fact, |kept| *kept == same).await?;
        let spec = self.filled(&chosen.id);
        let command = self
            .command(ctx, &spec, &chosen)
            .map_err(ActError::Failed)?;
        let mut performed = command.perform(ctx).await;
        if let Performed::Done { evidence } = &mut performed {
            evidence.push(format!("from {}", self.point_line(&chosen)));
            evidence.push(format!("quiesced, as stated: {}", self.quiesced));
        }
        Ok(performed)
    }

    fn command<'s>(
        &self,
        ctx: &Ctx,
        spec: &'s CommandSpec,
        chosen: &Chosen,
    ) -> Result<Command<'s>, Fault> {
        let secrets = match self.place.tool() {
            Some(tool) => transfer::tool_secrets(&ctx.hosts, tool)?,
            None => Vec::new(),
        };
        let about = self.about(&self.point_line(chosen));
        Ok(Command::new(self.step, spec).told(&secrets, about))
    }

    fn point_line(&self, chosen: &Chosen) -> String {
        format!("restore point {} of {}", chosen.stamp, self.backup)
    }

    fn about(&self, point: &str) -> Vec<String> {
        vec![
            format!("files of {}: {point}", self.vm),
            format!("quiesced, as the runbook states: {}", self.quiesced),
        ]
    }

    /// The command with the point's id in its words.
    fn filled(&self, id: &str) -> CommandSpec {
        let fill = |words: &[String]| -> Vec<String> {
            words
                .iter()
                .map(|word| word.replace("${point}", id))
                .collect()
        };
        let mut spec = self.command.clone();
        if let CommandLine::Argv(words) = &spec.line {
            spec.line = CommandLine::Argv(fill(words));
        }
        spec.done_if = spec.done_if.as_deref().map(fill);
        spec.verify = spec.verify.as_deref().map(fill);
        spec
    }

    /// The point that this step began with, else the one that the runbook asks for.
    fn wanted(&self, ctx: &Ctx) -> PointChoice {
        let own = |fact: Fact| match fact {
            Fact::FilesChosen {
                vm, host, stamp, ..
            } if vm == *self.vm && host == self.command.host => Some(stamp),
            _ => None,
        };
        let begun = ctx.state.ops.values().any(|op| op.step == ctx.step.id);
        let chosen = ctx.run_facts().into_iter().rev().find_map(own);
        match chosen {
            Some(stamp) if begun => PointChoice::Stamp(stamp),
            _ => self.from.clone(),
        }
    }

    async fn choose(&self, ctx: &Ctx) -> Result<Chosen, Fault> {
        let wanted = self.wanted(ctx);
        let none = |why: NoPoint| {
            Fault::new(
                format!("files of {} cannot be restored: {why}", self.vm),
                moving::points_at(&self.place, self.vm),
                "nothing was changed",
                "choose another point in the runbook (from: STAMP), or mend the backup; then retry",
            )
        };
        let folder = moving::source(ctx, &self.place, self.vm)?;
        let asked = std::slice::from_ref(&wanted);
        let points = transfer::points_of_files(&folder, self.vm.as_str(), asked).await?;
        let chosen = choose(&points, &wanted).map_err(none)?;
        Ok(Chosen {
            stamp: chosen.point.stamp,
            id: chosen.point.path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Verdict;
    use crate::runbook::{Limits, load};

    const RUNBOOK: &str = r#"lifeboat: 1
name: files
sites: { london: { role: protected }, leeds: { role: recovery } }
hosts:
  lee-esx1: { site: leeds, driver: esxi, address: 198.51.100.11 }
  lee-bk1: { site: leeds, driver: posix, address: 198.51.100.20 }
  crm-os: { site: leeds, driver: posix, address: 198.51.100.30 }
variables: { pass: { prompt: P, secret: true } }
backups: { vault: { host: lee-bk1, restic: { repository: /srv/repo, path: "/${vm}", password: "${pass}" } } }
vms: { crm: { physical: { address: 192.0.2.50 }, recovery: { host: lee-esx1, datastore: d }, backup: vault } }
failover:
  - phase: Files
    for_each: [crm]
    steps:
      - restore_files:
          vm: "${vm}"
          host: crm-os
          quiesced: database dumped by the nightly job
          argv: [restic, -r, /srv/repo, restore, "${point}", --target, /, --include, "/${vm}"]
          verify: [test, -s, /crm/db.dump]
failback: [{ phase: Home, steps: [{ note: by hand }] }]
"#;

    #[test]
    fn the_card_says_what_runs_from_which_point_and_what_was_quiesced() {
        let runbook = load("f.yaml", RUNBOOK, &Limits::default())
            .unwrap_or_else(|problems| panic!("{problems}"))
            .runbook;
        let inputs = crate::plan::PlanInputs::default();
        let plan = crate::plan::make(
            &runbook,
            crate::runbook::model::Section::Failover,
            crate::runbook::model::Mode::Failover,
            &inputs,
        )
        .unwrap();
        let step = &plan.steps[0];
        assert_eq!(step.id.as_str(), "failover/files/crm/restore_files");
        assert_eq!(step.title, "restore files of crm on crm-os");
        assert_eq!(step.hosts, ["crm-os".into()]);
        let vm = "crm".into();
        let verb = RestoreFiles::new(&runbook, step, &vm).unwrap();
        let Verdict::Needed(proposal) = verb.outline().verdict else {
            panic!()
        };
        let changes = proposal.changes.join("\n");
        assert!(changes.contains("the newest point of vault"), "{changes}");
        assert!(
            changes.contains("quiesced, as the runbook states: database dumped"),
            "{changes}"
        );
        let line = &proposal.commands[0].line;
        assert!(
            line.contains(UNKNOWN) && line.contains("--include /crm"),
            "{line}"
        );
        let CommandLine::Argv(words) = verb.filled("6fc52a").line else {
            panic!()
        };
        assert!(words.contains(&"6fc52a".to_owned()), "{words:?}");
        assert!(proposal.then.contains("test -s /crm/db.dump"));
    }
}

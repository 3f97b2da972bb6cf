//! `command` and `local`: a command of the site's own, on a host or on the console's own machine.
//!
//! Its exit status turns nothing green: that takes `verify`, `done_if`, or a person; only a command
//! that declares that it looks (`effect: read`) is its own observation. One whose fate is not known
//! is never sent again on anybody's behalf without `done_if`: a person types it.

use crate::engine::{
    OpStatus, Performed, ProbeAnswer, Proposal, Question, RunState, StopOutcome, Verdict,
};
use crate::error::Fault;
use crate::host::{HostCommand, Lane, Output, Program, Secret, sanitise};
use crate::plan::{Risk, Step};
use crate::runbook::model::{CommandLine, CommandSpec, DeclaredEffect, Mode};

use super::action::{ended, guarded, is_confirmed};
use super::answer::{done, needed, shown};
use super::context::Ctx;
use super::link::ActError;
use super::local;
use super::lock::{Claimed, Guarded};
use super::words::one_line;

/// What a person types to send a command again whose fate is not known.
const AGAIN: &str = "send again";
/// What becomes of a command on the console's own machine in practice.
const REHEARSED: &str = "practice: it was not run, for it is not part of the simulated site";

/// The verb about one command.
pub(super) struct Command<'a> {
    spec: &'a CommandSpec,
    main: HostCommand,
    done_if: Option<HostCommand>,
    verify: Option<HostCommand>,
    /// What a person has to know of it beside the command.
    about: Vec<String>,
}

/// What is known before it is sent.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    /// What `done_if` said, where there is one that was asked.
    done_if: Option<Reply>,
    /// What `verify` said, where an earlier send is in doubt.
    verify: Option<Reply>,
    /// Whether an earlier send may have had an effect.
    in_doubt: bool,
}

/// The end of a command that looks.
#[derive(Clone, Debug, PartialEq)]
struct Reply {
    line: String,
    status: i32,
    said: String,
}

impl<'a> Command<'a> {
    /// The verb.
    pub fn new(step: &Step, spec: &'a CommandSpec) -> Self {
        let patience = step.command_time().unwrap_or_default();
        let looks = |words: &Vec<String>| HostCommand::read(words.clone()).deadline(patience);
        let words = match &spec.line {
            CommandLine::Argv(words) => words.clone(),
            CommandLine::Sh(script) => script_words(script, &spec.environment),
        };
        let main = match spec.effect {
            DeclaredEffect::Read => HostCommand::read(words),
            DeclaredEffect::Write | DeclaredEffect::Disruptive => HostCommand::write(words),
        };
        Self {
            spec,
            main: main.deadline(patience),
            done_if: spec.done_if.as_ref().map(looks),
            verify: spec.verify.as_ref().map(looks),
            about: Vec::new(),
        }
    }

    /// The same, as a tool with secrets in its environment, and what a person has to know of it.
    pub fn told(self, secrets: &[(String, Secret)], about: Vec<String>) -> Self {
        let with = |command: &HostCommand| {
            let program = Program::new(command.words().to_vec()).with_secrets(secrets.to_vec());
            program
                .command(command.effect())
                .deadline(command.time_limit())
        };
        Self {
            main: with(&self.main),
            done_if: self.done_if.as_ref().map(with),
            verify: self.verify.as_ref().map(with),
            about,
            ..self
        }
    }

    /// What it would do, when no host was asked.
    pub fn outline(&self) -> ProbeAnswer {
        self.decide(&Seen::default())
    }

    /// Looks and decides.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn probe(&self, ctx: &Ctx) -> Result<ProbeAnswer, Fault> {
        Ok(self.look(ctx).await?.answer)
    }

    /// What it would do, with the locks that this needs.
    async fn look(&self, ctx: &Ctx) -> Result<Guarded, Fault> {
        guarded(ctx, self.decide(&self.observe(ctx).await?)).await
    }

    /// Looks again, sends it, and looks whether it worked.
    pub async fn perform(&self, ctx: &Ctx) -> Performed {
        match self.try_perform(ctx).await {
            Ok(performed) => performed,
            Err(error) => ended(error),
        }
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        if self.is_rehearsed(ctx) {
            return Ok(Seen::default());
        }
        let in_doubt = is_in_doubt(&ctx.state, &ctx.step);
        let done_if = match &self.done_if {
            Some(command) => Some(self.ask(ctx, command).await?),
            None => None,
        };
        let verify = match &self.verify {
            Some(command) if in_doubt => Some(self.ask(ctx, command).await?),
            _ => None,
        };
        Ok(Seen {
            done_if,
            verify,
            in_doubt,
        })
    }

    /// Whether it is left alone: practice runs nothing outside the simulated site.
    fn is_rehearsed(&self, ctx: &Ctx) -> bool {
        ctx.mode == Mode::Practice && self.spec.is_local()
    }

    async fn read(&self, ctx: &Ctx, command: &HostCommand) -> Result<Output, Fault> {
        if self.spec.is_local() {
            return local::read(ctx, command).await;
        }
        let host = &self.spec.host;
        let read = ctx.host(host)?.read(Lane::Control, command).await;
        read.map_err(|error| error.fault(host))
    }

    async fn ask(&self, ctx: &Ctx, command: &HostCommand) -> Result<Reply, Fault> {
        let output = self.read(ctx, command).await?;
        Ok(Reply {
            line: command.line(),
            status: output.status,
            said: said(&output),
        })
    }

    fn decide(&self, seen: &Seen) -> ProbeAnswer {
        for reply in [&seen.done_if, &seen.verify].into_iter().flatten() {
            if reply.status == 0 {
                let found = format!("{} ended with status 0", reply.line);
                return done(found.clone(), vec![found]);
            }
        }
        let host = &self.spec.host;
        let mut changes = vec![match self.spec.effect {
            DeclaredEffect::Read => format!("the runbook's command looks at something on {host}"),
            DeclaredEffect::Write => format!("the runbook's command changes something on {host}"),
            DeclaredEffect::Disruptive => {
                format!("the runbook's command may interrupt somebody on {host}")
            }
        }];
        changes.extend(self.about.iter().cloned());
        let must_type = seen.in_doubt && self.done_if.is_none();
        if seen.in_doubt {
            changes.push("it was sent before, and whether it worked is not known".into());
        }
        let mut commands = vec![shown(host, &self.main)];
        commands.extend(self.check().map(|check| shown(host, check)));
        let found = match (&seen.done_if, seen.in_doubt) {
            (Some(reply), _) => format!("{} ended with status {}", reply.line, reply.status),
            (None, true) => "sent before, with an unknown outcome".to_owned(),
            (None, false) => "nothing to look at before it is sent (no done_if)".to_owned(),
        };
        let proposal = Proposal {
            changes,
            commands,
            then: match (self.check(), self.spec.effect) {
                (Some(check), _) => format!("{} ends with status 0", check.line()),
                (None, DeclaredEffect::Read) => "it ends with status 0".to_owned(),
                (None, _) => {
                    "a person says that it worked (the runbook gives no verify)".to_owned()
                }
            },
            risk: Some(match self.spec.effect {
                _ if must_type => Risk::Typed,
                DeclaredEffect::Read => Risk::Read,
                DeclaredEffect::Write => Risk::Write,
                DeclaredEffect::Disruptive => Risk::Disruptive,
            }),
            typed: must_type.then(|| AGAIN.to_owned()),
            ..Proposal::default()
        };
        needed(found, proposal)
    }

    /// What shows afterwards that it worked.
    fn check(&self) -> Option<&HostCommand> {
        self.verify.as_ref().or(self.done_if.as_ref())
    }

    async fn try_perform(&self, ctx: &Ctx) -> Result<Performed, ActError> {
        let guarded = self.look(ctx).await?;
        match &guarded.answer.verdict {
            Verdict::AlreadyDone { evidence } => {
                return Ok(Performed::Done {
                    evidence: evidence.clone(),
                });
            }
            Verdict::Needed(proposal) if is_confirmed(ctx, proposal) => {}
            _ => return Ok(Performed::Changed(Box::new(guarded.answer))),
        }
        if guarded.claim(ctx).await? == Claimed::Moved {
            let answer = self.probe(ctx).await?;
            return Ok(Performed::Changed(Box::new(answer)));
        }
        if self.is_rehearsed(ctx) {
            let evidence = vec![REHEARSED.to_owned()];
            return Ok(Performed::Done { evidence });
        }
        let host = &self.spec.host;
        let output = match self.spec.effect {
            DeclaredEffect::Read => self.read(ctx, &self.main).await?,
            _ if self.spec.is_local() => local::write(ctx, &self.main).await?,
            _ => ctx.write(host, Lane::Control, &self.main).await?,
        };
        let ran = format!(
            "{} ended with status {}: {}",
            self.main.line(),
            output.status,
            said(&output)
        );
        let Some(check) = self.check() else {
            return self.without_check(ctx, output.status, ran).await;
        };
        let reply = match self.ask(ctx, check).await {
            Ok(reply) => reply,
            // Whether what failed is sent again is for a person to say.
            Err(unseen) => {
                let passing = unseen.passing && output.status == 0;
                return Err(ActError::Failed(Fault { passing, ..unseen }));
            }
        };
        if reply.status == 0 {
            return Ok(Performed::Done {
                evidence: vec![format!("{} ended with status 0", reply.line), ran],
            });
        }
        let what = if output.status == 0 {
            "it ended with status 0, but did not work"
        } else {
            "it failed"
        };
        Ok(Performed::Failed(Fault::new(
            format!(
                "{what}: {} ended with status {} ({})",
                reply.line, reply.status, reply.said
            ),
            host.as_str(),
            ran,
            "read what it said, mend it there, then retry",
        )))
    }

    /// Nothing in the runbook shows whether it worked: a person says so.
    async fn without_check(
        &self,
        ctx: &Ctx,
        status: i32,
        ran: String,
    ) -> Result<Performed, ActError> {
        let host = self.spec.host.as_str();
        if status != 0 {
            return Ok(Performed::Failed(Fault::new(
                "the command failed",
                host,
                ran,
                "read what it said, mend it there, then retry",
            )));
        }
        if self.spec.effect == DeclaredEffect::Read {
            return Ok(Performed::Done {
                evidence: vec![ran],
            });
        }
        let question = Question {
            vm: None,
            host: self.spec.host.clone(),
            id: "worked".to_owned(),
            text: format!(
                "{ran}. That alone proves nothing, and the runbook has no verify for it. Did it work?"
            ),
            choices: [Question::WORKED, Question::FAILED]
                .map(str::to_owned)
                .to_vec(),
            suggested: None,
            why: None,
        };
        if ctx.link.ask(question).await? == Question::WORKED {
            let evidence = vec![
                ran,
                "asked whether it worked, the answer was yes".to_owned(),
            ];
            return Ok(Performed::Done { evidence });
        }
        Ok(Performed::Failed(Fault::new(
            "a person saw that the command did not work",
            host,
            ran,
            "mend it there, then retry; or do it by hand",
        )))
    }
}

/// Whether an earlier send of the step may have had an effect that nobody saw. A command about a lock
/// is none, wherever the runbook puts the lock by now.
fn is_in_doubt(state: &RunState, step: &Step) -> bool {
    let of_step = state.ops.values().filter(|op| op.step == step.id);
    let mut sent = of_step.filter(|op| !state.is_about_lock(op));
    sent.any(|op| match &op.status {
        OpStatus::Open | OpStatus::Lost => true,
        OpStatus::Stopped(outcome) => *outcome != StopOutcome::NeverSent,
        // Seen to end well by a console that was gone before anybody judged it.
        OpStatus::Finished { exit, .. } => *exit == 0,
        OpStatus::NotSent => false,
    })
}

/// `env ticket=INC000001 sh -c SCRIPT`, with what the script mentions.
fn script_words(script: &str, environment: &[(String, String)]) -> Vec<String> {
    let used = environment.iter().filter(|(key, _)| mentions(script, key));
    let mut words: Vec<String> = used.map(|(key, value)| format!("{key}={value}")).collect();
    if !words.is_empty() {
        words.insert(0, "env".to_owned());
    }
    words.extend(["sh", "-c", script].map(str::to_owned));
    words
}

/// Whether a script uses `$key`.
fn mentions(script: &str, key: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    script.match_indices('$').any(|(at, _)| {
        let rest = &script[at + 1..];
        rest.strip_prefix(key).is_some_and(|rest| !goes_on(rest))
    })
}

/// What a command printed, in a line.
fn said(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr]
        .map(|bytes| sanitise::sanitise(bytes))
        .join(" ");
    one_line(&text, 200).unwrap_or_else(|| "it said nothing".to_owned())
}

#[cfg(test)]
mod tests;

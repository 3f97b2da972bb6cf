//! `hand_off`: something that another team does. The console says whom to call and what to ask, keeps
//! the time, and goes on once a probe, or what the person at the keys saw, shows that it is done.

use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;

use crate::engine::{Answer, Fact, Performed, ProbeAnswer, Prompt, Proposal};
use crate::error::Fault;
use crate::plan::{Risk, Step};
use crate::runbook::model::{Contact, HandOff as Spec, Mode, Runbook};

use super::action::ended;
use super::answer::needed;
use super::checks;
use super::context::Ctx;
use super::link::ActError;
use super::wait::until_seen;
use super::words::span;

/// The key of what the person saw.
const EVIDENCE: &str = "evidence";
/// How long the others may take where the runbook says nothing.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// The verb about one request.
pub(super) struct HandOff<'a> {
    spec: &'a Spec,
    contact: Contact,
    patience: Duration,
}

impl<'a> HandOff<'a> {
    /// The verb.
    ///
    /// # Errors
    /// The runbook has no such contact.
    pub fn new(runbook: &Runbook, step: &Step, spec: &'a Spec) -> Result<Self, Fault> {
        let contact = runbook
            .contacts
            .iter()
            .find(|contact| contact.name == spec.to)
            .cloned()
            .ok_or_else(|| {
                Fault::new(
                    format!("{} is not one of the contacts", spec.to),
                    step.id.as_str(),
                    "nobody was called",
                    "correct the runbook",
                )
            })?;
        Ok(Self {
            spec,
            contact,
            patience: step.timeout.unwrap_or(PATIENCE),
        })
    }

    /// Whom to call and what to ask.
    pub fn outline(&self) -> ProbeAnswer {
        let Contact { name, phone, role } = &self.contact;
        let role = Some(role).filter(|role| !role.is_empty());
        let role = role.map(|role| format!(" ({role})")).unwrap_or_default();
        let call = if phone.is_empty() {
            format!("call {name}{role}; the runbook has no number")
        } else {
            format!("call {name}{role}: {phone}")
        };
        let mut ask = IndexMap::new();
        if self.spec.verify.is_none() {
            let prompt = format!("What shows that {name} did it?");
            ask.insert(EVIDENCE.to_owned(), Prompt::Evidence { prompt });
        }
        let proposal = Proposal {
            changes: vec![call, format!("ask for: {}", self.spec.ask)],
            commands: self.spec.verify.iter().flat_map(checks::sends).collect(),
            then: match &self.spec.verify {
                Some(probe) => format!(
                    "{} (looked at every {} for {})",
                    checks::in_words(probe),
                    span(self.spec.every),
                    span(self.patience)
                ),
                None => "you write what shows that it is done".to_owned(),
            },
            risk: Some(Risk::Read),
            ask,
            ..Proposal::default()
        };
        needed("this is for others to do", proposal)
    }

    /// Keeps that it was handed off, and goes on once it is done.
    pub async fn perform(&self, ctx: &Ctx) -> Performed {
        let handed = self.try_perform(ctx).await;
        handed.map_or_else(ended, |evidence| Performed::Done { evidence })
    }

    async fn try_perform(&self, ctx: &Ctx) -> Result<Vec<String>, ActError> {
        let to = self.contact.name.clone();
        let at = ctx.clock.now();
        let fact = Fact::HandedOff { to, at };
        ctx.keep_once(fact, |kept| matches!(kept, Fact::HandedOff { .. }))
            .await?;
        let began = handed_off(ctx).unwrap_or(at);
        let Some(probe) = &self.spec.verify else {
            return self.judged(ctx);
        };
        if ctx.mode == Mode::Practice {
            let seen = checks::look(ctx, probe, self.patience.min(super::check::PATIENCE)).await;
            return Ok(vec![
                format!("practice: {} was not called", self.contact.name),
                seen.line(),
            ]);
        }
        let doing = format!("with {}", self.contact.name);
        let seen = until_seen(ctx, probe, self.spec.every, self.patience, &doing).await;
        let mut evidence = seen.map_err(|error| match error {
            ActError::Failed(mut fault) => {
                let number = match self.contact.phone.as_str() {
                    "" => String::new(),
                    phone => format!(" ({phone})"),
                };
                fault.next = format!(
                    "call {} again{number}, then retry; or do it by hand",
                    self.contact.name
                );
                ActError::Failed(fault)
            }
            other => other,
        })?;
        let took = ctx.clock.now().duration_since(began);
        let took = Duration::try_from(took).unwrap_or_default();
        evidence.push(format!("{} had it for {}", self.contact.name, span(took)));
        Ok(evidence)
    }

    /// What the person at the keys wrote.
    fn judged(&self, ctx: &Ctx) -> Result<Vec<String>, ActError> {
        let confirmation = ctx.confirmation.as_ref();
        let given = confirmation.and_then(|given| Some((given, given.answers.get(EVIDENCE)?)));
        match given {
            Some((given, Answer::Value(words))) if !words.trim().is_empty() => Ok(vec![
                format!("{} says that {} did it", given.by, self.contact.name),
                words.trim().to_owned(),
            ]),
            _ => Err(ActError::Failed(Fault::new(
                "nobody wrote what shows that it is done",
                ctx.step.id.as_str(),
                "nothing was sent to any host",
                "answer it again",
            ))),
        }
    }
}

/// When it was handed off first.
fn handed_off(ctx: &Ctx) -> Option<Timestamp> {
    ctx.own_fact(|fact| match fact {
        Fact::HandedOff { at, .. } => Some(*at),
        _ => None,
    })
}

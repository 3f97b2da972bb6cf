//! `confirm` and `note`: what only people can answer. A prompt looks at hosts only for what it shows
//! beside a question, or compares an answer with.

use std::time::Duration;

use indexmap::IndexMap;

use crate::clock::to_second;
use crate::engine::{
    Confirmation, Consent, Judged, Performed, ProbeAnswer, Prompt, Proposal, Verdict, judge,
};
use crate::error::Fault;
use crate::plan::Step;
use crate::runbook::model::{Ask, Challenge, Probe};

use super::action::ended;
use super::answer::needed;
use super::check::PATIENCE;
use super::checks::{self, Seen};
use super::context::Ctx;
use super::ownership::is_stale;

/// The verb about one prompt.
pub(super) struct Confirm<'a> {
    question: &'a str,
    ask: &'a IndexMap<String, Ask>,
    patience: Duration,
}

impl<'a> Confirm<'a> {
    /// The verb.
    pub fn new(step: &Step, question: &'a str, ask: &'a IndexMap<String, Ask>) -> Self {
        Self {
            question,
            ask,
            patience: step.timeout.unwrap_or(PATIENCE),
        }
    }

    /// What it will ask; nobody has looked at anything yet.
    pub fn outline(&self) -> ProbeAnswer {
        self.asks("this is for people to answer".to_owned(), |_| None)
    }

    /// Looks at what the questions are about, then asks.
    ///
    /// # Errors
    /// Something is not as it should be, or not yet: nobody is asked.
    pub async fn probe(&self, ctx: &Ctx) -> Result<ProbeAnswer, Fault> {
        let seen = self.look(ctx).await?;
        Ok(self.asks_with(&seen))
    }

    async fn look(&self, ctx: &Ctx) -> Result<IndexMap<&str, Seen>, Fault> {
        let mut seen: IndexMap<&str, Seen> = IndexMap::new();
        for (key, ask) in self.ask {
            let looked = match ask {
                Ask::Check { probe, .. } => checks::look(ctx, probe, self.patience).await,
                Ask::Compare { with, .. } => checks::print(ctx, with, self.patience).await,
                Ask::Choose { .. }
                | Ask::Value { .. }
                | Ask::Acknowledge { .. }
                | Ask::Evidence { .. } => continue,
            };
            if !looked.passed {
                return Err(not_as_expected(key, &looked));
            }
            seen.insert(key, looked);
        }
        Ok(seen)
    }

    fn asks_with(&self, seen: &IndexMap<&str, Seen>) -> ProbeAnswer {
        // What somebody has to read elsewhere is not told here.
        let told = seen.iter().map(|(key, seen)| match self.ask.get(*key) {
            Some(Ask::Check { .. }) => seen.line(),
            _ => format!("{} was asked", seen.asked),
        });
        let told = told.collect::<Vec<_>>().join("; ");
        let found = Some(told).filter(|told| !told.is_empty());
        let found = found.unwrap_or_else(|| "this is for people to answer".to_owned());
        self.asks(found, |key| seen.get(key))
    }

    fn asks<'s>(&self, found: String, seen: impl Fn(&str) -> Option<&'s Seen>) -> ProbeAnswer {
        let probes = self.ask.values().filter_map(Ask::probe);
        let prompts = self.ask.iter();
        let prompts = prompts.map(|(key, ask)| (key.clone(), prompt(ask, seen(key))));
        let proposal = Proposal {
            changes: vec![self.question.to_owned()],
            commands: probes.flat_map(checks::sends).collect(),
            then: "the answer stands in the journal and in the report".into(),
            ask: prompts.collect(),
            ..Proposal::default()
        };
        needed(found, proposal)
    }

    /// Turns what was answered into evidence; where people took their time, hosts are asked once more.
    pub async fn perform(&self, ctx: &Ctx) -> Performed {
        let step = ctx.state.steps.get(&ctx.step.id);
        let shown = step.and_then(|step| Some((step.proposal.as_deref()?, step.proposed_at?)));
        let (Some(confirmation), Some((shown, at))) = (&ctx.confirmation, shown) else {
            return self.not_answered(ctx, "nobody answered it");
        };
        let mut evidence = match evidence(confirmation, ctx.step.challenge.as_ref(), &shown.ask) {
            Ok(evidence) => evidence,
            Err(why) => return self.not_answered(ctx, &why),
        };
        if self.ask.values().all(|ask| ask.probe().is_none()) {
            return Performed::Done { evidence };
        }
        let mut looks = format!("looked at {}", to_second(at));
        // What a look proves is kept with the answer, from a look of its own.
        let mut probes = self.ask.values().filter_map(Ask::probe);
        let proves = probes.any(checks::may_prove);
        if proves || is_stale(ctx.clock.now(), Some(at)) {
            let seen = match self.look(ctx).await {
                Ok(seen) => seen,
                Err(mut fault) => {
                    "nothing was changed; what was answered does not count"
                        .clone_into(&mut fault.state);
                    return Performed::Failed(fault);
                }
            };
            let answer = self.asks_with(&seen);
            if !self.is_as_shown(&shown.ask, &answer, &|text| ctx.hosts.clean(text)) {
                return Performed::Changed(Box::new(answer));
            }
            for seen in seen.values() {
                if let Err(error) = seen.keep(ctx).await {
                    return ended(error);
                }
            }
            looks += &format!(", and at {} it was the same", to_second(ctx.clock.now()));
        }
        evidence.push(looks);
        Performed::Done { evidence }
    }

    fn not_answered(&self, ctx: &Ctx, why: &str) -> Performed {
        let question = self.question;
        Performed::Failed(Fault::new(
            format!("{question:?} was not answered as the runbook asks: {why}"),
            ctx.step.id.as_str(),
            "nothing was sent to any host",
            "answer it again",
        ))
    }

    /// Whether people would be shown the same again. What was shown was cleaned before it was kept.
    fn is_as_shown(
        &self,
        shown: &IndexMap<String, Prompt>,
        now: &ProbeAnswer,
        clean: &dyn Fn(&str) -> String,
    ) -> bool {
        let Verdict::Needed(now) = &now.verdict else {
            return false;
        };
        self.ask.iter().all(|(key, ask)| {
            let before = shown.get(key).and_then(seen_for);
            let now = now.ask.get(key).and_then(seen_for).map(clean);
            match ask {
                Ask::Check { probe, .. } => {
                    let lasting = |line| checks::lasting(probe, line);
                    before.map(lasting) == now.as_deref().map(lasting)
                }
                _ => before == now.as_deref(),
            }
        })
    }
}

/// What was seen for a question.
fn seen_for(prompt: &Prompt) -> Option<&str> {
    match prompt {
        Prompt::Compare { printed: seen, .. } | Prompt::Check { seen, .. } => seen.as_deref(),
        Prompt::Choose { .. }
        | Prompt::Value { .. }
        | Prompt::Acknowledge { .. }
        | Prompt::Evidence { .. } => None,
    }
}

/// A question as it is shown, with what was seen for it.
fn prompt(ask: &Ask, seen: Option<&Seen>) -> Prompt {
    let said = seen.map(|seen| seen.said.clone());
    match ask.clone() {
        Ask::Choose { options, at_least } => Prompt::Choose { options, at_least },
        Ask::Value {
            prompt, pattern, ..
        } => Prompt::Value { prompt, pattern },
        Ask::Acknowledge { statement } => Prompt::Acknowledge { statement },
        Ask::Evidence { prompt } => Prompt::Evidence { prompt },
        Ask::Compare { prompt, with } => Prompt::Compare {
            prompt,
            by: printer(&with),
            printed: said,
        },
        Ask::Check { prompt, .. } => Prompt::Check {
            prompt,
            seen: seen.map(Seen::line),
        },
    }
}

/// What prints a value that an answer is compared with.
fn printer(probe: &Probe) -> String {
    let lines = probe.looks().iter().map(checks::line);
    lines.collect::<Vec<_>>().join(", ")
}

/// A guest that boots, or a link that is down, may be right a moment later.
fn not_as_expected(key: &str, seen: &Seen) -> Fault {
    let what = format!("{key}: {}", seen.line());
    let next = "put it right, then try again: it is looked at anew";
    Fault::new(what, "what the prompt looks at", "nobody was asked", next).passing()
}

/// A remark was seen.
pub(super) fn noted(ctx: &Ctx, text: &str) -> Performed {
    let mut evidence = vec![text.to_owned()];
    evidence.extend(
        ctx.confirmation
            .as_ref()
            .map(|reader| format!("read by {}", reader.by)),
    );
    Performed::Done { evidence }
}

/// The remark as it waits to be read.
pub(super) fn note(text: &str) -> ProbeAnswer {
    let proposal = Proposal {
        changes: vec![text.to_owned()],
        then: "it stands in the journal as read".into(),
        ..Proposal::default()
    };
    needed("a remark", proposal)
}

/// Who answered, and what, in words; the engine let go on only what holds.
fn evidence(
    confirmation: &Confirmation,
    challenge: Option<&Challenge>,
    asked: &IndexMap<String, Prompt>,
) -> Result<Vec<String>, String> {
    let second = confirmation.second.as_deref();
    let who = match second {
        Some(second) => format!("{} and {}", confirmation.by, second.trim()),
        None => confirmation.by.clone(),
    };
    let how = match confirmation.how {
        Consent::Person => "at the terminal",
        Consent::Pace => "by the chosen pace",
        Consent::Yes => "by --yes",
        Consent::Answers => "by the answers file",
        Consent::Agreed => "with the rest",
    };
    let mut evidence = vec![format!("confirmed by {who}, {how}")];
    if let (Some(challenge), Some(second)) = (challenge, second)
        && confirmation.response.is_some()
    {
        let (say, second) = (&challenge.say, second.trim());
        evidence.push(format!(
            "challenge \u{201c}{say}\u{201d}: {second} answered as agreed"
        ));
    }
    for (key, asked) in asked {
        match judge(asked, confirmation.answers.get(key)) {
            Ok(Judged::Holds(said)) => evidence.push(format!("{key}: {said}")),
            Ok(Judged::Fails(why)) | Err(why) => return Err(format!("{key}: {why}")),
        }
    }
    Ok(evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Answer, YES};

    fn confirmation(second: Option<&str>, answers: &[(&str, Answer)]) -> Confirmation {
        Confirmation {
            second: second.map(str::to_owned),
            answers: answers
                .iter()
                .map(|(key, a)| ((*key).to_owned(), a.clone()))
                .collect(),
            ..Confirmation::plain("alice", Consent::Person)
        }
    }

    #[test]
    fn the_people_and_the_response_are_named() {
        let none = IndexMap::new();
        let both = confirmation(Some(" bob "), &[]);
        let said = evidence(&both, None, &none).unwrap();
        assert_eq!(said, ["confirmed by alice and bob, at the terminal"]);
        let challenge = Challenge {
            say: "Which site stops?".into(),
            response: "Leeds".into(),
        };
        let answered = Confirmation {
            response: Some("leeds ".into()),
            ..both
        };
        let said = evidence(&answered, Some(&challenge), &none).unwrap();
        let words = "challenge \u{201c}Which site stops?\u{201d}: bob answered as agreed";
        assert_eq!(said[1], words);
    }

    #[test]
    fn what_was_answered_is_kept_in_words_and_what_is_missing_is_told() {
        let statement = "Users lose an hour".to_owned();
        let asked = IndexMap::from([("loss".to_owned(), Prompt::Acknowledge { statement })]);
        let given = [("loss", Answer::Value(YES.into()))];
        let said = evidence(&confirmation(None, &given), None, &asked).unwrap();
        assert_eq!(said[1], "loss: yes: Users lose an hour");
        let why = evidence(&confirmation(None, &[]), None, &asked).unwrap_err();
        assert!(why.starts_with("loss: "), "{why}");
    }
}

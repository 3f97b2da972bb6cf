//! Commands of the runbook of which nothing but somebody's word shows that they worked.

use std::collections::BTreeMap;

use crate::engine::{Consent, Question, RunEvent, Status};
use crate::names::StepId;
use crate::report::Run;
use crate::report::document::StatementKind as Kind;
use crate::report::prose::{Text, plain};
use crate::report::text::time;

use super::statements::Said;

/// What is to be said of each that was taken to have worked, in the order of the plan.
pub(super) fn statements(run: &Run<'_>, all: &mut Said) {
    let mut believed = believed(run);
    let done = |id: &StepId| run.state.status(id) == Status::Done;
    for step in run.plan.steps.iter().filter(|step| done(&step.id)) {
        if let Some(said) = believed.remove(&step.id) {
            all.say(Kind::NotVerified, said);
        }
    }
}

/// The last word on each step's command that it worked, in the step's last attempt: what was said of an
/// earlier one is said of a command that was sent again since.
fn believed<'a>(run: &Run<'a>) -> BTreeMap<&'a StepId, Text> {
    let mut words = BTreeMap::new();
    for entry in run.entries {
        if let (Some(step), RunEvent::QuestionAnswered { by, label, how }) =
            (&entry.step, &entry.event)
            && label == Question::WORKED
            && entry.attempt == Some(run.state.attempt(step))
        {
            let at = time(entry.at);
            let how = match how {
                Consent::Person => format!("{by} said at {at} that it did."),
                Consent::Answers => {
                    format!("An answers file said so, at {at}; nobody looked.")
                }
                _ => format!(
                    "Its exit status 0 was taken for that at {at}, as --yes accepts; nobody looked."
                ),
            };
            let said = plain("Not verified: the runbook gives ")
                .code(step.as_str())
                .plain(format!(
                    " nothing that shows whether its command worked (verify). {how}"
                ));
            words.insert(step, said);
        }
    }
    words
}

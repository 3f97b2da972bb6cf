//! One step of a chapter as it is made: its id, title, risk and time.

use std::time::Duration;

use super::Draft;
use crate::engine::event::Chapter;
use crate::names::{HostName, StepId};
use crate::plan::{ActionSpec, Close, Risk, Step, Subject};
use crate::runbook::model::{OnFailure, SiteRole};

/// How long a step may take that asks one host for one thing.
const SHORT: Duration = Duration::from_secs(2 * 60);

/// How long a guest may take to shut down, and removing large files.
const LONG: Duration = Duration::from_secs(10 * 60);

impl Draft<'_> {
    pub(super) fn close(&mut self, phase: (&str, &str), close: Close, after: Vec<usize>) -> usize {
        let host = close.host().cloned();
        let subject = match (close.vm(), &host) {
            (Some(vm), _) => Subject::Vm(vm.clone()),
            (None, Some(host)) => Subject::Host(host.clone()),
            (None, None) => Subject::Run,
        };
        let index = self.push(phase, subject, ActionSpec::Close(close), after);
        if let Some(host) = host {
            self.at(index, &host, None);
        }
        index
    }

    pub(super) fn at(&mut self, index: usize, host: &HostName, vmx: Option<String>) {
        let side = self.role(host);
        if let Some(step) = self.steps.get_mut(index) {
            step.vmx = vmx;
            step.hosts = vec![host.clone()];
            step.side = side;
        }
    }

    pub(super) fn push(
        &mut self,
        (slug, phase): (&str, &str),
        subject: Subject,
        action: ActionSpec,
        mut after: Vec<usize>,
    ) -> usize {
        after.sort_unstable();
        after.dedup();
        let verb = action.verb();
        let id = self.free_id(&format!(
            "{}/{slug}/{}/{verb}",
            self.chapter,
            subject.as_str()
        ));
        let agrees = matches!(action, ActionSpec::Close(Close::Agree { .. }));
        self.steps.push(Step {
            title: title(&action, self.chapter, &subject),
            id,
            phase: phase.to_owned(),
            subject,
            side: SiteRole::Recovery,
            why: None,
            text: None,
            risk: risk(&action),
            after,
            timeout: timeout(&action),
            retries: 0,
            on_failure: OnFailure::Ask,
            usually: None,
            gate: agrees,
            typed: None,
            people: 1,
            challenge: None,
            transfer: false,
            datastore: None,
            hosts: Vec::new(),
            vmx: None,
            line: 0,
            action,
        });
        self.steps.len() - 1
    }

    /// An id that no step of the run has, and none of a chapter before this one.
    fn free_id(&self, wanted: &str) -> StepId {
        let taken = |id: &str| {
            let mut all = self.run.steps.iter().chain(&self.steps);
            all.any(|step| step.id.as_str() == id)
        };
        if !taken(wanted) {
            return wanted.into();
        }
        let numbered = (2..).map(|n: u32| format!("{wanted}.{n}"));
        let mut free = numbered.filter(|id| !taken(id));
        free.next().unwrap_or_default().into()
    }
}

fn title(action: &ActionSpec, chapter: Chapter, subject: &Subject) -> String {
    let name = subject.as_str();
    let ActionSpec::Close(close) = action else {
        return match action {
            ActionSpec::Note { .. } => "what is not taken back".to_owned(),
            ActionSpec::ReturnCapacity { .. } => "start again what made room".to_owned(),
            other => format!("{} {name}", other.verb()),
        };
    };
    match close {
        Close::Agree { .. } => format!("agree to the {chapter}"),
        Close::Stop { .. } => format!("stop {name}"),
        Close::Unregister { .. } => format!("unregister {name}"),
        Close::NamesBack { .. } => format!("give the files of {name} their names back"),
        Close::AutostartBack { .. } => format!("put the autostart entry of {name} back"),
        Close::RemoveFiles { .. } => format!("remove the files of {name}"),
        Close::KeepDisks { .. } => format!("keep the disks of {name}"),
        Close::RemoveNetworks { .. } => format!("remove port groups on {name}"),
        Close::RemoveOriginals { .. } => format!("delete the originals of {name}"),
    }
}

fn risk(action: &ActionSpec) -> Risk {
    match action {
        ActionSpec::Note { .. } | ActionSpec::Close(Close::KeepDisks { .. }) => Risk::Read,
        ActionSpec::PowerOn { .. }
        | ActionSpec::Close(Close::Stop { .. } | Close::Unregister { .. }) => Risk::Disruptive,
        _ => Risk::Write,
    }
}

fn timeout(action: &ActionSpec) -> Option<Duration> {
    match action {
        ActionSpec::Note { .. } | ActionSpec::Close(Close::Agree { .. }) => None,
        ActionSpec::Close(
            Close::Stop { .. } | Close::RemoveFiles { .. } | Close::RemoveOriginals { .. },
        )
        | ActionSpec::ReturnCapacity { .. } => Some(LONG),
        _ => Some(SHORT),
    }
}

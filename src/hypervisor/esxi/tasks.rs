//! What hostd does for a VM: its recent tasks. The only place where the reason of a failed
//! power-on is told, and the proof that a lost command no longer works on.

use super::faults::check;
use super::value::Value;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{excerpt, unexpected};

/// Reads the reply of [`tasks`](super::commands::tasks): keys of recent tasks, oldest first, for
/// [`task_info`](super::commands::task_info).
///
/// # Errors
///
/// A fault of the host; a reply that is no list.
pub fn parse_keys(output: &Output) -> Result<Vec<String>, DriverFault> {
    check(output)?;
    let what = "the VM's tasks";
    let text = output.text();
    let value = Value::parse(&text, what)?;
    let Value::List(items) = &value else {
        return Err(unexpected(what, &text));
    };
    let key = |item: &Value| {
        let key = item.text().and_then(|text| text.strip_prefix("vim.Task:"));
        key.map(str::to_owned)
            .ok_or_else(|| unexpected(what, "an item that is no task"))
    };
    items.iter().map(key).collect()
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Not begun.
    Queued,
    /// At work; it may still take effect.
    Running,
    /// Ended well.
    Success,
    /// Ended badly.
    Error,
}

impl TaskState {
    /// Whether it can take no more effect.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Success | Self::Error)
    }
}

/// One task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its key.
    pub key: String,
    /// What it does, e.g. `VirtualMachine.powerOn`.
    pub operation: String,
    /// How far it is.
    pub state: TaskState,
    /// Why it ended badly.
    pub error: Option<String>,
    /// Per cent, while it runs.
    pub progress: Option<u64>,
    /// When it began, RFC 3339 in UTC.
    pub started: Option<String>,
}

impl Task {
    /// Reads the reply of [`task_info`](super::commands::task_info).
    ///
    /// # Errors
    ///
    /// [`DriverFault::NotFound`] once the host has forgotten the task, which it soon does after
    /// its end; any other fault; a reply that is no task.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        check(output)?;
        let what = "the task";
        let text = output.text();
        let value = Value::parse(&text, what)?;
        let state = match value.get("state").text() {
            Some("queued") => TaskState::Queued,
            Some("running") => TaskState::Running,
            Some("success") => TaskState::Success,
            Some("error") => TaskState::Error,
            _ => return Err(unexpected(what, &text)),
        };
        let error = value.get("error");
        let message = error.get("msg").filled().or(error.type_name()).map(excerpt);
        let operation = value
            .get("descriptionId")
            .filled()
            .or(value.get("name").filled());
        Ok(Self {
            key: value.get("key").text().unwrap_or_default().to_owned(),
            operation: operation.unwrap_or_default().to_owned(),
            state,
            error: message,
            progress: value.get("progress").number(),
            started: value.get("startTime").filled().map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FAILED: &str = "(vim.TaskInfo) {\n   key = \"haTask-5-vim.VirtualMachine.powerOn-99\", \n   task = 'vim.Task:haTask-5-vim.VirtualMachine.powerOn-99', \n   name = \"vim.VirtualMachine.powerOn\", \n   descriptionId = \"VirtualMachine.powerOn\", \n   state = \"error\", \n   \
        error = (vmodl.fault.RequestCanceled) {\n      faultCause = (vmodl.MethodFault) null, \n      msg = \"The task was canceled by a user.\"\n   }, \n   progress = 100, \n   startTime = \"2026-01-02T03:04:05.1Z\"\n}\n";

    #[test]
    fn the_reason_of_a_failure() {
        let task = Task::parse(&Output::of(FAILED)).unwrap();
        assert_eq!(task.operation, "VirtualMachine.powerOn");
        assert_eq!(
            task.error.as_deref(),
            Some("The task was canceled by a user.")
        );
        assert!(task.state.has_ended());
        let running = FAILED.replace("\"error\"", "\"running\"");
        assert!(
            !Task::parse(&Output::of(&running))
                .unwrap()
                .state
                .has_ended()
        );
    }

    #[test]
    fn keys_none_and_forgotten() {
        let two = "(ManagedObjectReference) [\n   'vim.Task:haTask-5-vim.VirtualMachine.powerOn-1', \n   'vim.Task:haTask-5-x-2'\n]\n";
        assert_eq!(
            parse_keys(&Output::of(two)).unwrap(),
            ["haTask-5-vim.VirtualMachine.powerOn-1", "haTask-5-x-2"]
        );
        assert_eq!(
            parse_keys(&Output::of("(ManagedObjectReference) []\n")),
            Ok(Vec::new())
        );
        assert!(parse_keys(&Output::of("")).is_err());
        let gone = "(vmodl.fault.ManagedObjectNotFound) {\n   obj = 'vim.Task:x', \n   msg = \"The object has already been deleted\"\n}\n";
        assert!(matches!(
            Task::parse(&Output::of(gone)),
            Err(DriverFault::NotFound { .. })
        ));
        assert!(Task::parse(&Output::of("(vim.TaskInfo) {\n   state = \"odd\"\n}\n")).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(cut in 0..FAILED.len(), noise in ".{0,40}") {
            let text = format!("{}{noise}{}", &FAILED[..cut], &FAILED[cut..]);
            let _ = Task::parse(&Output::of(&text));
            let _ = parse_keys(&Output::of(&text));
        }
    }
}

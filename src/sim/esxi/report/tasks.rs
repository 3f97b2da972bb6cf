//! hostd's tasks.

use std::sync::Arc;
use std::time::Duration;

use crate::sim::esxi::State;
use crate::sim::esxi::value::{Fault, Value};
use crate::sim::host::SimHost;
use crate::sim::seed::Draw;

/// How long hostd remembers a finished task, in site seconds.
const TASK_KEPT: f64 = 600.0;

/// `vmsvc/get.tasklist ID`
pub(in super::super) fn tasklist(host: &Arc<SimHost>, id: &str) -> Result<String, Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(Fault::no_vm(id));
    };
    let mut state = esxi.lock();
    forget(host, &mut state);
    let vm = state.find(id)?.id;
    let tasks = state.tasks.iter().filter(|task| task.vm == vm);
    let list = tasks
        .map(|task| Value::Reference(format!("vim.Task:{}", task.key)))
        .collect();
    Ok(Value::List("ManagedObjectReference", list).print())
}

fn forget(host: &SimHost, state: &mut State) {
    let kept: Duration = host.pace.real(TASK_KEPT);
    state
        .tasks
        .retain(|task| task.done.is_none_or(|done| done.elapsed() < kept));
}

/// `vimsvc/task_info TASK`
pub(in super::super) fn task(host: &Arc<SimHost>, id: &str) -> Result<String, Fault> {
    let key = id.trim_start_matches("vim.Task:").to_owned();
    let gone = || Fault {
        kind: "vmodl.fault.ManagedObjectNotFound",
        fields: vec![
            ("faultMessage", Value::Unset),
            ("obj", Value::Reference(format!("vim.Task:{key}"))),
        ],
        message: "The object has already been deleted or has not been completely created".into(),
    };
    let Some(esxi) = &host.esxi else {
        return Err(gone());
    };
    let mut state = esxi.lock();
    forget(host, &mut state);
    let Some(task) = state.tasks.iter().find(|task| task.key == key) else {
        return Err(gone());
    };
    let time = |time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let (word, error) = match &task.outcome {
        None => ("running", Value::Null("vmodl.MethodFault")),
        Some(Ok(())) => ("success", Value::Null("vmodl.MethodFault")),
        Some(Err(fault)) => ("error", fault.value()),
    };
    let value = Value::Object(
        "vim.TaskInfo",
        vec![
            ("key", Value::text(task.key.clone())),
            ("task", Value::Reference(format!("vim.Task:{}", task.key))),
            ("description", Value::Null("vmodl.LocalizableMessage")),
            (
                "name",
                Value::text(format!("vim.VirtualMachine.{}", task.method)),
            ),
            (
                "descriptionId",
                Value::text(format!("VirtualMachine.{}", task.method)),
            ),
            (
                "entity",
                Value::Reference(format!("vim.VirtualMachine:{}", task.vm)),
            ),
            ("entityName", Value::text(task.entity.clone())),
            ("state", Value::text(word)),
            ("cancelled", Value::bare(false)),
            ("cancelable", Value::bare(false)),
            ("error", error),
            ("result", Value::Unset),
            (
                "progress",
                if word == "running" {
                    Value::bare(95)
                } else {
                    Value::Unset
                },
            ),
            (
                "reason",
                Value::Object(
                    "vim.TaskReasonUser",
                    vec![("userName", Value::text("root"))],
                ),
            ),
            ("queueTime", Value::text(time(task.started))),
            ("startTime", Value::text(time(task.started))),
            ("completeTime", Value::maybe(task.completed.map(time))),
            (
                "eventChainId",
                Value::bare(Draw::new(1, &task.key).below(9000)),
            ),
            ("changeTag", Value::Unset),
            ("parentTaskKey", Value::Unset),
            ("rootTaskKey", Value::Unset),
        ],
    );
    Ok(value.print())
}

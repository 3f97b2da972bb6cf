//! One task for each thing that an action is ordered to do.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::actions::{self, Ctx, Link};
use crate::engine::{Input, Performed};
use crate::error::Fault;
use crate::names::{Attempt, OpId, StepId};

use super::carry::Message;

/// What an action is ordered to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Job {
    Probe,
    Perform,
    Undo,
    /// What may pass is waited for so long.
    StopLost(OpId, Duration),
    /// Speaks for no step.
    Close,
}

/// What is under way for each step. One may have several: writes that were lost together are
/// stopped together.
#[derive(Debug, Default)]
pub(super) struct Tasks(HashMap<StepId, Vec<AbortHandle>>);

impl Tasks {
    /// Keeps a task of a step.
    pub(super) fn add(&mut self, step: StepId, task: AbortHandle) {
        let of_step = self.0.entry(step).or_default();
        of_step.retain(|task| !task.is_finished());
        of_step.push(task);
    }

    /// Ends all that is under way for a step.
    pub(super) fn end(&mut self, step: &StepId) {
        for task in self.0.remove(step).into_iter().flatten() {
            task.abort();
        }
    }

    /// Ends everything.
    pub(super) fn end_all(&mut self) {
        for task in self.0.drain().flat_map(|(_, tasks)| tasks) {
            task.abort();
        }
    }
}

/// Starts the job. What it asks for on the way reaches the inbox before its result does; if it
/// panics, that is its result.
pub(super) fn spawn(
    job: Job,
    inbox: mpsc::UnboundedSender<Message>,
    step: StepId,
    attempt: Attempt,
    context: impl FnOnce(Link) -> Ctx,
) -> AbortHandle {
    let (requests, mut asked) = mpsc::unbounded_channel();
    let ctx = context(Link::new(requests));
    let id = step.clone();
    let out = inbox.clone();
    let forward = move |request| {
        let message = Message::Request {
            step: id.clone(),
            attempt,
            request,
        };
        let _ = out.send(message);
    };
    let id = step.clone();
    let work = tokio::spawn(async move {
        let result = Box::pin(carry_out(job, ctx, id, attempt));
        tokio::pin!(result);
        let input = loop {
            tokio::select! {
                biased;
                Some(request) = asked.recv() => forward(request),
                input = &mut result => break input,
            }
        };
        while let Ok(request) = asked.try_recv() {
            forward(request);
        }
        input
    });
    let abort = work.abort_handle();
    tokio::spawn(async move {
        let input = match work.await {
            Ok(input) => input,
            Err(error) if error.is_panic() => failed(job, step, attempt),
            Err(_) => return,
        };
        let _ = inbox.send(Message::Input(input));
    });
    abort
}

async fn carry_out(job: Job, ctx: Ctx, step: StepId, attempt: Attempt) -> Input {
    match job {
        Job::Probe => {
            let answer = actions::probe(&ctx).await;
            Input::Probed {
                step,
                attempt,
                answer,
            }
        }
        Job::Perform => {
            let result = actions::perform(&ctx).await;
            Input::Performed {
                step,
                attempt,
                result,
            }
        }
        Job::Undo => {
            let result = actions::undo(&ctx).await;
            Input::Performed {
                step,
                attempt,
                result,
            }
        }
        Job::StopLost(op, patience) => {
            let outcome = actions::stop_patiently(&ctx, op, patience).await;
            Input::Stopped {
                step,
                attempt,
                op,
                outcome,
            }
        }
        Job::Close => {
            actions::close(&ctx).await;
            Input::Closed
        }
    }
}

fn failed(job: Job, step: StepId, attempt: Attempt) -> Input {
    let fault = Fault::new(
        "Lifeboat itself failed in this step; this is a bug",
        step.as_str(),
        "whatever was announced in the journal may have been sent; the next probe shows",
        "retry the step, or do it by hand; please report the log under the state folder",
    );
    match job {
        Job::Probe => Input::Probed {
            step,
            attempt,
            answer: Err(fault),
        },
        Job::Perform | Job::Undo => Input::Performed {
            step,
            attempt,
            result: Performed::Failed(fault),
        },
        Job::StopLost(op, _) => Input::Stopped {
            step,
            attempt,
            op,
            outcome: Err(fault),
        },
        Job::Close => Input::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_that_is_under_way_for_a_step_ends_and_nothing_else() {
        let wait = || tokio::spawn(std::future::pending::<()>());
        let (first, second, third, other) = (wait(), wait(), wait(), wait());
        let mut tasks = Tasks::default();
        for (step, task) in [("a", &first), ("a", &second), ("b", &other), ("a", &third)] {
            tasks.add(step.into(), task.abort_handle());
        }
        tasks.end(&"a".into());
        for task in [first, second, third] {
            assert!(task.await.is_err_and(|error| error.is_cancelled()));
        }
        tokio::task::yield_now().await;
        assert!(!other.is_finished());
        tasks.end_all();
        assert!(other.await.is_err_and(|error| error.is_cancelled()));
    }

    #[tokio::test]
    async fn what_has_ended_is_not_kept() {
        let mut tasks = Tasks::default();
        for _ in 0..100 {
            let task = tokio::spawn(async {});
            tasks.add("a".into(), task.abort_handle());
            task.await.unwrap();
        }
        assert!(tasks.0["a"].len() <= 1);
    }
}

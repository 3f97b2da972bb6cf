//! One `vim-cmd` or `esxcli` at a time for each host: all of them end in the same hostd, which
//! slows down or loses calls when several come at once. What each takes is measured here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::command::HostCommand;
use super::hosts::Host;

/// Calls whose times are kept, and how many there are before they tell anything. The median of them
/// leaves out the one that opened its session, and the one that a busy moment held up.
const RECENT: usize = 9;
const ENOUGH: usize = 3;
/// A call that takes longer makes steps, which are many calls, take much longer.
const SLOW: Duration = Duration::from_secs(3);

/// Lets one caller through; those that are urgent before those that are not.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    busy: bool,
    urgent: usize,
    /// What the last calls took that were answered, the newest last.
    took: VecDeque<Duration>,
}

/// Held while a call is under way.
pub(super) struct Pass {
    gate: Arc<Gate>,
    began: Instant,
}

/// Counts an urgent caller who waits, also if it gives up.
struct Waiting<'a>(&'a Gate);

impl Gate {
    pub(super) async fn enter(self: &Arc<Self>, urgent: bool) -> Pass {
        let waiting = urgent.then(|| {
            self.state().urgent += 1;
            Waiting(self)
        });
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.state();
                if !state.busy && (urgent || state.urgent == 0) {
                    state.busy = true;
                    break;
                }
            }
            changed.await;
        }
        drop(waiting);
        Pass {
            gate: self.clone(),
            began: Instant::now(),
        }
    }

    fn took(&self, call: Duration) {
        let mut state = self.state();
        if state.took.len() == RECENT {
            state.took.pop_front();
        }
        state.took.push_back(call);
    }

    /// What a call takes: the median of the last ones.
    pub(super) fn call(&self) -> Option<Duration> {
        let mut took: Vec<Duration> = self.state().took.iter().copied().collect();
        took.sort_unstable();
        let enough = took.len() >= ENOUGH;
        took.get(took.len() / 2).copied().filter(|_| enough)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().urgent -= 1;
        self.0.changed.notify_waiters();
    }
}

impl Pass {
    /// The call came to its end: one that a dead connection cut off tells nothing of the host.
    pub(super) fn answered(&self) {
        self.gate.took(self.began.elapsed());
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.state().busy = false;
        self.gate.changed.notify_waiters();
    }
}

impl Host {
    /// What a call to its management agent takes, where that is so long that steps take much longer:
    /// the median of the last calls that it answered, whoever made them.
    #[must_use]
    pub fn slow_call(&self) -> Option<Duration> {
        self.shared().gate.call().filter(|call| *call >= SLOW)
    }
}

/// Whether a command is a call to hostd, itself or within a script.
pub(super) fn calls_hostd(command: &HostCommand) -> bool {
    let is_call = |word: &str| {
        let name = word.rsplit('/').next().unwrap_or(word);
        matches!(name, "vim-cmd" | "esxcli")
    };
    match command.words() {
        [shell, flag, script, ..] if shell == "sh" && flag == "-c" => script
            .split(|c: char| !(c.is_alphanumeric() || "-_./".contains(c)))
            .any(is_call),
        [first, ..] => is_call(first),
        [] => false,
    }
}

/// Whether a command blocks inside hostd until a question is answered: others must get past it.
pub(super) fn may_wait(command: &HostCommand) -> bool {
    command.words().iter().any(|word| word == "vmsvc/power.on")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Effect;

    #[test]
    fn calls_are_known_by_word_and_within_scripts() {
        for (command, is_call) in [
            (HostCommand::read(["vim-cmd", "vmsvc/getallvms"]), true),
            (
                HostCommand::read(["/bin/esxcli", "system", "version", "get"]),
                true,
            ),
            (HostCommand::read(["cat", "/vmfs/vim-cmd"]), false),
            (
                HostCommand::script(Effect::Read, "vim-cmd vmsvc/getallvms; echo END", [""; 0]),
                true,
            ),
            (
                HostCommand::script(Effect::Read, "x=$(esxcli a);echo $x", [""; 0]),
                true,
            ),
            (
                HostCommand::script(Effect::Read, "cat $1", ["vim-cmd"]),
                false,
            ),
            (HostCommand::read([""; 0]), false),
        ] {
            assert_eq!(calls_hostd(&command), is_call, "{}", command.line());
        }
    }

    #[tokio::test]
    async fn one_at_a_time_and_the_urgent_first() {
        let gate = Arc::new(Gate::default());
        let first = gate.enter(false).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (name, urgent) in [("pane", false), ("step", true)] {
            let (gate, order) = (gate.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let _pass = gate.enter(urgent).await;
                order.lock().unwrap().push(name);
            }));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(order.lock().unwrap().is_empty());
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["step", "pane"]);
    }

    #[test]
    fn what_a_call_takes_is_the_median_of_the_last_and_of_a_few_nothing() {
        let gate = Gate::default();
        let seconds = Duration::from_secs;
        for call in [30, 10] {
            gate.took(seconds(call));
            assert_eq!(gate.call(), None, "too few");
        }
        gate.took(seconds(9));
        assert_eq!(gate.call(), Some(seconds(10)), "the first one logged in");
        (0..RECENT).for_each(|_| gate.took(seconds(1)));
        assert_eq!(gate.call(), Some(seconds(1)), "it is quick again");
    }

    #[tokio::test]
    async fn only_what_was_answered_is_measured() {
        let gate = Arc::new(Gate::default());
        for _ in 0..ENOUGH {
            drop(gate.enter(true).await);
        }
        assert_eq!(gate.call(), None, "their connections died");
        for _ in 0..ENOUGH {
            gate.enter(true).await.answered();
        }
        assert!(gate.call().is_some());
    }

    #[tokio::test]
    async fn one_who_gives_up_holds_nobody_back() {
        let gate = Arc::new(Gate::default());
        let first = gate.enter(true).await;
        let gone = tokio::time::timeout(Duration::from_millis(10), gate.enter(true)).await;
        assert!(gone.is_err());
        drop(first);
        tokio::time::timeout(Duration::from_secs(1), gate.enter(false))
            .await
            .unwrap();
    }
}

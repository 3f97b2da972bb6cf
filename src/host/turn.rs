//! Logins to one host, one after the other: sshd drops connections that come all at once, and a
//! wrong password must not be tried by several sessions before the first learns of it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::HostError;
use super::link::{Cancel, Stopped};

#[derive(Default)]
pub(super) struct Turn {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    busy: bool,
    /// Logins that failed so far, and how the last one did.
    failures: u64,
    last: Option<HostError>,
}

impl Turn {
    /// Runs `login` when it is this session's turn. Who waited while another login failed takes
    /// that failure as its own instead of asking a host that just said no, or nothing, again.
    pub(super) fn take<T>(
        &self,
        cancel: &Cancel,
        login: impl FnOnce() -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        let mut state = self.state();
        let seen = state.failures;
        while state.busy {
            if cancel.is_set() {
                return Err(Stopped::Cancelled.during("waiting for another login"));
            }
            let waited = self.changed.wait_timeout(state, Duration::from_millis(50));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.failures != seen
            && let Some(failure) = &state.last
        {
            return Err(failure.clone());
        }
        state.busy = true;
        drop(state);
        let busy = Busy(self);
        let result = login();
        if let Err(error) = &result
            && !matches!(error, HostError::Cancelled)
        {
            let mut state = self.state();
            state.failures += 1;
            state.last = Some(error.clone());
        }
        drop(busy);
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the turn, also when the login panics.
struct Busy<'a>(&'a Turn);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.state().busy = false;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Barrier};

    use super::*;

    fn wanted() -> Cancel {
        Cancel {
            given_up: Arc::default(),
            closed: Arc::default(),
        }
    }

    fn failure() -> HostError {
        HostError::Refused {
            address: "lee1:22".into(),
        }
    }

    #[test]
    fn who_waited_through_a_failure_shares_it_and_the_next_tries_anew() {
        let (turn, logins) = (Turn::default(), AtomicU32::new(0));
        let under_way = Barrier::new(2);
        std::thread::scope(|threads| {
            let first = threads.spawn(|| {
                turn.take(&wanted(), || {
                    logins.fetch_add(1, Ordering::SeqCst);
                    under_way.wait();
                    std::thread::sleep(Duration::from_millis(100));
                    Err::<(), _>(failure())
                })
            });
            under_way.wait();
            let second = turn.take(&wanted(), || {
                logins.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
            assert_eq!(second, Err(failure()));
            assert_eq!(first.join().unwrap(), Err(failure()));
        });
        assert_eq!(logins.load(Ordering::SeqCst), 1);
        assert_eq!(turn.take(&wanted(), || Ok(())), Ok(()));
    }

    #[test]
    fn one_who_is_no_longer_wanted_stops_waiting() {
        let turn = Turn::default();
        let _busy = turn.take(&wanted(), || {
            let cancel = wanted();
            cancel.given_up.store(true, Ordering::Relaxed);
            assert_eq!(turn.take(&cancel, || Ok(())), Err(HostError::Cancelled));
            Ok(())
        });
    }
}

//! The process table of one host: what `ps` shows and `kill` ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One running command.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its number on this host.
    pub(crate) pid: u32,
    /// The number of the one that started it.
    pub(crate) parent: u32,
    args: Mutex<Vec<String>>,
    signal: AtomicI32,
    gate: Mutex<()>,
    killed: Condvar,
    children: Mutex<Vec<u32>>,
}

/// The command was ended by this signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Killed(pub(crate) i32);

impl Process {
    /// Its words, the program first.
    pub(crate) fn args(&self) -> Vec<String> {
        self.args
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// It becomes another program (`exec`).
    pub(crate) fn become_program(&self, args: Vec<String>) {
        *self.args.lock().unwrap_or_else(PoisonError::into_inner) = args;
    }

    /// The signal that ended it, if one did.
    pub(crate) fn killed(&self) -> Option<Killed> {
        match self.signal.load(Ordering::Acquire) {
            0 => None,
            signal => Some(Killed(signal)),
        }
    }

    /// Ends it at its next step.
    pub(crate) fn kill(&self, signal: i32) {
        self.signal.store(signal, Ordering::Release);
        let _guard = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.killed.notify_all();
    }

    /// Sleeps unless it is killed meanwhile.
    ///
    /// # Errors
    /// [`Killed`].
    pub(crate) fn pause(&self, time: Duration) -> Result<(), Killed> {
        let end = Instant::now() + time;
        let mut guard = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(killed) = self.killed() {
                return Err(killed);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            guard = self
                .killed
                .wait_timeout(guard, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Remembers a background child, for `wait`.
    pub(crate) fn adopt(&self, pid: u32) {
        self.children
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(pid);
    }

    /// Its background children.
    pub(crate) fn children(&self) -> Vec<u32> {
        self.children
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// All processes of a host.
#[derive(Debug)]
pub(crate) struct ProcessTable {
    next: AtomicU32,
    running: Mutex<BTreeMap<u32, Arc<Process>>>,
    gone: Condvar,
}

impl ProcessTable {
    /// An empty table whose first number is `first`.
    pub(crate) fn new(first: u32) -> Self {
        Self {
            next: AtomicU32::new(first),
            running: Mutex::default(),
            gone: Condvar::new(),
        }
    }

    /// Starts a process.
    pub(crate) fn start(self: &Arc<Self>, parent: u32, args: Vec<String>) -> Running {
        let pid = self.next.fetch_add(1, Ordering::Relaxed);
        let process = Arc::new(Process {
            pid,
            parent,
            args: Mutex::new(args),
            signal: AtomicI32::new(0),
            gate: Mutex::new(()),
            killed: Condvar::new(),
            children: Mutex::default(),
        });
        self.lock().insert(pid, Arc::clone(&process));
        Running {
            table: Arc::clone(self),
            process,
        }
    }

    /// The process with this number.
    pub(crate) fn find(&self, pid: u32) -> Option<Arc<Process>> {
        self.lock().get(&pid).cloned()
    }

    /// All of them, by number.
    pub(crate) fn all(&self) -> Vec<Arc<Process>> {
        self.lock().values().cloned().collect()
    }

    /// Kills every one.
    pub(crate) fn kill_all(&self) {
        for process in self.all() {
            process.kill(9);
        }
    }

    /// Waits until none is left, at most `limit`.
    pub(crate) fn wait_empty(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut running = self.lock();
        while !running.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            running = self
                .gone
                .wait_timeout(running, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, Arc<Process>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A started process; dropping it takes it off the table.
#[derive(Debug)]
pub(crate) struct Running {
    table: Arc<ProcessTable>,
    /// The process.
    pub(crate) process: Arc<Process>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.table.lock().remove(&self.process.pid);
        self.table.gone.notify_all();
    }
}

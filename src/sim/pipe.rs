//! Byte streams between simulated processes, and between them and SSH channels.
//!
//! A pipe has a blocking side for command threads and an asynchronous side for the SSH tasks. As on
//! a real system a reader sees the end when the last writer is gone, and a writer is told when the
//! reader is gone.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// How long a blocked command sleeps before it looks whether it was killed.
const TICK: Duration = Duration::from_millis(40);

#[derive(Debug)]
struct State {
    bytes: VecDeque<u8>,
    capacity: usize,
    writers: usize,
    reader: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    wake: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self) {
        self.changed.notify_all();
        self.wake.notify_one();
    }
}

/// The end that is read; one owner.
#[derive(Debug)]
pub(crate) struct PipeReader(Arc<Shared>);

/// The end that is written; every clone counts as a writer.
#[derive(Debug)]
pub(crate) struct PipeWriter(Arc<Shared>);

/// A pipe that holds up to `capacity` bytes.
pub(crate) fn pipe(capacity: usize) -> (PipeReader, PipeWriter) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            bytes: VecDeque::new(),
            capacity,
            writers: 1,
            reader: true,
        }),
        changed: Condvar::new(),
        wake: Notify::new(),
    });
    (PipeReader(Arc::clone(&shared)), PipeWriter(shared))
}

impl PipeReader {
    /// Takes what is there, at most `buffer.len()` bytes; waits while there is nothing. 0 is the end.
    ///
    /// # Errors
    /// `Interrupted` as soon as `killed` says so.
    pub(crate) fn read(&self, buffer: &mut [u8], killed: &dyn Fn() -> bool) -> io::Result<usize> {
        let mut state = self.0.lock();
        loop {
            if killed() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if !state.bytes.is_empty() {
                let count = take(&mut state.bytes, buffer);
                drop(state);
                self.0.announce();
                return Ok(count);
            }
            if state.writers == 0 {
                return Ok(0);
            }
            state = self
                .0
                .changed
                .wait_timeout(state, TICK)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Takes up to 32 KiB; `None` at the end.
    pub(crate) async fn next_chunk(&self) -> Option<Vec<u8>> {
        loop {
            {
                let mut state = self.0.lock();
                if !state.bytes.is_empty() {
                    let mut chunk = vec![0; state.bytes.len().min(32 << 10)];
                    take(&mut state.bytes, &mut chunk);
                    drop(state);
                    self.0.announce();
                    return Some(chunk);
                }
                if state.writers == 0 {
                    return None;
                }
            }
            self.0.wake.notified().await;
        }
    }
}

fn take(bytes: &mut VecDeque<u8>, buffer: &mut [u8]) -> usize {
    let count = bytes.len().min(buffer.len());
    for (slot, byte) in buffer.iter_mut().zip(bytes.drain(..count)) {
        *slot = byte;
    }
    count
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.0.lock().reader = false;
        self.0.announce();
    }
}

impl PipeWriter {
    /// Writes all of it, waiting while the pipe is full.
    ///
    /// # Errors
    /// `BrokenPipe` when nobody reads any more, `Interrupted` as soon as `killed` says so.
    pub(crate) fn write_all(&self, mut bytes: &[u8], killed: &dyn Fn() -> bool) -> io::Result<()> {
        let mut state = self.0.lock();
        while !bytes.is_empty() {
            if killed() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if !state.reader {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let room = state
                .capacity
                .saturating_sub(state.bytes.len())
                .min(bytes.len());
            if room > 0 {
                let (now, later) = bytes.split_at(room);
                state.bytes.extend(now);
                bytes = later;
                self.0.announce();
            } else {
                state = self
                    .0
                    .changed
                    .wait_timeout(state, TICK)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        }
        Ok(())
    }

    /// Writes all of it from an asynchronous task; false when nobody reads any more.
    pub(crate) async fn send(&self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            {
                let mut state = self.0.lock();
                if !state.reader {
                    return false;
                }
                let room = state
                    .capacity
                    .saturating_sub(state.bytes.len())
                    .min(bytes.len());
                if room > 0 {
                    let (now, later) = bytes.split_at(room);
                    state.bytes.extend(now);
                    bytes = later;
                    self.0.changed.notify_all();
                    continue;
                }
            }
            self.0.wake.notified().await;
        }
        true
    }
}

impl Clone for PipeWriter {
    fn clone(&self) -> Self {
        self.0.lock().writers += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.writers = state.writers.saturating_sub(1);
        drop(state);
        self.0.announce();
    }
}

//! The handle of a session's thread: jobs are sent to it, and waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::{Lane, Worker};
use crate::host::error::HostError;
use crate::host::link::{Cancel, Wake};
use crate::host::shared::Shared;

pub(super) type Job = Box<dyn FnOnce(&mut Worker, &Cancel) + Send>;

/// The handle of a session's thread.
pub(in crate::host) struct LaneThread {
    jobs: Sender<(Job, Arc<AtomicBool>)>,
    wake: Arc<Wake>,
    closed: Arc<AtomicBool>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
    /// Commands wait here for the one before them, so that none of them holds the gate to hostd
    /// while it waits for its session.
    pub(in crate::host) order: Arc<tokio::sync::Mutex<()>>,
    /// Nothing is open there that a long command would hold up.
    idle: Arc<AtomicBool>,
}

impl LaneThread {
    pub(in crate::host) fn spawn(host: Arc<Shared>, lane: Lane) -> std::io::Result<Self> {
        let wake = Arc::new(Wake::new()?);
        let closed = Arc::new(AtomicBool::new(false));
        let idle = Arc::new(AtomicBool::new(true));
        let (jobs, queue) = channel();
        let (end, ended) = oneshot::channel();
        let name = format!("{} {lane:?}", host.config.name);
        let runtime = tokio::runtime::Handle::try_current();
        let (waker, ending, idling) = (wake.clone(), closed.clone(), idle.clone());
        let mut worker = Worker::new(host, lane, waker, ending, idling);
        std::thread::Builder::new().name(name).spawn(move || {
            // Dropped with the thread, however it ends.
            let _end: oneshot::Sender<()> = end;
            // A hop carries its connections in the runtime's tasks.
            let _within = runtime.as_ref().ok().map(|runtime| runtime.enter());
            worker.serve(&queue);
        })?;
        Ok(Self {
            jobs,
            wake,
            closed,
            ended: Mutex::new(Some(ended)),
            order: Arc::default(),
            idle,
        })
    }

    /// Whether it still takes jobs.
    pub(in crate::host) fn is_alive(&self) -> bool {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.as_mut().is_some_and(|ended| {
            matches!(ended.try_recv(), Err(oneshot::error::TryRecvError::Empty))
        })
    }

    /// Whether nothing is open there that a long command would hold up.
    pub(in crate::host) fn is_idle(&self) -> bool {
        self.idle.load(Ordering::Relaxed)
    }

    /// Runs `job` on the thread. `Err` if the thread is gone.
    pub(in crate::host) async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Worker, &Cancel) -> T + Send + 'static,
    ) -> Result<T, HostError> {
        let given_up = Arc::new(AtomicBool::new(false));
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |worker, cancel| {
            let _ = reply.send(job(worker, cancel));
        });
        self.jobs
            .send((job, given_up.clone()))
            .map_err(|_| self.gone())?;
        self.wake.notify();
        let _guard = GiveUp {
            given_up,
            wake: self.wake.clone(),
        };
        answer.await.map_err(|_| self.gone())
    }

    fn gone(&self) -> HostError {
        if self.closed.load(Ordering::Relaxed) {
            HostError::Closed
        } else {
            HostError::Lost("the session's thread broke down".to_owned())
        }
    }

    /// Leaves a job for the thread without waiting for it.
    pub(in crate::host) fn post(&self, job: impl FnOnce(&mut Worker, &Cancel) + Send + 'static) {
        // A thread that is gone has nothing left to be done to.
        let _ = self.jobs.send((Box::new(job), Arc::default()));
        self.wake.notify();
    }

    /// Ends the thread: at once if it waits on its socket, else with the wait that it is in.
    pub(in crate::host) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.wake.notify();
    }

    /// Waits until the thread has ended.
    pub(in crate::host) async fn ended(&self) {
        let ended = self
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(ended) = ended {
            let _ = ended.await;
        }
    }
}

impl Drop for LaneThread {
    fn drop(&mut self) {
        self.close();
    }
}

/// Cancels a job whose caller is gone.
struct GiveUp {
    given_up: Arc<AtomicBool>,
    wake: Arc<Wake>,
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.wake.notify();
    }
}

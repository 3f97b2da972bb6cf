//! What stays open on a host: files, commands beside them, and outputs that are taken as they come.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::bulk::{self, BulkFile, NotOpen, Session};
use super::command::{Effect, HostCommand};
use super::dialogue::Dialogue;
use super::error::HostError;
use super::file::{FileAccess, Opened, RemoteFile};
use super::hosts::Host;
use super::lane::{Lane, LaneThread, Worker};
use super::policy::Deed;
use super::stream::{Program, RemoteOutput};

impl Host {
    /// Opens the sessions that a transfer over this lane needs, so that they are there when it
    /// begins. What goes wrong now is told to whoever needs them then.
    pub async fn get_ready(&self, lane: Lane) {
        let Ok(thread) = self.lane(lane) else { return };
        let opened = thread.call(|worker, cancel| worker.link(cancel).map(drop));
        if let Ok(Ok(())) = opened.await
            && let Err(why) = self.bulk_session(&thread).await
        {
            tracing::info!("no session for bulk data to {} yet: {why}", self.name());
        }
    }

    /// Opens a file. For writing it is made if missing and never truncated.
    ///
    /// # Errors
    /// [`HostError::File`] if the host said no; else why the host could not be asked.
    pub async fn open_file(
        &self,
        lane: Lane,
        path: &str,
        access: FileAccess,
    ) -> Result<RemoteFile, HostError> {
        let writes = match &access {
            FileAccess::Read => false,
            FileAccess::Write(intent) => {
                self.permit_write(intent)?;
                true
            }
        };
        let thread = self.lane(lane)?;
        let path: Arc<str> = path.into();
        if matches!(lane, Lane::Transfer(_))
            && let Some(file) = self.open_bulk(&thread, &path, writes).await?
        {
            return Ok(RemoteFile::over_bulk(self.shared.clone(), path, file));
        }
        let opened = thread
            .call({
                let path = path.clone();
                move |worker, cancel| worker.open(&path, writes, cancel)
            })
            .await??;
        let shared = self.shared.clone();
        Ok(RemoteFile::new(thread, shared, path, opened))
    }

    /// Opens a file that is open for writing once more, over a way of its own: a further channel of
    /// the session for bulk data, else a further session. `None` where the host has none.
    ///
    /// Whoever waits no longer leaves nothing open: it is opened to its end, and closed.
    pub async fn open_beside(&self, opened: &Opened) -> Option<RemoteFile> {
        let (shared, path) = (self.shared.clone(), opened.path.clone());
        let (give, take) = oneshot::channel();
        if let Some(session) = opened.session.clone() {
            tokio::spawn(async move {
                let file = BulkFile::open_beside(&session, &path).await;
                let _ = give.send(file.map(|file| RemoteFile::over_bulk(shared, path, file)));
            });
            return take.await.ok().flatten();
        }
        let bulk_may_come = shared.config.bulk_session && !shared.bulk.is_given_up();
        if bulk_may_come || shared.lacks_data_session() {
            // With the one for bulk data, which may be on its way again, it would be the seventh session.
            return None;
        }
        let thread = self.lane(Lane::Data).ok()?;
        tokio::spawn(async move {
            let file = path.clone();
            let opening = thread.call(move |worker, cancel| worker.open(&file, true, cancel));
            let opened = match opening.await.and_then(|opened| opened) {
                Ok(opened) => Some(RemoteFile::new(thread, shared, path, opened)),
                Err(why) => {
                    tracing::info!("{path} and others go over one session alone: {why}");
                    // Nothing but a session that was refused would be refused again.
                    if !matches!(why, HostError::File { .. } | HostError::Cancelled) {
                        shared.note_lack_of_data_session();
                    }
                    None
                }
            };
            let _ = give.send(opened);
        });
        take.await.ok().flatten()
    }

    /// Starts a command that only looks beside a file that is open on this lane, to be told more
    /// while it runs. `None` where no session is open.
    ///
    /// # Errors
    /// [`HostError::PolicyRefused`] for a command whose effect is `Write`; else why it could not be
    /// started.
    pub async fn converse(
        &self,
        lane: Lane,
        command: &HostCommand,
    ) -> Result<Option<Dialogue>, HostError> {
        self.shared
            .run
            .policy
            .permit(Deed::Read(command.effect()))?;
        let (shared, session) = (&self.shared, lane.session());
        if let Some(bulk) = shared.bulk.alive()
            && let Some(talk) = bulk::Dialogue::start(shared, bulk, session, command).await?
        {
            return Ok(Some(Dialogue::over_bulk(talk)));
        }
        // As for the file: a host that opens no further channel there may open one on its lane.
        Dialogue::on_lane(shared, self.lane(lane)?, session, command).await
    }

    /// The session for bulk data, opened if there is none; `None` where ssh2 carries it.
    async fn bulk_session(&self, thread: &LaneThread) -> Result<Option<Arc<Session>>, HostError> {
        let shared = &self.shared;
        if shared.lacks_sftp() || !shared.config.bulk_session {
            return Ok(None);
        }
        if shared.bulk.alive().is_none() && shared.proven().is_none() {
            // The first login to a host is always ssh2's.
            thread.call(Worker::prove).await??;
            if shared.lacks_sftp() {
                // Its login told.
                return Ok(None);
            }
        }
        let failure = match shared.bulk.get(shared).await {
            Err(failure) if failure.passing() => failure,
            got => return got,
        };
        // A host that is down is waited for; one that ssh2 gets through to is not.
        match thread.call(Worker::gets_through).await? {
            Ok(()) => shared.bulk.strike(failure),
            Err(_) => Err(failure),
        }
    }

    /// Opens a file over the session for bulk data; `None` where it must go over ssh2.
    async fn open_bulk(
        &self,
        thread: &LaneThread,
        path: &Arc<str>,
        writes: bool,
    ) -> Result<Option<BulkFile>, HostError> {
        let Some(session) = self.bulk_session(thread).await? else {
            return Ok(None);
        };
        match BulkFile::open(&session, path, writes).await {
            Ok(file) => Ok(Some(file)),
            Err(NotOpen::NoSftp) => Ok(None),
            Err(NotOpen::NoChannel) => {
                tracing::warn!(
                    "ssh2 carries {path}, which is slower: {} opens no further channel",
                    self.name()
                );
                Ok(None)
            }
            Err(NotOpen::Failed(error)) => Err(error.into_cause()),
        }
    }

    /// Starts a program that only looks, whose output is taken as it comes, from byte `from` of it
    /// on. Nobody waits for more than five minutes for the next byte.
    ///
    /// # Errors
    /// Why it could not be started.
    pub async fn open_output(
        &self,
        lane: Lane,
        program: &Program,
        from: u64,
    ) -> Result<RemoteOutput, HostError> {
        self.shared.run.policy.permit(Deed::Read(Effect::Read))?;
        let thread = self.lane(lane)?;
        let program = program.clone();
        let id = thread
            .call(move |worker, cancel| worker.start_stream(&program, from, cancel))
            .await??;
        Ok(RemoteOutput::new(thread, id))
    }
}

//! A backup whose files come out of a command, so that any backup tool serves.
//!
//! It looks like a folder of folders: that of a VM holds its points, each under its time, and that of
//! a point its files. Nothing can seek in what a command prints: a stretch is had by running it again
//! and dropping what lies before, on the host where it runs. Its exit status counts: a tool that
//! fails behind its last byte has failed.

mod faults;
mod parse;
mod pouring;
mod run;
mod sums;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use self::parse::{ToolFile, ToolPoint};
use self::run::Run;
use self::sums::Cursor;
use super::layout::Stamp;
use super::shelf::Listed;
use super::source::ReadError;
use super::target::UNCHANGED;
use crate::error::Fault;
use crate::host::{Host, Lane, Program, Secret};
use crate::runbook::model::{Asked, BackupTool, PointChoice};

/// A gap of so many bytes is read and dropped rather than have the command run again for it.
const READ_OVER: u64 = 64 << 20;
/// Points that are looked at, newest first.
const LOOKED_AT: usize = 3;
/// How long a tool may take to list what it holds.
const LISTING: Duration = Duration::from_secs(300);
/// Bytes that a listing may have.
const MAX_LISTING: usize = 32 << 20;

/// Where a backup's tool runs.
#[derive(Clone)]
pub enum RunsOn {
    /// On the console's own machine.
    Here,
    /// On a host, over one of its sessions.
    Host(Arc<Host>, Lane),
}

/// A backup that a tool prints; or a VM, a point or a file in it.
#[derive(Clone)]
pub struct Stream {
    backup: Arc<ToolBackup>,
    /// VM, point and file, as far as it goes.
    path: Vec<String>,
    /// Which points are looked at beside the newest: each look costs runs of the tool.
    wanted: PointChoice,
    /// A run that reads on where the last stretch that was summed ended.
    cursor: Arc<Mutex<Option<Cursor>>>,
}

struct ToolBackup {
    on: RunsOn,
    tool: BackupTool,
    secrets: Vec<(String, Secret)>,
    /// Points by VM, listed once: a tool takes seconds for that.
    points: Mutex<BTreeMap<String, Vec<ToolPoint>>>,
}

impl Stream {
    /// The backup as a whole. `secrets` are what the tool finds in its environment.
    #[must_use]
    pub fn new(on: RunsOn, tool: BackupTool, secrets: Vec<(String, Secret)>) -> Self {
        let backup = ToolBackup {
            on,
            tool,
            secrets,
            points: Mutex::default(),
        };
        Self {
            backup: Arc::new(backup),
            path: Vec::new(),
            wanted: PointChoice::Latest,
            cursor: Arc::default(),
        }
    }

    /// The same, when one of these points is going to be chosen.
    #[must_use]
    pub fn looking_for(self, wanted: PointChoice) -> Self {
        Self { wanted, ..self }
    }

    /// What is below it.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let below = name.split('/').filter(|part| !part.is_empty());
        Self {
            backup: self.backup.clone(),
            wanted: self.wanted.clone(),
            path: self
                .path
                .iter()
                .map(String::as_str)
                .chain(below)
                .map(str::to_owned)
                .collect(),
            cursor: Arc::default(),
        }
    }

    /// The same backup at a path as [`Stream::path`] gives it.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        Self {
            path: Vec::new(),
            ..self.clone()
        }
        .join(path)
    }

    /// Its place in the backup: `sql01/20260102T030405Z`.
    #[must_use]
    pub fn path(&self) -> String {
        self.path.join("/")
    }

    /// Where it is, for people: `restic on lee-bk1, sql01/20260102T030405Z`.
    #[must_use]
    pub fn place(&self) -> String {
        let tool = self.backup.tool.file.first().map_or("", String::as_str);
        let on = self.on();
        if self.path.is_empty() {
            format!("{tool} on {on}")
        } else {
            format!("{tool} on {on}, {}", self.path())
        }
    }

    /// The name of the machine that its tool runs on.
    #[must_use]
    pub fn on(&self) -> &str {
        match &self.backup.on {
            RunsOn::Here => "this machine",
            RunsOn::Host(host, _) => host.name().as_str(),
        }
    }

    /// The command that prints the files of this point, for people; `${file}` stands for each.
    ///
    /// # Errors
    /// The tool does not tell its points, or has no such point any more.
    pub async fn command_line(&self) -> Result<String, Fault> {
        let id = self.point_id().await?;
        let vm = self.vm();
        let words = self.backup.tool.words(vm, Asked::File(&id, "‹file›"));
        Ok(Program::new(words).line())
    }

    fn vm(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// What is in it: a VM's points as folders, a point's files; `None` for anything else.
    pub(super) async fn list(&self) -> Result<Option<Vec<Listed>>, Fault> {
        match self.path.len() {
            1 => {
                let points = self.points().await?;
                let folder = |point: &ToolPoint| Listed {
                    name: point.stamp.to_string(),
                    ..Listed::default()
                };
                let looked_at = self.worth_a_look(&points);
                Ok(Some(looked_at.into_iter().map(folder).collect()))
            }
            2 => {
                let files = self.files().await?;
                let file = |file: ToolFile| Listed {
                    name: file.name,
                    bytes: file.bytes,
                    allocated: file.bytes,
                    is_file: true,
                    ..Listed::default()
                };
                Ok(Some(files.into_iter().map(file).collect()))
            }
            _ => Ok(None),
        }
    }

    /// The newest of all points, and the newest of those that are wanted.
    fn worth_a_look<'p>(&self, newest_first: &'p [ToolPoint]) -> Vec<&'p ToolPoint> {
        let wanted = |point: &&ToolPoint| match &self.wanted {
            PointChoice::Latest => true,
            PointChoice::Stamp(stamp) => point.stamp.to_string() == *stamp,
            PointChoice::Before(time) => time
                .parse()
                .is_ok_and(|time: Timestamp| point.stamp.time() <= time),
        };
        let newest = newest_first.iter().take(LOOKED_AT);
        let asked_for = newest_first.iter().filter(wanted).take(LOOKED_AT);
        let mut points: Vec<&ToolPoint> = newest.chain(asked_for).collect();
        points.sort_by_key(|point| std::cmp::Reverse(point.stamp));
        points.dedup();
        points
    }

    /// The points of this VM, newest first: when each was taken, and what the tool calls it.
    ///
    /// # Errors
    /// The tool does not tell them.
    pub(super) async fn times(&self) -> Result<Vec<(Stamp, String)>, Fault> {
        let points = self.points().await?;
        let pair = |point: ToolPoint| (point.stamp, point.id);
        Ok(points.into_iter().map(pair).collect())
    }

    async fn points(&self) -> Result<Vec<ToolPoint>, Fault> {
        let mut known = self.backup.points.lock().await;
        if let Some(points) = known.get(self.vm()) {
            return Ok(points.clone());
        }
        let program = self.program(Asked::Points);
        let printed = self.ask(&program).await?;
        let points = parse::points(self.backup.tool.prints, &printed)
            .map_err(|why| self.not_understood(&program, &why))?;
        known.insert(self.vm().to_owned(), points.clone());
        Ok(points)
    }

    /// The id of the point that the second part of the path names by its time.
    ///
    /// # Errors
    /// The tool does not tell its points, or has no such point any more.
    pub async fn point_id(&self) -> Result<String, Fault> {
        let points = self.points().await?;
        let stamp = self.path.get(1).map_or("", String::as_str);
        let point = points
            .into_iter()
            .find(|point| point.stamp.to_string() == stamp);
        point.map(|point| point.id).ok_or_else(|| {
            Fault::new(
                format!("restore point {stamp} is not there any more"),
                self.place(),
                UNCHANGED,
                "look at the step again and choose another point",
            )
        })
    }

    async fn files(&self) -> Result<Vec<ToolFile>, Fault> {
        let id = self.point_id().await?;
        let program = self.program(Asked::Files(&id));
        let printed = self.ask(&program).await?;
        let folder = match self.backup.tool.files.last() {
            Some(word) => word.replace("${vm}", self.vm()),
            None => String::new(),
        };
        parse::files(self.backup.tool.prints, &printed, &folder)
            .map_err(|why| self.not_understood(&program, &why))
    }

    fn program(&self, asked: Asked<'_>) -> Program {
        Program::new(self.backup.tool.words(self.vm(), asked))
            .with_secrets(self.backup.secrets.clone())
    }

    async fn ask(&self, program: &Program) -> Result<Vec<u8>, Fault> {
        let answer = run::ask(&self.backup.on, program, LISTING, MAX_LISTING);
        let answer = answer.await.map_err(|error| self.stopped(error))?;
        if answer.end.status != 0 {
            return Err(self.failed(program, &answer.end));
        }
        if answer.truncated {
            let why = format!("it printed more than {MAX_LISTING} bytes");
            return Err(self.not_understood(program, &why));
        }
        Ok(answer.printed)
    }

    /// Up to `limit` bytes from the beginning of a file of this point.
    pub(super) async fn head(&self, name: &str, limit: usize) -> Result<Vec<u8>, Fault> {
        let file = self.join(name);
        let (program, mut run) = file.open(0).await.map_err(|error| file.stopped(error))?;
        let bytes = run.read(limit).await.map_err(|error| file.stopped(error))?;
        if bytes.len() < limit {
            let end = run.end().await.map_err(|error| file.stopped(error))?;
            if end.status != 0 {
                return Err(file.failed(&program, &end));
            }
        }
        Ok(bytes)
    }

    async fn open(&self, from: u64) -> Result<(Program, Run), ReadError> {
        let id = self.point_id().await.map_err(ReadError::Failed)?;
        let name = self.path.get(2).map_or("", String::as_str);
        let program = self.program(Asked::File(&id, name));
        let run = Run::start(&self.backup.on, &program, from).await?;
        Ok((program, run))
    }

    /// That nothing follows the last byte, and that the tool says it went well.
    async fn check_end(
        &self,
        program: &Program,
        mut run: Run,
        bytes: u64,
    ) -> Result<(), ReadError> {
        if !run.read(1).await?.is_empty() {
            return Err(self.other_length(format!("printed more than the {bytes} bytes listed")));
        }
        let end = run.end().await?;
        if end.status == 0 {
            return Ok(());
        }
        Err(ReadError::Failed(self.failed(program, &end)))
    }

    async fn ended_early(&self, program: &Program, run: Run, at: u64, bytes: u64) -> ReadError {
        match run.end().await {
            Ok(end) if end.status != 0 => ReadError::Failed(self.failed(program, &end)),
            Ok(_) => self.other_length(format!("printed {at} bytes of the {bytes} listed")),
            Err(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_points_and_those_asked_for_are_looked_at() {
        let point = |day: u32| ToolPoint {
            stamp: format!("202601{day:02}T000000Z").parse().unwrap(),
            id: day.to_string(),
        };
        let points: Vec<ToolPoint> = (1..=20).rev().map(point).collect();
        let ids = |wanted| {
            let tool = BackupTool::restic("/r", "/${vm}", None, None);
            let stream = Stream::new(RunsOn::Here, tool, Vec::new()).looking_for(wanted);
            let looked_at = stream.worth_a_look(&points);
            looked_at
                .iter()
                .map(|point| point.id.clone())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(ids(PointChoice::Latest), "20 19 18");
        assert_eq!(
            ids(PointChoice::Stamp("20260107T000000Z".into())),
            "20 19 18 7"
        );
        assert_eq!(
            ids(PointChoice::Before("2026-01-19T12:00:00Z".into())),
            "20 19 18 17"
        );
    }

    #[test]
    fn a_path_goes_from_the_backup_to_a_file() {
        let tool = BackupTool::restic("/r", "/${vm}", None, None);
        let backup = Stream::new(RunsOn::Here, tool, Vec::new());
        let point = backup.join("sql01").join("20260102T030405Z");
        assert_eq!(point.path(), "sql01/20260102T030405Z");
        assert_eq!(backup.join("other").at(&point.path()).path(), point.path());
        assert_eq!(
            point.place(),
            "restic on this machine, sql01/20260102T030405Z"
        );
    }
}

//! A file on a host without SFTP: one `dd` for each contiguous range.

use super::error::HostError;
use super::file::FileError;
use super::link::{Limit, Link, Stopped};
use super::live::Stream;
use super::process::{Process, WRITE_PREFIX};
use super::sanitise::sanitise;

/// `dd` takes its offset in blocks; the largest that fits is the fastest.
const MAX_BLOCK: u64 = 1 << 20;
/// A `dd` that writes is ended after so many bytes, and the next one goes on: its exit status is all
/// that confirms what it wrote.
const MAX_RUN: u64 = 64 << 20;
/// Of a message on standard error.
const KEPT_MESSAGE: usize = 4 << 10;

/// Prints a file's size; not every host has `stat`.
const SIZE: &str =
    r#"stat -L -c %s "$1" 2>/dev/null || { l=$(ls -lnL "$1") && set -- $l && echo "$5"; }"#;

pub(super) struct DdFile {
    path: String,
    running: Option<Running>,
}

/// A `dd` that waits for more to write, or holds more to read.
struct Running {
    process: Process,
    writes: bool,
    /// Where its first byte belongs.
    began: u64,
    /// Where its next byte belongs.
    offset: u64,
    /// Standard output: the file's bytes that nobody asked for yet, of one that reads; else a short
    /// answer, or the process id's line.
    output: Vec<u8>,
    message: Vec<u8>,
}

impl DdFile {
    /// Proves that the file can be opened so, and makes it if it is to be written.
    pub(super) fn open(
        link: &mut Link,
        limit: &Limit,
        path: &str,
        writes: bool,
    ) -> Result<Self, FileError> {
        let mut file = Self {
            path: path.to_owned(),
            running: None,
        };
        if writes {
            let touch = r#"umask 077; exec dd if=/dev/null of="$1" conv=notrunc"#;
            let line = shell_words::join(["sh", "-c", touch, "_", path]);
            file.answer(link, limit, &format!("{WRITE_PREFIX}{line}"), "opening")?;
        } else {
            file.size(link, limit)?;
        }
        Ok(file)
    }

    pub(super) fn write_at(
        &mut self,
        link: &mut Link,
        limit: &Limit,
        offset: u64,
        data: &[u8],
    ) -> Result<(), FileError> {
        if !self
            .running
            .as_ref()
            .is_some_and(|running| running.goes_on(offset))
        {
            self.settle(link, limit)?;
            let block = block_size(offset);
            let (of, bs) = (format!("of={}", self.path), format!("bs={block}"));
            let seek = format!("seek={}", offset / block);
            let line = shell_words::join(["dd", &of, &bs, &seek, "conv=notrunc"]);
            self.start(link, limit, &format!("{WRITE_PREFIX}{line}"), true, offset)?;
        }
        let path = self.path.clone();
        let Some(running) = &mut self.running else {
            return Err(FileError::Gone);
        };
        let mut rest = data;
        while !rest.is_empty() && !running.process.ended() {
            let (written, moved) = running
                .exchange(link, limit, rest, false)
                .map_err(|stopped| running.broken(&path, "writing", stopped))?;
            rest = &rest[written..];
            if !moved && !running.process.ended() {
                link.wait(limit)
                    .map_err(|stopped| running.broken(&path, "writing", stopped))?;
            }
        }
        running.offset += data.len() as u64;
        if running.process.ended() {
            // It gave up: its exit status and message say why.
            self.settle(link, limit)?;
            let detail = "writing: dd ended before its input did".to_owned();
            return Err(FileError::Refused(HostError::File { path, detail }));
        }
        Ok(())
    }

    pub(super) fn read_at(
        &mut self,
        link: &mut Link,
        limit: &Limit,
        offset: u64,
        len: usize,
    ) -> Result<Vec<u8>, FileError> {
        let mut skip = 0;
        if !self
            .running
            .as_ref()
            .is_some_and(|running| !running.writes && running.offset == offset)
        {
            self.settle(link, limit)?;
            let start = offset / MAX_BLOCK;
            let (from, bs) = (format!("if={}", self.path), format!("bs={MAX_BLOCK}"));
            let line = shell_words::join(["dd", &from, &bs, &format!("skip={start}")]);
            self.start(link, limit, &line, false, offset)?;
            skip = usize::try_from(offset % MAX_BLOCK).unwrap_or(0);
        }
        let path = self.path.clone();
        let Some(running) = &mut self.running else {
            return Err(FileError::Gone);
        };
        while running.output.len() < skip + len && !running.process.ended() {
            running
                .exchange(link, limit, &[], false)
                .and_then(|_| running.process.settle(link, limit))
                .map_err(|stopped| running.broken(&path, "reading", stopped))?;
        }
        let end = running.output.len().min(skip + len);
        let data: Vec<u8> = running.output.drain(..end).skip(skip).collect();
        running.offset = offset + data.len() as u64;
        if running.process.ended() && running.output.is_empty() {
            self.settle(link, limit)?;
        }
        Ok(data)
    }

    fn size(&mut self, link: &mut Link, limit: &Limit) -> Result<u64, FileError> {
        self.settle(link, limit)?;
        let line = shell_words::join(["sh", "-c", SIZE, "_", self.path.as_str()]);
        let answer = self.answer(link, limit, &line, "asking for the size")?;
        sanitise(&answer).trim().parse().map_err(|_| {
            let detail = format!("its size reads {:?}", sanitise(&answer));
            FileError::Refused(HostError::File {
                path: self.path.clone(),
                detail,
            })
        })
    }

    pub(super) fn finish(&mut self, link: &mut Link, limit: &Limit) -> Result<(), FileError> {
        self.settle(link, limit)
    }

    /// Where the first byte belongs that was written and is not confirmed.
    pub(super) fn first_unconfirmed(&self) -> Option<u64> {
        let writing = self.running.as_ref().filter(|running| running.writes);
        writing.map(|running| running.began)
    }

    fn start(
        &mut self,
        link: &mut Link,
        limit: &Limit,
        line: &str,
        writes: bool,
        offset: u64,
    ) -> Result<(), FileError> {
        let process = Process::start(link, line, limit).map_err(|not| {
            if not.intact {
                FileError::Refused(not.cause)
            } else {
                FileError::Broken {
                    pid: None,
                    cause: not.cause,
                }
            }
        })?;
        self.running = Some(Running {
            process,
            writes,
            began: offset,
            offset,
            output: Vec::new(),
            message: Vec::new(),
        });
        Ok(())
    }

    /// Runs a short command to its end; its standard output.
    fn answer(
        &mut self,
        link: &mut Link,
        limit: &Limit,
        line: &str,
        what: &str,
    ) -> Result<Vec<u8>, FileError> {
        self.start(link, limit, line, true, 0)?;
        let Some(mut running) = self.running.take() else {
            return Err(FileError::Gone);
        };
        running.end(link, limit, &self.path, what)?;
        Ok(running.output)
    }

    /// Ends the `dd` that runs: one that writes gets the end of its input and must succeed, one
    /// that reads and has more to give is let go.
    fn settle(&mut self, link: &mut Link, limit: &Limit) -> Result<(), FileError> {
        match self.running.take() {
            Some(mut running) if running.writes || running.process.ended() => {
                let what = if running.writes { "writing" } else { "reading" };
                running.end(link, limit, &self.path, what)
            }
            _ => Ok(()),
        }
    }
}

impl Running {
    /// Whether it is the one to write what belongs at `offset`.
    fn goes_on(&self, offset: u64) -> bool {
        self.writes && self.offset == offset && offset < self.began.saturating_add(MAX_RUN)
    }

    fn exchange(
        &mut self,
        link: &mut Link,
        limit: &Limit,
        input: &[u8],
        last: bool,
    ) -> Result<(usize, bool), Stopped> {
        let Self {
            process,
            writes,
            output,
            message,
            ..
        } = self;
        process.exchange(link, limit, input, last, &mut |stream, bytes| {
            let kept = match stream {
                Stream::Out => &mut *output,
                Stream::Err => &mut *message,
            };
            let room = if stream == Stream::Out && !*writes {
                bytes.len()
            } else {
                KEPT_MESSAGE.saturating_sub(kept.len())
            };
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        })
    }

    /// Ends its input and waits for its exit status, which must be 0.
    fn end(
        &mut self,
        link: &mut Link,
        limit: &Limit,
        path: &str,
        what: &str,
    ) -> Result<(), FileError> {
        while !self.process.ended() {
            self.exchange(link, limit, &[], true)
                .and_then(|_| self.process.settle(link, limit))
                .map_err(|stopped| self.broken(path, what, stopped))?;
        }
        match self.process.status(link, limit) {
            Ok(0) => Ok(()),
            Ok(status) => {
                let said = sanitise(&self.message);
                let detail = format!("{what}: status {status}, {}", said.trim());
                Err(FileError::Refused(HostError::File {
                    path: path.to_owned(),
                    detail,
                }))
            }
            Err(stopped) => Err(self.broken(path, what, stopped)),
        }
    }

    fn broken(&self, path: &str, what: &str, stopped: Stopped) -> FileError {
        let pid = if self.writes {
            self.output
                .split(|byte| *byte == b'\n')
                .next()
                .and_then(|line| std::str::from_utf8(line).ok()?.trim().parse().ok())
        } else {
            None
        };
        FileError::Broken {
            pid,
            cause: stopped.during(&format!("{what} {path}")),
        }
    }
}

/// The largest power of two that divides `offset`, within bounds.
fn block_size(offset: u64) -> u64 {
    1 << offset.trailing_zeros().min(MAX_BLOCK.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_divide_the_offset() {
        for (offset, block) in [
            (0, MAX_BLOCK),
            (1, 1),
            (512, 512),
            (3 << 20, 1 << 20),
            (1 << 40, 1 << 20),
        ] {
            assert_eq!(block_size(offset), block);
        }
    }
}

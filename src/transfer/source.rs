//! Where bytes come from: a folder of the console's machine, or of a host.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::SeekFrom as Probe;
use tokio::sync::mpsc;

use super::ranges::{self, CHUNK, Zeros};
use super::stream::Stream;
use crate::error::Fault;
use crate::host::{FileAccess, Host, HostError, Lane};
use crate::hypervisor::shell;

/// A folder that files are read from.
#[derive(Clone)]
pub enum Folder {
    /// On the console's own machine.
    Here(PathBuf),
    /// On a host.
    On {
        /// Which host.
        host: Arc<Host>,
        /// Its absolute path there.
        path: String,
        /// The session that reads from it.
        lane: Lane,
    },
    /// What a backup tool prints.
    Stream(Stream),
}

impl Folder {
    /// Where it is, for people: `/backup`, or `lee-bk1:/backup`.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Here(path) => path.display().to_string(),
            Self::On { host, path, .. } => format!("{}:{path}", host.name()),
            Self::Stream(stream) => stream.place(),
        }
    }

    /// The folder of the same machine or tool at a path as [`super::Point::path`] gives it.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        match self {
            Self::Here(_) => Self::Here(PathBuf::from(path)),
            Self::On { host, lane, .. } => Self::On {
                host: host.clone(),
                path: path.to_owned(),
                lane: *lane,
            },
            Self::Stream(stream) => Self::Stream(stream.at(path)),
        }
    }

    /// A folder or file within it; of an absolute path, what lies there.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Here(path) => Self::Here(path.join(name)),
            Self::On { host, path, lane } => Self::On {
                host: host.clone(),
                path: join(path, name),
                lane: *lane,
            },
            Self::Stream(stream) => Self::Stream(stream.join(name)),
        }
    }
}

/// A path on a host, from a folder there; an absolute one stays.
pub(super) fn join(folder: &str, name: &str) -> String {
    if name.starts_with('/') {
        return name.to_owned();
    }
    format!("{}/{name}", folder.trim_end_matches('/'))
}

/// A step forward in a source: everything before `end` that was asked for has been read, and what
/// of it is not zero is here.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) end: u64,
    pub(super) data: Vec<(u64, Vec<u8>)>,
}

/// Pieces in order, or why there are no more.
pub(super) type Pieces = mpsc::Receiver<Result<Piece, ReadError>>;

/// Why reading stopped.
#[derive(Clone, Debug)]
pub(super) enum ReadError {
    /// The connection to the source; it may come back.
    Link(HostError),
    /// Anything else.
    Failed(Fault),
}

/// Pieces read ahead of what is written, beside those that a host has been asked for.
const AHEAD: usize = 2;

/// Reads stretches (ascending) of a file of `bytes` bytes; the receiver gets pieces in order, with
/// as many zeros as are wanted.
pub(super) fn read(source: Folder, bytes: u64, ranges: Vec<Range<u64>>, zeros: Zeros) -> Pieces {
    let (pieces, receiver) = mpsc::channel(AHEAD);
    match source {
        Folder::Here(path) => {
            tokio::task::spawn_blocking(move || {
                let read = read_here(&path, bytes, &ranges, zeros, &pieces);
                if let Err(error) = read {
                    let fault = local_fault(&path, bytes, &error);
                    // Nobody listens any more if the transfer was given up.
                    let _ = pieces.blocking_send(Err(ReadError::Failed(fault)));
                }
            });
        }
        Folder::On { host, path, lane } => {
            tokio::spawn(async move {
                if let Err(error) = read_there(&host, lane, &path, ranges, zeros, &pieces).await {
                    let _ = pieces.send(Err(error)).await;
                }
            });
        }
        Folder::Stream(stream) => {
            tokio::spawn(stream.pour(bytes, ranges, zeros, pieces));
        }
    }
    receiver
}

pub(super) fn local_fault(path: &std::path::Path, bytes: u64, error: &io::Error) -> Fault {
    let what = if error.kind() == io::ErrorKind::UnexpectedEof {
        format!(
            "{} ended before its {bytes} bytes: it changed while it was read",
            path.display()
        )
    } else {
        format!("reading {} failed: {error}", path.display())
    };
    Fault::new(
        what,
        "this machine",
        "what has arrived stays where it is, under a temporary name",
        "make sure that nothing writes to the backup, then retry or choose another restore point",
    )
}

fn read_here(
    path: &std::path::Path,
    bytes: u64,
    ranges: &[Range<u64>],
    zeros: Zeros,
    pieces: &mpsc::Sender<Result<Piece, ReadError>>,
) -> io::Result<()> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() < bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    for range in ranges {
        let mut at = range.start;
        while at < range.end {
            let rest = at..range.end;
            let data = match zeros {
                Zeros::All => rest,
                _ => zeros.around(next_data(&file, at, range.end), &rest),
            };
            let mut place = data.start;
            file.seek(SeekFrom::Start(place))?;
            while place < data.end {
                let chunk = CHUNK as u64;
                let length = (data.end - place).min(chunk - place % chunk);
                let mut buffer = Vec::with_capacity(usize::try_from(length).unwrap_or(CHUNK));
                // Into memory that nobody fills with zeros before.
                let got = file.by_ref().take(length).read_to_end(&mut buffer)?;
                if got as u64 != length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let end = place + length;
                let piece = piece(place, buffer, zeros);
                if pieces.blocking_send(Ok(piece)).is_err() {
                    return Ok(());
                }
                place = end;
            }
            at = data.end;
            let hole = Piece {
                end: at,
                data: Vec::new(),
            };
            if pieces.blocking_send(Ok(hole)).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The next stretch that is no hole, up to `limit`; where the file system cannot tell, all of it.
pub(super) fn next_data(file: &File, at: u64, limit: u64) -> Range<u64> {
    let data = match rustix::fs::seek(file, Probe::Data(at)) {
        Ok(data) => data.min(limit),
        Err(rustix::io::Errno::NXIO) => return limit..limit,
        Err(_) => return at..limit,
    };
    let hole = rustix::fs::seek(file, Probe::Hole(data))
        .unwrap_or(limit)
        .min(limit);
    // A file system that answers nonsense is not asked again.
    if hole > data || data == limit {
        data..hole.max(data)
    } else {
        at..limit
    }
}

async fn read_there(
    host: &Arc<Host>,
    lane: Lane,
    path: &str,
    ranges: Vec<Range<u64>>,
    zeros: Zeros,
    pieces: &mpsc::Sender<Result<Piece, ReadError>>,
) -> Result<(), ReadError> {
    let mut file = host
        .open_file(lane, path, FileAccess::Read)
        .await
        .map_err(|e| read_error(host, e))?;
    let data = match zeros {
        Zeros::All => None,
        _ => data_there(host, lane, path).await?,
    };
    let wanted = match data {
        Some(data) => {
            let around = |data| zeros.around(data, &(0..u64::MAX));
            let data: Vec<_> = data.into_iter().map(around).collect();
            ranges::within(&ranges, &ranges::bridge(data, file.worth_reading_over()))
        }
        None => ranges.clone(),
    };
    file.will_read(&wanted);
    for range in ranges::cut(&wanted, CHUNK as u64) {
        let mut at = range.start;
        while at < range.end {
            let length = usize::try_from(range.end - at).unwrap_or(CHUNK);
            let bytes = file
                .read_at(at, length)
                .await
                .map_err(|e| read_error(host, e))?;
            if bytes.is_empty() {
                return Err(ReadError::Failed(Fault::new(
                    format!("{path} ended at byte {at}: it changed while it was read"),
                    host.name().as_str(),
                    "what has arrived stays where it is, under a temporary name",
                    "make sure that nothing writes to the file, then retry",
                )));
            }
            let start = at;
            at += bytes.len() as u64;
            if pieces.send(Ok(piece(start, bytes, zeros))).await.is_err() {
                return Ok(());
            }
        }
    }
    if let Some(end) = ranges.last().map(|range| range.end) {
        let data = Vec::new();
        // Nobody listens any more if the transfer was given up.
        let _ = pieces.send(Ok(Piece { end, data })).await;
    }
    Ok(())
}

/// The stretches of a file on a host that hold data, where the host tells in time. What is left out proves
/// itself with the recorded sum of the whole; where there is none, the host is believed.
async fn data_there(
    host: &Arc<Host>,
    lane: Lane,
    path: &str,
) -> Result<Option<Vec<Range<u64>>>, ReadError> {
    match host.read(lane, &shell::data_extents(path)).await {
        Ok(output) => Ok(shell::parse_data_extents(&output)),
        // Slow to tell is as good as not telling.
        Err(HostError::TimedOut { .. }) => Ok(None),
        Err(error) => Err(read_error(host, error)),
    }
}

pub(super) fn read_error(host: &Host, error: HostError) -> ReadError {
    if error.passing() {
        ReadError::Link(error)
    } else {
        ReadError::Failed(error.fault(host.name()))
    }
}

pub(super) fn piece(start: u64, buffer: Vec<u8>, zeros: Zeros) -> Piece {
    let end = start + buffer.len() as u64;
    let runs = ranges::data_runs(&buffer);
    let as_it_is = match zeros {
        Zeros::All => true,
        Zeros::Few => !runs.is_empty(),
        Zeros::None => ranges::is_all(&runs, buffer.len()),
    };
    let data = if as_it_is {
        vec![(start, buffer)]
    } else {
        runs.into_iter()
            .map(|run| (start + run.start as u64, buffer[run].to_vec()))
            .collect()
    };
    Piece { end, data }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::transfer::sums::Sum;

    async fn all(
        path: PathBuf,
        bytes: u64,
        ranges: Vec<Range<u64>>,
        zeros: Zeros,
    ) -> (Vec<(u64, Vec<u8>)>, u64) {
        let mut receiver = read(Folder::Here(path), bytes, ranges, zeros);
        let (mut data, mut end) = (Vec::new(), 0);
        while let Some(piece) = receiver.recv().await {
            let piece = piece.unwrap();
            assert!(piece.end >= end);
            end = piece.end;
            data.extend(piece.data);
        }
        (data, end)
    }

    #[tokio::test]
    async fn holes_and_zeros_are_not_read_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let file = File::create(&path).unwrap();
        file.set_len(64 << 20).unwrap();
        file.write_all_at(b"head", 0).unwrap();
        file.write_all_at(&[7; 200_000], 10 << 20).unwrap();
        file.write_all_at(&[0; 1 << 20], 20 << 20).unwrap();
        let size = 64 << 20;
        let (data, end) = all(path.clone(), size, ranges::whole(size), Zeros::None).await;
        assert_eq!(end, size);
        let moved: usize = data.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(moved < 1 << 20, "{moved} bytes for 200,004 of data");
        let mut copy = vec![0; 64 << 20];
        for (at, bytes) in &data {
            let at = usize::try_from(*at).unwrap();
            copy[at..at + bytes.len()].copy_from_slice(bytes);
        }
        assert_eq!(Sum::of(&copy), Sum::of(&std::fs::read(&path).unwrap()));
        let (data, end) = all(
            path.clone(),
            size,
            vec![5..10, (63 << 20)..size],
            Zeros::All,
        )
        .await;
        assert_eq!(
            data.first().map(|(at, bytes)| (*at, bytes.len())),
            Some((5, 5))
        );
        assert_eq!(
            data.iter().map(|(_, bytes)| bytes.len()).sum::<usize>(),
            5 + (1 << 20)
        );
        assert_eq!(end, size);
        let (data, end) = all(path.clone(), size, ranges::whole(size), Zeros::Few).await;
        let stretches: Vec<(u64, usize)> =
            data.iter().map(|(at, bytes)| (*at, bytes.len())).collect();
        assert_eq!(stretches, [(0, 1 << 20), (10 << 20, 1 << 20)]);
        assert_eq!(end, size);
    }

    #[tokio::test]
    async fn a_file_that_is_too_short_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::write(&path, b"short").unwrap();
        let mut receiver = read(
            Folder::Here(path.clone()),
            10,
            ranges::whole(10),
            Zeros::None,
        );
        let Some(Err(ReadError::Failed(fault))) = receiver.recv().await else {
            panic!()
        };
        assert!(
            fault
                .what
                .ends_with("ended before its 10 bytes: it changed while it was read"),
            "{fault}"
        );
    }
}

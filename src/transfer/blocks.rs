//! Sums of many blocks of one file at a time, wherever it lies.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::ranges::{is_zero, length};
use super::reading::Reading;
use super::source::{Folder, local_fault, next_data};
use super::sums::Sum;
use super::target::{UNCHANGED, Work, looking_failed, time_for};
use crate::error::Fault;
use crate::host::{FileAccess, Host, HostError, Lane};
use crate::hypervisor::DriverFault;
use crate::hypervisor::shell::{self, BlockSum};

/// Blocks that are asked for in one exec at most: what bounds the reply, the memory for it and how
/// long nothing is told.
pub(super) const AT_A_TIME: usize = 2048;

/// A host without python starts two processes for each block; how long that may take.
const EACH: Duration = Duration::from_millis(200);

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Nothing but zeros.
    Zeros,
    /// Something with this sum.
    Data(Sum),
}

/// Stretches of at most `size` bytes that lie within one block each, gathered until they are
/// [`AT_A_TIME`]. There may be millions of them: none is kept before its turn.
pub(super) fn slices(
    mut blocks: impl Iterator<Item = Range<u64>>,
) -> impl Iterator<Item = Vec<Range<u64>>> {
    std::iter::from_fn(move || {
        let slice: Vec<Range<u64>> = blocks.by_ref().take(AT_A_TIME).collect();
        (!slice.is_empty()).then_some(slice)
    })
}

impl<W> Work<W> {
    /// What these blocks of a file hold. Each begins at a multiple of `size` and is as long, or
    /// ends with the file. Those that are read here are summed along.
    pub(super) async fn blocks(
        &self,
        file: &Folder,
        size: u64,
        blocks: &[Range<u64>],
        along: Option<&Reading>,
    ) -> Result<Vec<Block>, Fault> {
        match file {
            Folder::Here(path) => {
                let (shown, path, blocks) = (path.clone(), path.clone(), blocks.to_vec());
                let along = along.cloned();
                let read = move || blocks_here(&path, &blocks, along.as_ref());
                let read = tokio::task::spawn_blocking(read).await;
                let read = read.unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
                read.map_err(|error| local_fault(&shown, 0, &error))
            }
            Folder::On { host, path, lane } => {
                self.blocks_there(host, *lane, path, size, blocks).await
            }
            Folder::Stream(stream) => {
                let mut found = Vec::with_capacity(blocks.len());
                for block in blocks {
                    let sum = stream.sum_of(block, self.patience, along).await?;
                    found.push(self.block(sum, block).await);
                }
                Ok(found)
            }
        }
    }

    async fn blocks_there(
        &self,
        host: &Arc<Host>,
        lane: Lane,
        path: &str,
        size: u64,
        blocks: &[Range<u64>],
    ) -> Result<Vec<Block>, Fault> {
        let numbers = numbers(size, blocks);
        let each = EACH.saturating_mul(u32::try_from(blocks.len()).unwrap_or(u32::MAX));
        let deadline = time_for(length(blocks)).saturating_add(each);
        let command = shell::block_sums(path, size, &numbers).deadline(deadline);
        let output = self.look(host, lane, &command).await?;
        let sums = match BlockSum::parse(&output, &numbers) {
            Ok(sums) => sums,
            Err(DriverFault::ToolMissing { .. }) => {
                let read = read_back(host, lane, path, blocks).await;
                return read.map_err(|error| error.fault(host.name()));
            }
            Err(fault) => {
                let doing = format!("taking sums of {path}");
                return Err(fault.fault(&doing, host.name().as_str(), UNCHANGED));
            }
        };
        let mut found = Vec::with_capacity(sums.len());
        for (sum, block) in sums.iter().zip(blocks) {
            found.push(match sum {
                BlockSum::Zeros => Block::Zeros,
                BlockSum::Hex(hex) => {
                    let sum = hex
                        .parse::<Sum>()
                        .map_err(|_| looking_failed(host, path, &format!("`{hex}` is no sum")))?;
                    // Not every host says that there is nothing but zeros.
                    self.block(sum, block).await
                }
            });
        }
        Ok(found)
    }
}

impl<W> Work<W> {
    async fn block(&self, sum: Sum, block: &Range<u64>) -> Block {
        if sum == self.sum_of_hole(block.end - block.start).await {
            Block::Zeros
        } else {
            Block::Data(sum)
        }
    }
}

/// The same by their numbers, neighbours joined.
fn numbers(size: u64, blocks: &[Range<u64>]) -> Vec<Range<u64>> {
    let size = size.max(1);
    let number = |block: &Range<u64>| block.start / size..block.start / size + 1;
    super::ranges::join(blocks.iter().map(number).collect())
}

fn block_of(bytes: &[u8]) -> Block {
    if is_zero(bytes) {
        Block::Zeros
    } else {
        Block::Data(Sum::of(bytes))
    }
}

fn blocks_here(
    path: &Path,
    blocks: &[Range<u64>],
    along: Option<&Reading>,
) -> io::Result<Vec<Block>> {
    let mut file = File::open(path)?;
    let mut buffer = Vec::new();
    let mut found = Vec::with_capacity(blocks.len());
    for block in blocks {
        if next_data(&file, block.start, block.end).is_empty() {
            found.push(Block::Zeros);
            if let Some(reading) = along {
                reading.skip(block);
            }
            continue;
        }
        buffer.resize(usize::try_from(block.end - block.start).unwrap_or(0), 0);
        file.seek(SeekFrom::Start(block.start))?;
        file.read_exact(&mut buffer)?;
        if let Some(reading) = along {
            reading.take(block.start, &buffer);
        }
        found.push(block_of(&buffer));
    }
    Ok(found)
}

/// Where the host has nothing to sum with, the blocks come here to be summed.
async fn read_back(
    host: &Arc<Host>,
    lane: Lane,
    path: &str,
    blocks: &[Range<u64>],
) -> Result<Vec<Block>, HostError> {
    let mut file = host.open_file(lane, path, FileAccess::Read).await?;
    file.will_read(blocks);
    let mut found = Vec::with_capacity(blocks.len());
    for block in blocks {
        let mut bytes = Vec::new();
        let wanted = usize::try_from(block.end - block.start).unwrap_or(0);
        while bytes.len() < wanted {
            let at = block.start + bytes.len() as u64;
            let more = file.read_at(at, wanted - bytes.len()).await?;
            if more.is_empty() {
                break;
            }
            bytes.extend(more);
        }
        found.push(block_of(&bytes));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::transfer::ranges::{BLOCK, cut, whole};

    #[test]
    fn a_local_file_is_summed_block_by_block() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let file = File::create(&path).unwrap();
        let block = BLOCK as u64;
        file.set_len(3 * block + 10).unwrap();
        file.write_all_at(&[0; 100], 0).unwrap();
        file.write_all_at(b"data", block + 7).unwrap();
        file.write_all_at(b"end", 3 * block + 7).unwrap();
        let blocks: Vec<_> = cut(&whole(3 * block + 10), block).collect();
        let mut second = vec![0; BLOCK];
        second[7..11].copy_from_slice(b"data");
        assert_eq!(
            blocks_here(&path, &blocks, None).unwrap(),
            [
                Block::Zeros,
                Block::Data(Sum::of(&second)),
                Block::Zeros,
                Block::Data(Sum::of(b"\0\0\0\0\0\0\0end")),
            ]
        );
        assert!(
            blocks_here(&path, &whole(4 * block), None).is_err(),
            "too short"
        );
    }

    #[test]
    fn blocks_come_in_slices_of_which_only_the_first_is_taken_at_once() {
        let (file, mut taken) = (whole(5000 * 10), 0);
        let blocks = cut(&file, 10).inspect(|_| taken += 1);
        assert_eq!(slices(blocks).next().map(|slice| slice.len()), Some(2048));
        assert_eq!(taken, 2048);
        let lengths = slices(cut(&file, 10)).map(|slice| slice.len());
        assert_eq!(lengths.collect::<Vec<_>>(), [2048, 2048, 904]);
    }

    #[test]
    fn blocks_are_asked_for_by_number() {
        assert_eq!(numbers(10, &[0..10, 10..20, 40..43]), [0..2, 4..5]);
        assert_eq!(numbers(10, &[]), []);
    }
}

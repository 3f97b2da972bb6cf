//! The SHA-256 of many blocks of a file in one exec, so that two files can be compared from afar.
//!
//! Python reads where the host has one (ESXi: `python` to 6.0, `python3` from 6.5 on): it sums a
//! gibibyte in one process, leaves out holes where the file system tells of them (VMFS does not)
//! and names blocks of zeros as such. Without it each block costs a `dd` and a `sha256sum`.

use std::fmt::Write as _;
use std::ops::Range;

use super::operand;
use super::sums::hex_in;
use crate::host::{Effect, HostCommand, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{said, succeeded, unexpected};

/// The sums of blocks of `$2` bytes of `$1`; each line of standard input is the number of a first
/// block, from 0, and how many. Says first what sums and at last `end`; in between each block is a
/// line with its sum, and a run of blocks of zeros may be `zeros` and how many.
pub(super) const BLOCK_SUMS: &str = r#"if [ ! -f "$1" ] || [ ! -r "$1" ]; then echo unreadable; exit 0; fi
for python in python3 python; do
  if command -v $python >/dev/null 2>&1 && $python -c 'import hashlib' >/dev/null 2>&1 </dev/null; then
    echo python
    exec $python -c 'import hashlib, os, sys
path, size = sys.argv[1], int(sys.argv[2])
file, probe, out = open(path, "rb"), os.open(path, os.O_RDONLY), sys.stdout
zeros, run, data, holes = b"\0" * size, 0, 0, hasattr(os, "SEEK_DATA")
for line in sys.stdin:
    first, count = [int(word) for word in line.split()]
    for at in range(first * size, (first + count) * size, size):
        if holes and at >= data:
            try: data = os.lseek(probe, at, os.SEEK_DATA)
            except OSError as why:
                holes = why.errno == 6
                data = os.fstat(probe).st_size if holes else 0
        if holes and at + size <= data: run += 1; continue
        file.seek(at)
        block = file.read(size)
        if block and block == zeros[:len(block)]: run += 1; continue
        if run: out.write("zeros %d\n" % run)
        run = 0
        out.write(hashlib.sha256(block).hexdigest() + "\n")
if run: out.write("zeros %d\n" % run)
out.write("end\n")' "$1" "$2"
  fi
done
if command -v sha256sum >/dev/null 2>&1; then sum=sha256sum
elif command -v openssl >/dev/null 2>&1; then sum='openssl dgst -sha256'
else echo none; exit 0; fi
echo $sum
while read -r first count; do
  while [ "$count" -gt 0 ]; do
    dd if="$1" bs="$2" skip="$first" count=1 2>/dev/null </dev/null | $sum
    first=$((first + 1)) count=$((count - 1))
  done
done
echo end"#;

/// Bytes of a line of the reply at most: a sum and the words that `openssl` puts around it.
const LINE: u64 = 96;

/// What a block of a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockSum {
    /// Nothing but zeros. A host without python gives their sum instead.
    Zeros,
    /// 64 lower-case hexadecimal digits.
    Hex(String),
}

/// Asks for the sums of blocks of `size` bytes: those with the numbers in `blocks`, from 0. The
/// last block of a file may be shorter. It takes as long as reading them does, and without python
/// some milliseconds for each besides: set the deadline after that.
#[must_use]
pub fn block_sums(path: &str, size: u64, blocks: &[Range<u64>]) -> HostCommand {
    let mut which = String::new();
    for range in blocks {
        // Writing to a string does not fail.
        let _ = writeln!(which, "{} {}", range.start, length(range));
    }
    let most = count(blocks).saturating_add(4).saturating_mul(LINE);
    HostCommand::script(Effect::Read, BLOCK_SUMS, [operand(path), size.to_string()])
        .stdin(which)
        .max_output(usize::try_from(most).unwrap_or(usize::MAX))
}

fn length(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

fn count(blocks: &[Range<u64>]) -> u64 {
    blocks.iter().map(length).fold(0, u64::saturating_add)
}

impl BlockSum {
    /// Reads the reply of [`block_sums`] for the same `blocks`: as many, in their order.
    ///
    /// # Errors
    ///
    /// The file cannot be read, the host has nothing to sum with, or the reply is not whole.
    pub fn parse(output: &Output, blocks: &[Range<u64>]) -> Result<Vec<Self>, DriverFault> {
        succeeded(output, "the sums of blocks")?;
        let text = output.text();
        let mut lines = text.lines();
        match lines.next().unwrap_or_default() {
            "python" | "sha256sum" | "openssl dgst -sha256" => {}
            "unreadable" => return Err(super::sums::unreadable(output)),
            "none" => return Err(super::sums::no_tool()),
            _ => return Err(unexpected("the sums of blocks", &said(output))),
        }
        let wanted = count(blocks);
        let mut sums = Vec::new();
        let mut ended = false;
        for line in lines {
            if ended {
                return Err(unexpected("the end of the sums", line));
            }
            if line == "end" {
                ended = true;
            } else if let Some(run) = line.strip_prefix("zeros ") {
                let run = run.parse::<u64>().ok();
                let room = wanted.saturating_sub(sums.len() as u64);
                let run = run
                    .filter(|run| *run <= room)
                    .ok_or_else(|| unexpected("how many blocks are zeros", line))?;
                sums.extend((0..run).map(|_| Self::Zeros));
            } else {
                let hex = hex_in(line).ok_or_else(|| unexpected("the sum of a block", line))?;
                sums.push(Self::Hex(hex));
            }
        }
        if !ended || sums.len() as u64 != wanted {
            let found = format!("{} of {wanted} came", sums.len());
            return Err(unexpected("the sums of all blocks", &found));
        }
        Ok(sums)
    }
}

#[cfg(test)]
mod tests;

//! The SHA-256 of a file or a part of it, by what the host has.

use super::changes::{Renamed, rename_1_to};
use super::{SHORT, operand};
pub use crate::digest::SumTool;
use crate::host::{Effect, HostCommand, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{said, succeeded, unexpected};

/// The sum of `$1` by what the host has; says first what that is. The tools read standard input,
/// because sha256sum escapes awkward names. openssl comes first, because it uses the processor's
/// instructions for it, where sha256sum takes three to eight times as long; one that will not (FIPS,
/// an old one) says so before it reads.
macro_rules! sha256_of_1 {
    () => {
        r#"if [ ! -f "$1" ] || [ ! -r "$1" ]; then echo unreadable; exit 0; fi
if openssl dgst -sha256 </dev/null >/dev/null 2>&1; then echo openssl; openssl dgst -sha256 <"$1"
elif command -v sha256sum >/dev/null 2>&1; then echo sha256sum; sha256sum <"$1"
elif command -v python3 >/dev/null 2>&1; then echo python3
  python3 -c 'import hashlib, sys
h = hashlib.sha256()
for b in iter(lambda: sys.stdin.buffer.read(1 << 20), b""): h.update(b)
print(h.hexdigest())' <"$1"
else echo none; fi"#
    };
}

pub(super) const SHA256: &str = sha256_of_1!();

/// Makes `$1` what standard input is, sets its mode to `$2`, and sums it.
pub(super) const PUT: &str = concat!(
    r#"cat >"$1" || exit
chmod "$2" "$1" || exit
"#,
    sha256_of_1!()
);

/// As [`SHA256`], of `$3` blocks of a mebibyte from block `$2` on.
pub(super) const SHA256_PART: &str = r#"if [ ! -f "$1" ] || [ ! -r "$1" ]; then echo unreadable; exit 0; fi
if openssl dgst -sha256 </dev/null >/dev/null 2>&1; then echo openssl
  dd if="$1" bs=1048576 skip="$2" count="$3" 2>/dev/null | openssl dgst -sha256
elif command -v sha256sum >/dev/null 2>&1; then echo sha256sum
  dd if="$1" bs=1048576 skip="$2" count="$3" 2>/dev/null | sha256sum
elif command -v python3 >/dev/null 2>&1; then echo python3
  dd if="$1" bs=1048576 skip="$2" count="$3" 2>/dev/null | python3 -c 'import hashlib, sys
h = hashlib.sha256()
for b in iter(lambda: sys.stdin.buffer.read(1 << 20), b""): h.update(b)
print(h.hexdigest())'
else echo none; fi"#;

/// The sum of a file that is still being written, from its start on. Each line of standard input
/// is how many mebibytes from there are as they shall be, or `end`: all of it is. Says first what
/// sums, and on standard error how many mebibytes are in the sum. Python comes first: it reads the
/// file itself, unbuffered, so that it never sees what was not yet there, and hashes holes without
/// reading them where the file system tells of them. One that does not run, or has no hashlib, is
/// passed over.
pub(super) const SHA256_ARRIVING: &str = r#"if [ ! -f "$1" ] || [ ! -r "$1" ]; then echo unreadable; exit 0; fi
for python in python3 python; do
  $python -c 'import hashlib, io, os, sys' </dev/null >/dev/null 2>&1 || continue
  exec $python -c 'import hashlib, io, os, sys
print("python3")
file, hash, at, said = io.open(sys.argv[1], "rb", 0), hashlib.sha256(), 0, 0
step, holes = 1 << 20, hasattr(os, "SEEK_DATA")
zeros, block = b"\0" * step, bytearray(step)
def say():
    sys.stderr.write("%d\n" % (at // step))
    sys.stderr.flush()
for line in iter(sys.stdin.readline, ""):
    end = line == "end\n"
    size = os.fstat(file.fileno()).st_size
    to = size if end else int(line) * step
    if max(at, to) > size: sys.exit(1)
    while at < to:
        data = at
        if holes:
            try: data = min(os.lseek(file.fileno(), at, os.SEEK_DATA), to)
            except OSError as why:
                holes = why.errno == 6
                if holes: data = to
        data = min(data, at + (step << 8))
        while at < data:
            hash.update(zeros[:min(step, data - at)])
            at += min(step, data - at)
        if at < to:
            file.seek(at)
            if to - at < step: block = bytearray(to - at)
            count = file.readinto(block)
            if not count: sys.exit(1)
            hash.update(block if count == len(block) else block[:count])
            at += count
            if len(block) < step: block = bytearray(step)
        if at - said >= step << 8:
            said = at
            say()
    if end:
        print(hash.hexdigest())
        break
    say()' "$1"
done
if openssl dgst -sha256 </dev/null >/dev/null 2>&1; then tool=openssl sum='openssl dgst -sha256'
elif command -v sha256sum >/dev/null 2>&1; then tool=sha256sum sum=sha256sum
else echo none; exit 0; fi
echo $tool
at=0
while read -r to; do
  if [ "$to" = end ]; then
    dd if="$1" bs=1048576 skip="$at" 2>/dev/null </dev/null
    break
  fi
  if [ "$to" -gt "$at" ]; then
    dd if="$1" bs=1048576 skip="$at" count="$((to - at))" 2>/dev/null </dev/null
    at=$to
    echo "$at" >&2
  fi
done | $sum"#;

/// A sum and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sha256 {
    /// 64 lower-case hexadecimal digits.
    pub hex: String,
    /// What summed.
    pub tool: SumTool,
}

/// Sums a whole file. It takes as long as reading it does: set the deadline after its size.
#[must_use]
pub fn sha256(path: &str) -> HostCommand {
    HostCommand::script(Effect::Read, SHA256, [operand(path)]).max_output(SHORT)
}

/// As [`PUT`]; where the sum is `$3`, `$1` is renamed to `$4` unless something has that name. Says what
/// summed and what came of it; where the sum is another, or nothing sums, what [`PUT`] says.
pub(super) const PLACE: &str = concat!(
    r#"cat >"$1" || exit
chmod "$2" "$1" || exit
sum=$("#,
    sha256_of_1!(),
    r#")
case $sum in *"$3"*) ;; *) echo "$sum"; exit 0;; esac
for tool in $sum; do break; done
printf '%s ' "$tool"
"#,
    rename_1_to!("$4")
);

/// Makes a file of these bytes under its temporary name, whatever that was; where what then is there
/// has this sum, it gets its final name, never over another.
#[must_use]
pub fn place_file(part: &str, bytes: &[u8], mode: u32, sum: &str, name: &str) -> HostCommand {
    let mode = format!("{:o}", mode & 0o7777);
    let words = [operand(part), mode, sum.to_owned(), operand(name)];
    HostCommand::script(Effect::Write, PLACE, words)
        .stdin(bytes)
        .max_output(SHORT)
}

/// What became of a file that was to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It has its final name, and this summed it.
    Done(SumTool),
    /// The name is somebody's; the file lies under its temporary one.
    Taken,
    /// It lies under its temporary name, and its sum is not the one that was told, or is not known.
    Put,
}

impl Placed {
    /// Reads the reply of [`place_file`].
    ///
    /// # Errors
    ///
    /// It could not be written, or not renamed.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        succeeded(output, "cat, chmod or mv")?;
        let text = output.text();
        let unclear = || unexpected("what became of the file", &said(output));
        // The tool's name alone, then a word: it was proven. A sum stands on a line of its own.
        let proven = text.split_once(' ');
        let proven = proven.and_then(|(tool, came)| Some((SumTool::named(tool)?, came)));
        match proven.map(|(tool, came)| (tool, Renamed::named(came.trim_end()))) {
            Some((tool, Some(Renamed::Done))) => Ok(Self::Done(tool)),
            Some((_, Some(Renamed::Taken))) => Ok(Self::Taken),
            Some(_) => Err(unclear()),
            None if text.trim_end().is_empty() => Err(unclear()),
            None => Ok(Self::Put),
        }
    }
}

/// Makes a file of these bytes, whatever it was, and sums what then is there.
#[must_use]
pub fn put_file(path: &str, bytes: &[u8], mode: u32) -> HostCommand {
    let words = [operand(path), format!("{:o}", mode & 0o7777)];
    HostCommand::script(Effect::Write, PUT, words)
        .stdin(bytes)
        .max_output(SHORT)
}

/// Sums a part of a file: `count` MiB from the `skip`th MiB on, less where the file ends before.
#[must_use]
pub fn sha256_part(path: &str, skip: u64, count: u64) -> HostCommand {
    let words = [operand(path), skip.to_string(), count.to_string()];
    HostCommand::script(Effect::Read, SHA256_PART, words).max_output(SHORT)
}

/// Sums a file while it is written: it is told on standard input how many mebibytes from the start
/// are as they shall be, a line each, and at last `end`; it tells on standard error how many are in
/// the sum. Set the deadline after the size.
#[must_use]
pub fn sha256_arriving(path: &str) -> HostCommand {
    HostCommand::script(Effect::Read, SHA256_ARRIVING, [operand(path)]).max_output(SHORT)
}

impl Sha256 {
    /// Reads the reply of [`sha256`], [`put_file`], [`place_file`], [`sha256_part`] or [`sha256_arriving`].
    ///
    /// # Errors
    ///
    /// The file cannot be read; the host has nothing to sum with.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        succeeded(output, "sha256sum")?;
        let text = output.text();
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let tool = match (first, SumTool::named(first)) {
            (_, Some(tool)) => tool,
            ("unreadable", None) => return Err(unreadable(output)),
            ("none", None) => return Err(no_tool()),
            _ => return Err(unexpected("the file's sum", &said(output))),
        };
        let hex = hex_in(lines.next().unwrap_or_default());
        let hex = hex.ok_or_else(|| unexpected("the file's sum", &said(output)))?;
        Ok(Self { hex, tool })
    }
}

/// The sum in a tool's line: `<sum>  -`, or `SHA2-256(stdin)= <sum>`.
pub(super) fn hex_in(line: &str) -> Option<String> {
    let is_sum = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let hex = line.split_whitespace().find(is_sum)?;
    Some(hex.to_ascii_lowercase())
}

/// The scripts say so where a file cannot be summed.
pub(super) fn unreadable(output: &Output) -> DriverFault {
    DriverFault::Failed {
        status: output.status,
        text: "the file is not there, is no regular file, or may not be read".to_owned(),
    }
}

/// The scripts say so where nothing can sum.
pub(super) fn no_tool() -> DriverFault {
    DriverFault::ToolMissing {
        tool: "sha256sum".to_owned(),
        text: "neither openssl nor python3 is there either".to_owned(),
    }
}

#[cfg(test)]
mod arriving_tests;
#[cfg(test)]
mod tests;

//! `cp`, and how files are copied.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::files::{into_folder, make_folder};
use super::{Call, Halt, Outcome};
use crate::sim::vfs::{WriteMode, reason};

/// `cp [-rRapf] from… to`
pub(super) fn cp(call: &mut Call) -> Outcome {
    let options = match call.options("rRapfdvLiT", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let Some((to, from)) = options
        .operands
        .split_last()
        .filter(|(_, from)| !from.is_empty())
    else {
        return Ok(call.fail("missing file operand"));
    };
    let recursive = options.has('r') || options.has('R') || options.has('a');
    let keep = options.has('p') || options.has('a');
    let mut status = 0;
    for arg in from {
        let target = into_folder(call, arg, to);
        status |= copy(call, &call.path(arg), &target, arg, recursive, keep)?;
    }
    Ok(status)
}

fn copy(
    call: &Call,
    from: &str,
    to: &str,
    shown: &str,
    recursive: bool,
    keep: bool,
) -> Result<i32, Halt> {
    let meta = match call.host.vfs.metadata(from, true) {
        Ok(meta) => meta,
        Err(error) => return Ok(call.fail(&format!("can't stat '{shown}': {}", reason(&error)))),
    };
    if meta.is_dir() {
        if !recursive {
            return Ok(call.fail(&format!("omitting directory '{shown}'")));
        }
        if !call.host.vfs.exists(to)
            && let Err(error) = make_folder(call, to)
        {
            return Ok(call.fail(&format!(
                "can't create directory '{to}': {}",
                reason(&error)
            )));
        }
        let mut status = 0;
        for name in call.host.vfs.names(from).unwrap_or_default() {
            let (from, to) = (format!("{from}/{name}"), format!("{to}/{name}"));
            status |= copy(call, &from, &to, &format!("{shown}/{name}"), true, keep)?;
        }
        return Ok(status);
    }
    match copy_file(call, from, to) {
        Ok(()) => {}
        Err(CopyError::Halt(halt)) => return Err(halt),
        Err(CopyError::Read(error)) => {
            return Ok(call.fail(&format!("can't open '{shown}': {}", reason(&error))));
        }
        Err(CopyError::Write(error)) => {
            return Ok(call.fail(&format!("can't create '{to}': {}", reason(&error))));
        }
    }
    let kept = call.host.vfs.real(to, true).and_then(|real| {
        fs::set_permissions(&real, fs::Permissions::from_mode(meta.mode() & 0o7777))?;
        if keep {
            File::options()
                .write(true)
                .open(&real)?
                .set_modified(meta.modified()?)
        } else {
            Ok(())
        }
    });
    Ok(kept.map_or_else(|error| call.fail_on(to, &error), |()| 0))
}

/// Why a copy ended.
pub(crate) enum CopyError {
    /// The program ends.
    Halt(Halt),
    /// The source could not be read.
    Read(io::Error),
    /// The target could not be written.
    Write(io::Error),
}

/// Copies one file. As BusyBox `cp` and `dd` do, it writes every byte: a sparse source arrives
/// inflated.
pub(crate) fn copy_file(call: &Call, from: &str, to: &str) -> Result<(), CopyError> {
    let mut source = call.host.vfs.open(from).map_err(CopyError::Read)?;
    let mode = WriteMode {
        truncate: true,
        ..WriteMode::default()
    };
    let (mut target, real) = call
        .host
        .vfs
        .open_write(to, mode)
        .map_err(CopyError::Write)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        call.check().map_err(CopyError::Halt)?;
        let count = source.read(&mut buffer).map_err(CopyError::Read)?;
        if count == 0 {
            return Ok(());
        }
        call.host
            .vfs
            .make_room(&real, count as u64)
            .map_err(CopyError::Write)?;
        target
            .write_all(buffer.get(..count).unwrap_or_default())
            .map_err(CopyError::Write)?;
    }
}

/// Copies one file and leaves holes where the source holds only zeros; `progress` hears the
/// finished share in percent.
///
/// # Errors
/// [`CopyError`].
pub(crate) fn copy_sparse(
    call: &Call,
    source: &mut dyn Read,
    target: (&mut File, &Path),
    length: u64,
    progress: &mut dyn FnMut(u64) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let (target, real) = target;
    let mut buffer = vec![0; 64 << 10];
    let mut done: u64 = 0;
    while done < length {
        call.check().map_err(CopyError::Halt)?;
        let count = source.read(&mut buffer).map_err(CopyError::Read)?;
        if count == 0 {
            break;
        }
        let chunk = buffer.get(..count).unwrap_or_default();
        if chunk.iter().any(|byte| *byte != 0) {
            call.host
                .vfs
                .make_room(real, count as u64)
                .map_err(CopyError::Write)?;
            target
                .seek(SeekFrom::Start(done))
                .map_err(CopyError::Write)?;
            target.write_all(chunk).map_err(CopyError::Write)?;
        }
        done += count as u64;
        progress(done.saturating_mul(100).checked_div(length).unwrap_or(100))?;
    }
    target.set_len(length).map_err(CopyError::Write)
}

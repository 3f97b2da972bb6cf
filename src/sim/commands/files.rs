//! Programs that change the file tree.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Call, Halt, Outcome};
use crate::sim::vfs::{WriteMode, reason};

/// `mkdir [-p] [-m MODE] folders`
pub(super) fn mkdir(call: &mut Call) -> Outcome {
    let options = match call.options("pv", "m") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let mut status = 0;
    for folder in &options.operands {
        let path = call.path(folder);
        let made = if options.has('p') {
            make_folders(call, &path)
        } else {
            make_folder(call, &path)
        };
        if let Err(error) = made {
            status = call.fail(&format!(
                "can't create directory '{folder}': {}",
                reason(&error)
            ));
        }
    }
    Ok(status)
}

fn make_folder(call: &Call, path: &str) -> io::Result<()> {
    let real = call.host.vfs.real(path, false)?;
    call.host.vfs.make_room(&real, 1)?;
    fs::create_dir(real)
}

fn make_folders(call: &Call, path: &str) -> io::Result<()> {
    let mut sofar = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        sofar = format!("{sofar}/{part}");
        match call.host.vfs.metadata(&sofar, true) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_folder(call, &sofar)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// `rmdir folders`
pub(super) fn rmdir(call: &mut Call) -> Outcome {
    let mut status = 0;
    for folder in call.args.clone().iter().filter(|arg| !arg.starts_with('-')) {
        let removed = call
            .host
            .vfs
            .real(&call.path(folder), false)
            .and_then(fs::remove_dir);
        if let Err(error) = removed {
            status = call.fail(&format!("'{folder}': {}", reason(&error)));
        }
    }
    Ok(status)
}

/// `rm [-rf] paths`
pub(super) fn rm(call: &mut Call) -> Outcome {
    let options = match call.options("rRfiv", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let recursive = options.has('r') || options.has('R');
    let mut status = 0;
    for arg in &options.operands {
        let path = call.path(arg);
        let removed = match call.host.vfs.metadata(&path, false) {
            Ok(meta) if meta.is_dir() && recursive => remove_tree(call, &path),
            Ok(meta) if meta.is_dir() => {
                status = call.fail(&format!("'{arg}' is a directory"));
                continue;
            }
            Ok(_) => call.host.vfs.remove(&path),
            Err(error) if error.kind() == io::ErrorKind::NotFound && options.has('f') => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            status = call.fail(&format!("can't remove '{arg}': {}", reason(&error)));
        }
    }
    Ok(status)
}

fn remove_tree(call: &Call, path: &str) -> io::Result<()> {
    for name in call.host.vfs.names(path)? {
        let inner = format!("{path}/{name}");
        if call.host.vfs.metadata(&inner, false)?.is_dir() {
            remove_tree(call, &inner)?;
        } else {
            call.host.vfs.remove(&inner)?;
        }
    }
    fs::remove_dir(call.host.vfs.real(path, false)?)
}

/// `mv [-fn] from… to`
pub(super) fn mv(call: &mut Call) -> Outcome {
    let options = match call.options("finTv", "") {
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
    let mut status = 0;
    for arg in from {
        let target = if options.has('T') {
            call.path(to)
        } else {
            into_folder(call, arg, to)
        };
        if options.has('n') && call.host.vfs.metadata(&target, false).is_ok() {
            continue;
        }
        if let Err(error) = call.host.vfs.rename(&call.path(arg), &target) {
            status = call.fail(&format!("can't rename '{arg}': {}", reason(&error)));
        }
    }
    Ok(status)
}

/// The target path, inside `to` where that is a folder.
fn into_folder(call: &Call, from: &str, to: &str) -> String {
    let target = call.path(to);
    match call.host.vfs.metadata(&target, true) {
        Ok(meta) if meta.is_dir() => {
            let name = from
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or(from);
            format!("{target}/{name}")
        }
        _ => target,
    }
}

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
    source: &mut File,
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

/// `touch [-c] [-d @SECONDS] files`
pub(super) fn touch(call: &mut Call) -> Outcome {
    let options = match call.options("cm", "drt") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let seconds = options
        .value('d')
        .and_then(|d| d.strip_prefix('@')?.parse::<u64>().ok());
    let time = seconds.map_or_else(SystemTime::now, |s| {
        SystemTime::UNIX_EPOCH + Duration::from_secs(s)
    });
    let mut status = 0;
    for file in &options.operands {
        let path = call.path(file);
        if options.has('c') && !call.host.vfs.exists(&path) {
            continue;
        }
        let mode = WriteMode {
            append: true,
            ..WriteMode::default()
        };
        let touched = match call.host.vfs.metadata(&path, true) {
            Ok(meta) if meta.is_dir() => continue,
            _ => call
                .host
                .vfs
                .open_write(&path, mode)
                .and_then(|(file, _)| file.set_modified(time)),
        };
        if let Err(error) = touched {
            status = call.fail_on(file, &error);
        }
    }
    Ok(status)
}

/// `chmod [-R] MODE files`; octal, or `+x` and the like for everybody.
pub(super) fn chmod(call: &mut Call) -> Outcome {
    let mut operands = call.args.iter().filter(|arg| *arg != "-R" && *arg != "-f");
    let Some(mode) = operands.next() else {
        return Ok(call.fail("missing operand"));
    };
    let mut status = 0;
    for file in operands {
        let changed = call.host.vfs.real(&call.path(file), true).and_then(|real| {
            let before = fs::metadata(&real)?.mode() & 0o7777;
            let Some(after) = new_mode(before, mode) else {
                return Err(io::Error::other(format!("invalid mode '{mode}'")));
            };
            fs::set_permissions(real, fs::Permissions::from_mode(after))
        });
        if let Err(error) = changed {
            status = call.fail_on(file, &error);
        }
    }
    Ok(status)
}

fn new_mode(before: u32, text: &str) -> Option<u32> {
    if let Ok(mode) = u32::from_str_radix(text, 8) {
        return Some(mode & 0o7777);
    }
    let mut mode = before;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let (who, change) = clause.split_at(at);
        let mut mask = 0;
        for c in who.chars() {
            mask |= match c {
                'u' => 0o700,
                'g' => 0o070,
                'o' => 0o007,
                'a' => 0o777,
                _ => return None,
            };
        }
        let mask = if mask == 0 { 0o777 } else { mask };
        let mut bits = 0;
        for c in change.chars().skip(1) {
            bits |= match c {
                'r' => 0o444,
                'w' => 0o222,
                'x' | 'X' => 0o111,
                _ => return None,
            };
        }
        match change.chars().next()? {
            '+' => mode |= bits & mask,
            '-' => mode &= !(bits & mask),
            _ => mode = (mode & !mask) | (bits & mask),
        }
    }
    Some(mode)
}

/// `ln -s [-f] target link`
pub(super) fn ln(call: &mut Call) -> Outcome {
    let options = match call.options("sfn", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let [target, link] = options.operands.as_slice() else {
        return Ok(call.fail("missing operand"));
    };
    let path = into_folder(call, target, link);
    if options.has('f') {
        let _ = call.host.vfs.remove(&path);
    }
    let made = call.host.vfs.real(&path, false).and_then(|real| {
        if options.has('s') {
            std::os::unix::fs::symlink(target, real)
        } else if call.host.esxi.is_some() {
            // VMFS knows no hard links.
            Err(io::Error::other("Function not implemented"))
        } else {
            fs::hard_link(call.host.vfs.real(&call.path(target), true)?, real)
        }
    });
    Ok(made.map_or_else(|error| call.fail_on(link, &error), |()| 0))
}

/// `readlink [-f] path`
pub(super) fn readlink(call: &mut Call) -> Outcome {
    let options = match call.options("fen", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let Some(arg) = options.operands.first() else {
        return Ok(call.fail("missing operand"));
    };
    if options.has('f') || options.has('e') {
        return match call.host.vfs.real(&call.path(arg), true) {
            Ok(real) => {
                call.out(&format!("{}\n", call.host.vfs.shown(&real)))?;
                Ok(0)
            }
            Err(_) => Ok(1),
        };
    }
    match call
        .host
        .vfs
        .real(&call.path(arg), false)
        .and_then(fs::read_link)
    {
        Ok(target) => {
            call.out(&format!("{}\n", target.to_string_lossy()))?;
            Ok(0)
        }
        Err(_) => Ok(1),
    }
}

/// `realpath path`
pub(super) fn realpath(call: &mut Call) -> Outcome {
    let Some(arg) = call.args.first().cloned() else {
        return Ok(call.fail("missing operand"));
    };
    match call.host.vfs.real(&call.path(&arg), true) {
        Ok(real) if real.exists() => {
            call.out(&format!("{}\n", call.host.vfs.shown(&real)))?;
            Ok(0)
        }
        Ok(_) => Ok(call.fail_on(&arg, &io::ErrorKind::NotFound.into())),
        Err(error) => Ok(call.fail_on(&arg, &error)),
    }
}

/// `mktemp [-d] [-p FOLDER] [TEMPLATE]`
pub(super) fn mktemp(call: &mut Call) -> Outcome {
    let options = match call.options("dqu", "p") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let template = options
        .operands
        .first()
        .map_or("tmp.XXXXXX", String::as_str);
    let folder = options
        .value('p')
        .or_else(|| options.operands.is_empty().then_some("/tmp"));
    let name = template.replace("XXXXXX", &format!("{:06}", call.process.pid % 1_000_000));
    let path = folder.map_or_else(
        || call.path(&name),
        |folder| call.path(&format!("{folder}/{name}")),
    );
    let made = if options.has('d') {
        make_folder(call, &path)
    } else {
        call.host
            .vfs
            .open_write(
                &path,
                WriteMode {
                    new: true,
                    ..WriteMode::default()
                },
            )
            .map(|_| ())
    };
    if let Err(error) = made {
        return Ok(call.fail_on(&path, &error));
    }
    call.out(&format!("{path}\n"))?;
    Ok(0)
}

/// `truncate -s SIZE files`
pub(super) fn truncate(call: &mut Call) -> Outcome {
    let options = match call.options("c", "s") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let Some(size) = options.value('s').and_then(super::dd::size) else {
        return Ok(call.fail("you must specify -s SIZE"));
    };
    let mut status = 0;
    for file in &options.operands {
        let mode = WriteMode {
            existing: options.has('c'),
            ..WriteMode::default()
        };
        let cut = call
            .host
            .vfs
            .open_write(&call.path(file), mode)
            .and_then(|(file, _)| file.set_len(size));
        if let Err(error) = cut {
            status = call.fail_on(file, &error);
        }
    }
    Ok(status)
}

//! Programs that change the file tree.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use super::{Call, Outcome};
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

pub(super) fn make_folder(call: &Call, path: &str) -> io::Result<()> {
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
pub(super) fn into_folder(call: &Call, from: &str, to: &str) -> String {
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

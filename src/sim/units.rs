//! systemd's units, as far as its files tell of them: what there is, what starts at boot, what runs.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const UNITS: &str = "etc/systemd/system";
const WANTED: &str = "multi-user.target.wants";
const ACTIVE: &str = "run/systemd/units";
const SUFFIX: &str = ".service";

/// A unit's name without its kind, and without the folder that it may be written with.
pub(crate) fn short(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.strip_suffix(SUFFIX).unwrap_or(name)
}

/// The file of a unit: that of its template, where it is an instance of one.
pub(crate) fn file_name(unit: &str) -> String {
    match unit.split_once('@') {
        Some((template, _)) => format!("{template}@{SUFFIX}"),
        None => format!("{unit}{SUFFIX}"),
    }
}

fn file(root: &Path, unit: &str) -> PathBuf {
    root.join(UNITS).join(file_name(unit))
}

fn wanted(root: &Path, unit: &str) -> PathBuf {
    root.join(UNITS)
        .join(WANTED)
        .join(format!("{unit}{SUFFIX}"))
}

fn mark(root: &Path, unit: &str) -> PathBuf {
    root.join(ACTIVE).join(format!("invocation:{unit}{SUFFIX}"))
}

/// Puts a unit on a machine.
///
/// # Errors
/// As the file system's.
pub(crate) fn install(root: &Path, unit: &str, enabled: bool, active: bool) -> io::Result<()> {
    fs::create_dir_all(root.join(UNITS).join(WANTED))?;
    let program = unit.split('@').next().unwrap_or(unit);
    let text = format!(
        "[Unit]\nDescription={program}\n\n[Service]\nExecStart=/usr/sbin/{program}\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    fs::write(file(root, unit), text)?;
    enable(root, unit, enabled)?;
    set_active(root, unit, active)
}

/// Whether there is such a unit.
pub(crate) fn exists(root: &Path, unit: &str) -> bool {
    file(root, unit).is_file()
}

/// Whether it starts at boot.
pub(crate) fn is_enabled(root: &Path, unit: &str) -> bool {
    wanted(root, unit).is_symlink()
}

/// Makes it start at boot, or not.
///
/// # Errors
/// As the file system's.
pub(crate) fn enable(root: &Path, unit: &str, on: bool) -> io::Result<()> {
    match (on, is_enabled(root, unit)) {
        (true, false) => symlink(Path::new("..").join(file_name(unit)), wanted(root, unit)),
        (false, true) => fs::remove_file(wanted(root, unit)),
        _ => Ok(()),
    }
}

/// Whether it runs.
pub(crate) fn is_active(root: &Path, unit: &str) -> bool {
    mark(root, unit).is_file()
}

/// Lets it run, or not.
///
/// # Errors
/// As the file system's.
pub(crate) fn set_active(root: &Path, unit: &str, on: bool) -> io::Result<()> {
    match (on, is_active(root, unit)) {
        (true, false) => {
            fs::create_dir_all(root.join(ACTIVE))?;
            fs::write(mark(root, unit), "")
        }
        (false, true) => fs::remove_file(mark(root, unit)),
        _ => Ok(()),
    }
}

/// The machine boots: what is enabled runs, nothing else.
///
/// # Errors
/// As the file system's.
pub(crate) fn boot(root: &Path) -> io::Result<()> {
    let active = root.join(ACTIVE);
    if active.is_dir() {
        fs::remove_dir_all(&active)?;
    }
    let Ok(enabled) = fs::read_dir(root.join(UNITS).join(WANTED)) else {
        return Ok(());
    };
    for entry in enabled {
        set_active(root, short(&entry?.file_name().to_string_lossy()), true)?;
    }
    Ok(())
}

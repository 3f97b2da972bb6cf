//! Rules about files: disks, CD and floppy images, ports, and the files that a host itself keeps.

use super::devices::{DeviceKind, Disk};
use super::fit_host::{Draft, Severity, Surroundings};
use super::vmx::Vmx;

/// Paths that are asked about at most; real files have a handful.
const MOST: usize = 200;

/// Every rule of this file.
pub(super) fn all(draft: &mut Draft<'_>) {
    drives(draft);
    floppies(draft);
    ports(draft);
    own_files(draft);
    leftovers(draft);
}

impl Vmx {
    /// Paths that do not lie in the folder of the `.vmx` itself, and for a port that writes to a
    /// file the folder too: whether the host has them decides what has to change. As written; see
    /// [`path_on_host`].
    #[must_use]
    pub fn outside_paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        for (key, path) in self.absolute_paths() {
            let key = key.to_ascii_lowercase();
            if key.starts_with("serial") || key.starts_with("parallel") {
                paths.extend(parent(&path).map(str::to_owned));
            }
            paths.push(path);
        }
        let drives = self.disks().into_iter().map(|drive| drive.file);
        paths.extend(drives.filter(|file| !is_absolute(file) && file.contains('/')));
        paths.sort_unstable();
        paths.dedup();
        paths.truncate(MOST);
        paths
    }
}

/// Where a path of a `.vmx` leads on a host whose `.vmx` lies in `folder`.
#[must_use]
pub fn path_on_host(written: &str, folder: &str) -> String {
    if let Some(path) = written.strip_prefix("ds://") {
        return path.to_owned();
    }
    let labelled = written
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "));
    match labelled {
        Some((label, file)) => format!("/vmfs/volumes/{label}/{file}"),
        None if written.starts_with('/') => written.to_owned(),
        None => format!("{folder}/{written}"),
    }
}

/// A path without `.`, `..` and doubled slashes.
#[must_use]
pub fn plain_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Where the file of a path is.
enum Standing {
    /// Where the `.vmx` says.
    AsWritten,
    /// Beside the `.vmx`, under this name.
    Beside(String),
    /// On the host it is not.
    Gone,
}

pub(super) fn is_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    let on_drive = bytes.get(1) == Some(&b':') && matches!(bytes.get(2), Some(b'\\' | b'/'));
    path.starts_with('/') || path.starts_with("ds:///") || path.starts_with("\\\\") || on_drive
}

pub(super) fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(folder, _)| folder)
}

impl Surroundings {
    fn standing(&self, path: &str) -> Standing {
        let beside = |name: &str| self.folder.iter().any(|its| its == name);
        if self.there.iter().any(|its| its == path) || beside(path) {
            return Standing::AsWritten;
        }
        let name = base_name(path);
        if name != path && beside(name) {
            Standing::Beside(name.to_owned())
        } else {
            Standing::Gone
        }
    }
}

fn drives(draft: &mut Draft<'_>) {
    let drives = draft.vmx.disks();
    for drive in drives.iter().filter(|drive| drive.present) {
        match &drive.kind {
            DeviceKind::HardDisk => disk(draft, drive, &drives),
            DeviceKind::CdromImage | DeviceKind::CdromHost => cdrom(draft, drive),
            DeviceKind::Other(kind) if kind.eq_ignore_ascii_case("scsi-passthru") => {
                passed_through(draft, drive);
            }
            DeviceKind::Other(_) => {}
        }
    }
}

/// A disk is never taken away or guessed at: it is where the file says, beside it under the same
/// name, or a person has to look.
fn disk(draft: &mut Draft<'_>, disk: &Disk, all: &[Disk]) {
    let (device, file, host) = (&disk.device, &disk.file, &draft.around.host);
    let name = base_name(file);
    let brought = draft
        .vmx
        .beside(file)
        .filter(|name| draft.around.brought.contains(name));
    if let Some(name) = brought {
        let why = format!(
            "{device}: it came with the VM's files and lies beside the .vmx, not as {file}"
        );
        return draft.set(&format!("{device}.fileName"), &name, Severity::Must, &why);
    }
    let what = match draft.around.standing(file) {
        Standing::AsWritten | Standing::Beside(_)
            if draft.around.came && draft.around.pointers.iter().any(|its| its == name) =>
        {
            draft.obstacle(
                format!("its disk {device} ({name}) only points to a device of the other site, and a backup of it holds no data"),
                "give the host a copy of that device and make the pointer anew there (vmkfstools -z), or \
                 take the disk out of the .vmx by hand if the VM can do without; then retry",
            );
            return;
        }
        Standing::AsWritten => return,
        Standing::Beside(name) => {
            let taken = |other: &Disk| {
                other.present && other.device != *device && base_name(&other.file) == name
            };
            if !all.iter().any(taken) {
                let why = format!(
                    "{device}: {host} has no {file}; the disk of that name lies beside the .vmx"
                );
                return draft.set(&format!("{device}.fileName"), &name, Severity::Must, &why);
            }
            format!(
                "its disk {device} is {file}, which {host} does not have, and another of its disks is called {name} too"
            )
        }
        Standing::Gone => format!("its disk {device} is {file}, which {host} does not have"),
    };
    draft.obstacle(
        what,
        "bring that disk into the VM's folder (a restore point that holds it, or by hand) and name it in \
         the .vmx, or take it out of the .vmx if the VM can do without; then retry",
    );
}

/// As ESXi writes a drive that is empty and plugged out (captured from 6.x to 8.x).
const EMPTY_CD: [(&str, &str); 4] = [
    ("startConnected", "FALSE"),
    ("deviceType", "cdrom-raw"),
    ("clientDevice", "TRUE"),
    ("fileName", "emptyBackingString"),
];

/// The same for a floppy drive.
const EMPTY_FLOPPY: [(&str, &str); 3] = [
    ("startConnected", "FALSE"),
    ("clientDevice", "TRUE"),
    ("fileName", "vmware-null-remote-floppy"),
];

/// Whether a drive or port comes up plugged in to something of its host.
pub(super) fn is_plugged(vmx: &Vmx, device: &str) -> bool {
    vmx.flag(&format!("{device}.startConnected")) != Some(false)
        && vmx.flag(&format!("{device}.clientDevice")) != Some(true)
}

fn empty(draft: &mut Draft<'_>, device: &str, file: &str, as_written: &[(&str, &str)]) {
    let why = format!(
        "{device} starts empty: {} has no {file}, and the VM would stop at its start to ask for it",
        draft.around.host
    );
    for (key, value) in as_written {
        draft.set(&format!("{device}.{key}"), value, Severity::Must, &why);
    }
}

fn cdrom(draft: &mut Draft<'_>, drive: &Disk) {
    let (device, file) = (&drive.device, &drive.file);
    let is_image = drive.kind == DeviceKind::CdromImage;
    // `auto detect` and the like are no paths: the host looks for a drive of its own.
    if !is_plugged(draft.vmx, device) || !(is_image || is_absolute(file)) {
        return;
    }
    match draft.around.standing(file) {
        Standing::AsWritten => {}
        Standing::Beside(name) if is_image => {
            let why = format!(
                "{device}: {} has no {file}; the image of that name lies beside the .vmx",
                draft.around.host
            );
            draft.set(&format!("{device}.fileName"), &name, Severity::Must, &why);
        }
        Standing::Beside(_) | Standing::Gone => empty(draft, device, file, &EMPTY_CD),
    }
}

/// A tape drive or changer that the other host passed through.
fn passed_through(draft: &mut Draft<'_>, drive: &Disk) {
    if matches!(draft.around.standing(&drive.file), Standing::AsWritten) {
        return;
    }
    let why = format!(
        "{} is a device of the other host ({}), which {} does not have",
        drive.device, drive.file, draft.around.host
    );
    let key = format!("{}.present", drive.device);
    draft.set(&key, "FALSE", Severity::Must, &why);
}

fn floppies(draft: &mut Draft<'_>) {
    for device in ["floppy0", "floppy1"] {
        let vmx = draft.vmx;
        let Some(file) = vmx.get(&format!("{device}.fileName")) else {
            continue;
        };
        let is_image = vmx
            .get(&format!("{device}.fileType"))
            .is_some_and(|kind| kind.eq_ignore_ascii_case("file"));
        if file.is_empty()
            || vmx.flag(&format!("{device}.present")) == Some(false)
            || !is_plugged(vmx, device)
            || !(is_image || is_absolute(&file))
            || matches!(draft.around.standing(&file), Standing::AsWritten)
        {
            continue;
        }
        empty(draft, device, &file, &EMPTY_FLOPPY);
        let key = format!("{device}.fileType");
        if is_image {
            let why = format!("{device} has no image any more");
            draft.remove(&key, Severity::Must, &why);
        }
    }
}

fn ports(draft: &mut Draft<'_>) {
    let kinds = ["serial", "parallel"].into_iter();
    for device in kinds.flat_map(|kind| (0..4).map(move |number| format!("{kind}{number}"))) {
        let vmx = draft.vmx;
        let Some(file) = vmx.get(&format!("{device}.fileName")) else {
            continue;
        };
        let present = vmx.flag(&format!("{device}.present")) == Some(true);
        let there = |path: &str| draft.around.there.iter().any(|its| its == path);
        if !present || !is_plugged(vmx, &device) || !is_absolute(&file) || there(&file) {
            continue;
        }
        let host = &draft.around.host;
        let kind = vmx.get(&format!("{device}.fileType")).unwrap_or_default();
        if kind.eq_ignore_ascii_case("file") {
            if !parent(&file).is_some_and(there) {
                let why = format!(
                    "{device} writes to {file}, for which {host} has no folder; it writes beside the .vmx instead"
                );
                let key = format!("{device}.fileName");
                draft.set(&key, base_name(&file), Severity::Must, &why);
            }
        } else if kind.is_empty() || kind.eq_ignore_ascii_case("device") {
            let why = format!(
                "{device} is a port of the other host ({file}), which {host} does not have; it starts unplugged"
            );
            let key = format!("{device}.startConnected");
            draft.set(&key, "FALSE", Severity::Must, &why);
        }
    }
}

/// Files that the host reads or makes for itself.
fn own_files(draft: &mut Draft<'_>) {
    let host = &draft.around.host;
    for (key, what) in [
        ("nvram", "the BIOS or EFI variables"),
        ("extendedConfigFile", "the extended configuration"),
        ("log.fileName", "its log"),
        ("vmxstats.filename", "its statistics"),
        ("workingDir", "its working folder"),
        ("sched.swap.dir", "its swap space"),
        ("suspend.directory", "its suspended state"),
    ] {
        let Some(path) = draft.vmx.get(key).filter(|path| is_absolute(path)) else {
            continue;
        };
        match draft.around.standing(&path) {
            Standing::AsWritten => {}
            Standing::Beside(name) => {
                let why = format!("{what}: {host} has no {path}; it lies beside the .vmx");
                draft.set(key, &name, Severity::Must, &why);
            }
            Standing::Gone => {
                let why = format!(
                    "{what}: {host} has no {path}; without this line it is the VM's folder"
                );
                draft.remove(key, Severity::Must, &why);
            }
        }
    }
    let key = "checkpoint.vmState";
    if let Some(file) = draft.vmx.get(key).filter(|file| !file.is_empty()) {
        match draft.around.standing(&file) {
            Standing::AsWritten => {}
            Standing::Beside(name) => {
                let why =
                    format!("its suspended state: {host} has no {file}; it lies beside the .vmx");
                draft.set(key, &name, Severity::Must, &why);
            }
            Standing::Gone => {
                let why = format!(
                    "it was suspended and {file} is not there: the guest starts as after a power cut"
                );
                draft.set(key, "", Severity::Must, &why);
            }
        }
    }
}

/// Lines that only meant something while the VM ran where it came from.
fn leftovers(draft: &mut Draft<'_>) {
    let swap = "it names the swap file of the run at the other place; a host makes that anew";
    draft.remove("sched.swap.derivedName", Severity::Should, swap);
    let migration = "it is left over from a migration at the other place";
    for key in [
        "migrate.hostLog",
        "migrate.hostLogState",
        "migrate.migrationId",
    ] {
        draft.remove(key, Severity::Should, migration);
    }
}

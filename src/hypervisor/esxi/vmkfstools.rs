//! What `vmkfstools` says while and after it works on a disk.
//!
//! Its progress comes with carriage returns and, through a pipe, may stop anywhere below 100 % of
//! a clone that went well; an error is glued to the last progress; verbose texts with `Failed` in
//! them are no errors. So the exit status is the only truth, and the texts are for people.

use std::sync::LazyLock;

use regex_lite::Regex;

use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{excerpt, said, unexpected, whole};

static PROGRESS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:Clone|Create|Rename): (\d{1,3})% done\.").ok());

/// The last progress in a piece of output, in per cent.
#[must_use]
pub fn progress(text: &str) -> Option<u8> {
    let last = PROGRESS.as_ref()?.captures_iter(text).last()?;
    last.get(1)?
        .as_str()
        .parse()
        .ok()
        .filter(|percent| *percent <= 100)
}

/// Checks the reply of [`clone_disk`](super::commands::clone_disk) or
/// [`rename_disk`](super::commands::rename_disk).
///
/// # Errors
///
/// [`DriverFault::Failed`] with what it said beside its progress.
pub fn check(output: &Output) -> Result<(), DriverFault> {
    match output.status {
        0 => Ok(()),
        127 => Err(DriverFault::ToolMissing {
            tool: "vmkfstools".into(),
            text: said(output),
        }),
        status => Err(DriverFault::Failed {
            status,
            text: reason(output),
        }),
    }
}

/// What it said without progress and preface.
fn reason(output: &Output) -> String {
    let text = format!("{}\n{}", output.text(), output.error_text());
    let without = match PROGRESS.as_ref() {
        Some(progress) => progress.replace_all(&text, "\n").into_owned(),
        None => text,
    };
    let preface = [
        "Destination disk format:",
        "Cloning disk ",
        "Option --adaptertype",
    ];
    let lines = without.split(['\n', '\r']).map(str::trim);
    let told: Vec<_> = lines
        .filter(|line| !preface.iter().any(|p| line.starts_with(p)))
        .collect();
    let told = excerpt(&told.join(" "));
    if told.is_empty() {
        "it gave no reason".to_owned()
    } else {
        told
    }
}

/// How a host is made to read disks in pieces. The module is off since ESXi 5.1 (williamlam.com,
/// "2gbsparse disk format no longer working"; ghettoVCB loads it on 5 to 7); loading it lasts until
/// the next boot.
pub const LOAD_MULTIEXTENT: &str = "run `esxcli system module load -m multiextent` on the host (it lasts until the next boot), then retry";

/// Whether the host has loaded what reads disks in pieces, after the reply of
/// [`modules`](super::commands::modules); `None` where it does not tell.
#[must_use]
pub fn reads_split_disks(output: &Output) -> Option<bool> {
    let records = super::table::records(output, "the modules").ok()?;
    let module = records
        .iter()
        .find(|record| record.get("Name") == Some("multiextent"))?;
    Some(module.get("Is Loaded")?.eq_ignore_ascii_case("true"))
}

/// The next move where the words of a host that refused a disk of this type tell one.
#[must_use]
pub fn remedy(create_type: &str, said: &str) -> Option<&'static str> {
    let said = said.to_ascii_lowercase();
    let split = create_type
        .to_ascii_lowercase()
        .starts_with("twogbmaxextent");
    // Without the module a host does not find the pieces, though they are there.
    if split && said.contains("cannot find the file specified") {
        return Some(LOAD_MULTIEXTENT);
    }
    if said.contains("requires hosted i/o") || said.contains("needs repair") {
        return Some(
            "the disk was not closed cleanly where it was written: repair it there (or a copy of it with \
             `vmkfstools -x repair`), or choose another restore point; then retry",
        );
    }
    let unreadable = [
        "invalid disk type",
        "not a virtual disk",
        "not supported",
        "version too old",
    ];
    unreadable
        .iter()
        .any(|words| said.contains(words))
        .then_some(
            "this host does not read that type: write the disk flat elsewhere (qemu-img convert -O vmdk \
             -o subformat=monolithicFlat), put it in the backup in place of the other, then retry",
        )
}

/// Reads the reply of [`check_disk_chain`](super::commands::check_disk_chain).
///
/// # Errors
///
/// The chain does not fit together, or the disk cannot be read.
pub fn check_chain(output: &Output) -> Result<(), DriverFault> {
    whole(output)?;
    check(output)?;
    let text = output.text();
    let consistent = text
        .lines()
        .any(|line| line.trim() == "Disk chain is consistent.");
    if consistent {
        Ok(())
    } else {
        Err(unexpected("whether the disk's chain fits", &text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(status: i32, stdout: &str) -> Output {
        Output {
            status,
            ..Output::of(stdout)
        }
    }

    const HEAD: &str = "Destination disk format: VMFS thin-provisioned\nCloning disk '/vmfs/volumes/a/b.vmdk'...\n";

    #[test]
    fn the_status_is_the_only_truth() {
        assert_eq!(
            check(&reply(
                0,
                &format!("{HEAD}Clone: 0% done.\rClone: 37% done.")
            )),
            Ok(())
        );
        assert_eq!(
            check(&reply(
                0,
                "DISKLIB-LIB_CLONE   : Failed to clone disk using Object Cloning\n"
            )),
            Ok(())
        );
        assert!(check(&reply(1, &format!("{HEAD}Clone: 100% done.\n"))).is_err());
    }

    #[test]
    fn the_reason_stands_alone() {
        let glued = format!(
            "{HEAD}Clone: 1% done.\rClone: 9% done.Failed to clone disk: The file specified is not a virtual disk (15).\n"
        );
        let fault = check(&reply(1, &glued)).unwrap_err();
        assert_eq!(
            fault,
            DriverFault::Failed {
                status: 1,
                text: "Failed to clone disk: The file specified is not a virtual disk (15).".into()
            }
        );
        let full = check(&reply(
            255,
            "Failed to clone disk : No space left on device (1835017).\n",
        ))
        .unwrap_err();
        assert!(full.next_move().contains("free space"));
        let silent = check(&reply(1, "Clone: 3% done.\r")).unwrap_err();
        assert!(silent.to_string().contains("no reason"));
    }

    #[test]
    fn progress_is_the_last_one() {
        assert_eq!(
            progress("Clone: 0% done.\rClone: 12% done.\rClone: 1"),
            Some(12)
        );
        assert_eq!(progress(HEAD), None);
        assert_eq!(progress("Clone: 999% done."), None);
    }

    #[test]
    fn a_chain_is_consistent_or_not() {
        assert_eq!(
            check_chain(&reply(0, "Disk chain is consistent.\n")),
            Ok(())
        );
        assert!(
            check_chain(&reply(
                0,
                "Disk chain is not consistent : The parent virtual disk has been modified\n"
            ))
            .is_err()
        );
        assert!(check_chain(&reply(1, "Disk chain is consistent.\n")).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(status in 0..2, text in "(Clone: [0-9]{1,4}% done\\.\r?){0,5}.{0,80}") {
            let _ = progress(&text);
            let _ = check(&reply(status, &text));
            let _ = check_chain(&reply(status, &text));
        }
    }
}

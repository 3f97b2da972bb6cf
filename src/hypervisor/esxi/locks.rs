//! Who locks a file on a VMFS volume: `vmkfstools -D`.
//!
//! Line breaks and field names differ between versions, so the text is joined and only two
//! patterns are looked for. NFS has other locks, of which this prints nothing.

use std::sync::LazyLock;

use regex_lite::Regex;

use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{said, succeeded, unexpected, whole};

static LOCK: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\bmode (\d+), owner ([0-9a-fA-F-]{35})").ok());
static READER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"RO Owner\[\d+\] HB Offset \d+ ([0-9a-fA-F-]{35})").ok());

/// How a file is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Nobody holds it.
    Free,
    /// One host holds it alone: what it belongs to runs there.
    Exclusive(LockOwner),
    /// These hosts read it (a base disk under a snapshot).
    ReadOnly(Vec<LockOwner>),
    /// Several hosts may write it; it does not say which.
    MultiWriter,
}

/// The host that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockOwner {
    /// As printed. It changes when that host restarts.
    pub id: String,
    /// The MAC of one of that host's physical adapters, lower case with colons: the last twelve
    /// digits of the id, by which the host is known among [`nics`](super::commands::nics).
    pub mac: String,
}

impl Lock {
    /// Reads the reply of [`lock`](super::commands::lock).
    ///
    /// # Errors
    ///
    /// The file is not there or not on VMFS; a text without a lock.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        whole(output)?;
        let joined = output
            .text()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let found = LOCK.as_ref().and_then(|lock| lock.captures(&joined));
        let Some((mode, owner)) = found
            .and_then(|f| Some((f.get(1)?.as_str().to_owned(), f.get(2)?.as_str().to_owned())))
        else {
            succeeded(output, "vmkfstools")?;
            return Err(unexpected("the file's lock", &said(output)));
        };
        match (mode.as_str(), owner_of(&owner)) {
            ("0", None) => Ok(Self::Free),
            ("1", Some(owner)) => Ok(Self::Exclusive(owner)),
            ("2", owner) => {
                let readers = READER
                    .as_ref()
                    .into_iter()
                    .flat_map(|reader| reader.captures_iter(&joined));
                let readers = readers.filter_map(|found| owner_of(found.get(1)?.as_str()));
                Ok(Self::ReadOnly(owner.into_iter().chain(readers).collect()))
            }
            ("3", _) => Ok(Self::MultiWriter),
            _ => Err(unexpected("the file's lock", &joined)),
        }
    }
}

/// What is known of the lock of one file of a VM's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLock {
    /// The file's path.
    pub path: String,
    /// Its lock; `None` where the volume does not tell (NFS has none of these).
    pub lock: Option<Lock>,
}

impl FileLock {
    /// Reads the reply of [`folder_locks`](super::commands::folder_locks).
    ///
    /// # Errors
    ///
    /// The reply is not whole: silence about a lock must not be read as its absence.
    pub fn parse_all(output: &Output) -> Result<Vec<Self>, DriverFault> {
        succeeded(output, "sh")?;
        whole(output)?;
        let text = output.text();
        let body = text.trim_end().strip_suffix("end");
        let body = body.filter(|body| body.is_empty() || body.ends_with('\n'));
        let body = body.ok_or_else(|| unexpected("the locks of a folder", &said(output)))?;
        let mut locks = Vec::new();
        for part in format!("\n{body}").split("\nfile ").skip(1) {
            let (path, said) = part.split_once('\n').unwrap_or((part, ""));
            let reply = Output {
                stdout: said.into(),
                ..Output::default()
            };
            locks.push(Self {
                path: path.to_owned(),
                lock: Lock::parse(&reply).ok(),
            });
        }
        Ok(locks)
    }

    /// Whether it is a lock that a host keeps as a hidden file, as on NFS version 3.
    #[must_use]
    pub fn is_hidden_file(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.starts_with(".lck-")
    }
}

/// An owner of zeros is nobody.
fn owner_of(id: &str) -> Option<LockOwner> {
    let digits = id
        .rsplit('-')
        .next()
        .filter(|digits| digits.len() == 12 && digits.is_ascii())?;
    if id.chars().all(|c| matches!(c, '0' | '-')) {
        return None;
    }
    let pairs: Vec<_> = (0..6)
        .map(|i| digits[i * 2..i * 2 + 2].to_ascii_lowercase())
        .collect();
    Some(LockOwner {
        id: id.to_owned(),
        mac: pairs.join(":"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(mode: u8, owner: &str, more: &str) -> String {
        format!(
            "Lock [type 10c00001 offset 164800512 v 122, hb offset 3756032\ngen 23, mode {mode}, owner {owner} mtime 378512\nnum 0 gblnum 0 gblgen 0 gblbrk 0]\n{more}Addr <4, 360, 53>, gen 109, links 1, type reg, flags 0, uid 0, gid 0, mode 600\nlen 42949672960, nb 28851 tbz 0\n"
        )
    }

    const NOBODY: &str = "00000000-00000000-0000-000000000000";
    const A: &str = "53a21390-e78f7f00-f805-44D3cabcb7b4";
    const B: &str = "4fbbf995-325ce3c2-e7ee-bcaec58ad83d";

    #[test]
    fn free_held_and_shared() {
        assert_eq!(
            Lock::parse(&Output::of(&text(0, NOBODY, ""))),
            Ok(Lock::Free)
        );
        match Lock::parse(&Output::of(&text(1, A, ""))).unwrap() {
            Lock::Exclusive(owner) => assert_eq!(owner.mac, "44:d3:ca:bc:b7:b4"),
            other => panic!("{other:?}"),
        }
        let readers =
            format!("RO Owner[0] HB Offset 3309568 {A}\nRO Owner[1] HB Offset 3694592 {B}\n");
        match Lock::parse(&Output::of(&text(2, NOBODY, &readers))).unwrap() {
            Lock::ReadOnly(owners) => assert_eq!(owners[1].mac, "bc:ae:c5:8a:d8:3d"),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            Lock::parse(&Output::of(&text(3, NOBODY, ""))),
            Ok(Lock::MultiWriter)
        );
    }

    #[test]
    fn line_breaks_do_not_matter() {
        let joined = text(1, A, "").replace('\n', " ");
        assert!(matches!(
            Lock::parse(&Output::of(&joined)),
            Ok(Lock::Exclusive(_))
        ));
    }

    #[test]
    fn no_lock_no_belief() {
        for odd in [
            text(0, A, ""),
            text(1, NOBODY, ""),
            text(7, A, ""),
            String::new(),
        ] {
            assert!(Lock::parse(&Output::of(&odd)).is_err(), "{odd}");
        }
        let absent = Output {
            status: 255,
            stderr: "Could not open x: No such file or directory".into(),
            ..Output::default()
        };
        assert!(matches!(
            Lock::parse(&absent),
            Err(DriverFault::Failed { .. })
        ));
    }

    #[test]
    fn a_folder_tells_of_each_file_and_of_its_own_end() {
        let reply_of = |text: &str| Output::of(&format!("{text}end\n"));
        let held = text(1, A, "");
        let whole = reply_of(&format!(
            "file /v/a b/sql01.vmx\n{held}file /v/a b/sql01-flat.vmdk\nCould not get the dump \
             information for '/v/a b/sql01-flat.vmdk' (rv -1): Function not implemented\n\
             file /v/a b/.lck-0102030405060708\n"
        ));
        let locks = FileLock::parse_all(&whole).unwrap();
        assert_eq!(locks.len(), 3);
        assert_eq!(locks[0].path, "/v/a b/sql01.vmx");
        assert!(matches!(locks[0].lock, Some(Lock::Exclusive(_))));
        assert_eq!(locks[1].lock, None);
        assert!(locks[2].is_hidden_file() && !locks[0].is_hidden_file());
        assert_eq!(FileLock::parse_all(&reply_of("")), Ok(vec![]));
        for torn in ["", "file /v/x.vmx\n", "file /v/x.vmx\nLock [type\nfile end"] {
            assert!(FileLock::parse_all(&Output::of(torn)).is_err(), "{torn:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(noise in ".{0,60}", owner in "[0-9a-f-]{30,40}", mode in 0_u8..9) {
            let _ = Lock::parse(&Output::of(&format!("{noise}{}", text(mode, &owner, &noise))));
        }
    }
}

//! `esxcli storage nfs list` and `nfs41 list`: the NFS shares that a host has mounted as datastores.
//! Whether one is mounted read-only stands nowhere else: to root its folder looks writable.

use super::table::{self, Record};
use crate::host::Output;
use crate::hypervisor::DriverFault;

/// What hosts say to a command that they do not have, as releases before 6.0 to `nfs41`.
const UNKNOWN: &str = "Unknown command or namespace";

/// A share that is a datastore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NfsMount {
    /// The label of the datastore.
    pub label: String,
    /// Whether it is mounted read-only; `None` where the release does not tell, as before 5.5.
    pub read_only: Option<bool>,
}

impl NfsMount {
    /// Reads the reply of [`nfs_mounts`](super::commands::nfs_mounts) or
    /// [`nfs41_mounts`](super::commands::nfs41_mounts). A host that does not know the version has
    /// no mounts of it.
    ///
    /// # Errors
    ///
    /// A fault of the host; a list without its labels.
    pub fn parse_all(output: &Output) -> Result<Vec<Self>, DriverFault> {
        let what = "the NFS mounts";
        let read = |record: &Record| {
            let read_only = record.get("Read-Only").or_else(|| record.get("ReadOnly"));
            Ok(Self {
                label: record.need("Volume Name", what)?.to_owned(),
                read_only: read_only.and_then(|word| word.to_ascii_lowercase().parse().ok()),
            })
        };
        match table::records(output, what) {
            Err(DriverFault::Failed { text, .. }) if text.contains(UNKNOWN) => Ok(Vec::new()),
            records => records?.iter().map(read).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(String, Option<bool>)> {
        let mounts = NfsMount::parse_all(&Output::of(text)).unwrap();
        let pairs = mounts
            .into_iter()
            .map(|mount| (mount.label, mount.read_only));
        pairs.collect()
    }

    #[test]
    fn mounts_of_both_versions_tell_whether_they_are_read_only() {
        let v3 = "Volume Name  Host          Share        Accessible  Mounted  Read-Only   isPE  Hardware Acceleration\n\
                  -----------  ------------  -----------  ----------  -------  ---------  -----  ---------------------\n\
                  tier 2       192.168.10.5  /data/tier2        true     true       true  false  Not Supported\n\
                  isos         192.168.10.5  /data/isos         true     true      false  false  Unknown\n";
        let v41 = "Volume Name  Host(s)   Share          Accessible  Mounted  Read-Only  Security   isPE  Hardware Acceleration\n\
                   -----------  --------  -------------  ----------  -------  ---------  --------  -----  ---------------------\n\
                   tier 2       10.1.0.7  /backups/isos        true     true       true  AUTH_SYS  false  Unknown\n";
        assert_eq!(
            told(v3),
            [("tier 2".into(), Some(true)), ("isos".into(), Some(false))]
        );
        assert_eq!(told(v41), [("tier 2".into(), Some(true))]);
        // The fields of csv have an order of their own, and some releases leave the hyphen out.
        for name in ["Read-Only", "ReadOnly"] {
            let csv = format!(
                "Accessible,HardwareAcceleration,Host,Mounted,{name},Share,VolumeName,isPE,\n\
                 true,Not Supported,10.1.0.7,true,true,/x,tier 2,false,\n"
            );
            assert_eq!(told(&csv), [("tier 2".into(), Some(true))], "{csv}");
        }
    }

    #[test]
    fn what_an_old_release_does_not_tell_is_not_guessed() {
        let of_5_0 = "Volume Name  Host           Share            Accessible  Mounted  Hardware Acceleration\n\
                      -----------  -------------  ---------------  ----------  -------  ---------------------\n\
                      NFS          192.168.1.107  /data/nfs_share        true     true  Not Supported\n";
        assert_eq!(told(of_5_0), [("NFS".into(), None)]);
        assert_eq!(told(""), []);
        let unknown = Output {
            status: 1,
            ..Output::of("Error: Unknown command or namespace storage nfs41 list\n\n")
        };
        assert_eq!(NfsMount::parse_all(&unknown), Ok(Vec::new()));
        let failed = Output {
            status: 1,
            ..Output::of("Error: Unable to list the mounts\n")
        };
        assert!(NfsMount::parse_all(&failed).is_err());
        assert!(NfsMount::parse_all(&Output::of("Host,Share,\na,/x,\n")).is_err());
    }
}

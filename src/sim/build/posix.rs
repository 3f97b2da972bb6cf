//! A host that is no ESXi host, as it is found.

use std::fs;
use std::io;
use std::path::Path;

use crate::names::HostName;
use crate::sim::host::Volume;

/// What a quiet Debian host with four cores and 8 GiB says of itself.
const POSIX_FILES: [(&str, &str); 5] = [
    ("proc/loadavg", "0.08 0.06 0.05 1/182 4711\n"),
    ("proc/uptime", "3553920.11 14183204.52\n"),
    (
        "proc/meminfo",
        "MemTotal:        8131772 kB\nMemFree:         5204416 kB\nMemAvailable:    6901232 kB\n",
    ),
    (
        "proc/modules",
        "ext4 1064960 2 - Live 0x0000000000000000\nahci 49152 2 - Live 0x0000000000000000\n",
    ),
    (
        "etc/os-release",
        "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n",
    ),
];

pub(super) fn build_posix(
    root: &Path,
    name: &HostName,
    user: &str,
    volumes: &[Volume],
) -> io::Result<()> {
    for path in ["tmp", "root", "var/log", "etc", "usr/bin", "bin"] {
        fs::create_dir_all(root.join(path))?;
    }
    fs::create_dir_all(root.join("home").join(user))?;
    fs::create_dir_all(root.join("proc"))?;
    for (name, text) in POSIX_FILES {
        fs::write(root.join(name), text)?;
    }
    fs::write(root.join("etc/hostname"), format!("{name}\n"))?;
    for volume in volumes {
        fs::create_dir_all(&volume.folder)?;
    }
    Ok(())
}

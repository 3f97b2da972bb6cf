//! The files of a VM that ESXi writes.

use jiff::Timestamp;

use crate::sim::esxi::replace;
use crate::sim::esxi::value::Fault;
use crate::sim::host::SimHost;
use crate::sim::vfs::WriteMode;
use crate::sim::vmx::Vmx;

/// Where a VM's files lie, and the name that they share.
pub(in crate::sim::esxi) fn folder_and_stem(path: &str) -> (String, String) {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("/", path));
    (folder.to_owned(), name.trim_end_matches(".vmx").to_owned())
}

pub(super) fn clear_files(host: &SimHost, path: &str) {
    let (folder, stem) = folder_and_stem(path);
    for name in host.vfs.names(&folder).unwrap_or_default() {
        let mine = name.ends_with(".vswp")
            || name == format!("{stem}.vmx.lck")
            || name == format!("{stem}.vmx~");
        if mine {
            let _ = host.vfs.remove(&format!("{folder}/{name}"));
        }
    }
}

pub(super) fn write_config(host: &SimHost, path: &str, config: &Vmx) {
    write_plain(host, path, &config.text());
}

/// Replaces a small file, keeping its mode.
pub(super) fn write_plain(host: &SimHost, path: &str, text: &str) {
    let Ok(real) = host.vfs.real(path, true) else {
        return;
    };
    let mode = std::fs::metadata(&real).map(|meta| meta.permissions()).ok();
    if let Err(error) = replace(&real, text.as_bytes()) {
        tracing::warn!(host = %host.name, path, %error, "a VM's file cannot be written");
        return;
    }
    if let Some(mode) = mode {
        let _ = std::fs::set_permissions(&real, mode);
    }
}

pub(super) fn note_failure(host: &SimHost, path: &str, fault: &Fault) {
    log(host, path, &format!("PowerOn failed: {}", fault.message));
}

/// A line in the VM's `vmware.log`.
pub(super) fn log(host: &SimHost, path: &str, text: &str) {
    let (folder, _) = folder_and_stem(path);
    let mode = WriteMode {
        append: true,
        ..Default::default()
    };
    if let Ok((mut file, _)) = host.vfs.open_write(&format!("{folder}/vmware.log"), mode) {
        let line = format!(
            "{} In(05) vmx - {text}\n",
            Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        );
        let _ = std::io::Write::write_all(&mut file, line.as_bytes());
    }
}

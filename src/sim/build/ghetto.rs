//! Where ghettoVCB puts a disk of another datastore: into a folder of the point that is called like that
//! one.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Lets the disk `disk` of the files in a point have come from another datastore, where it is called
/// like the first one, `stem`, as hosts name the first disk of a VM on a datastore.
pub(super) fn set_apart(point: &Path, stem: &str, disk: &str, volume: &str) -> io::Result<()> {
    let folder = point.join(volume);
    fs::create_dir(&folder)?;
    let [flat, there] = [disk, stem].map(|name| format!("{name}-flat.vmdk"));
    fs::rename(point.join(&flat), folder.join(&there))?;
    let (from, to) = (
        point.join(format!("{disk}.vmdk")),
        folder.join(format!("{stem}.vmdk")),
    );
    fs::write(&to, fs::read_to_string(&from)?.replace(&flat, &there))?;
    fs::set_permissions(&to, fs::Permissions::from_mode(0o600))?;
    fs::remove_file(from)?;
    let vmx = point.join(format!("{stem}.vmx"));
    let named = format!("\"/vmfs/volumes/{volume}/{stem}/{stem}.vmdk\"");
    let text = fs::read_to_string(&vmx)?.replace(&format!("\"{disk}.vmdk\""), &named);
    fs::write(vmx, text)
}

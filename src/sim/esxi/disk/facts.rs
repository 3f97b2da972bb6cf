//! What `vmkfstools` tells of disks, locks and volumes.

use std::os::unix::fs::MetadataExt;

use super::open_disk;
use crate::sim::commands::{Call, Outcome};
use crate::sim::esxi::power::folder_and_stem;
use crate::sim::seed::Draw;
use crate::sim::vfs::reason;

/// `-e`
pub(super) fn consistent(call: &mut Call, path: &str) -> Outcome {
    match open_disk(call, &call.path(path)) {
        Ok(_) => {
            call.out("Disk chain is consistent.\n")?;
            Ok(0)
        }
        Err(text) => {
            call.err(&format!("{text}\n"));
            Ok(255)
        }
    }
}

/// The lock of a file: the owner's last group is the MAC of the host that holds it.
pub(super) fn locks(call: &mut Call, path: &str) -> Outcome {
    let path = call.path(path);
    let found = call
        .host
        .vfs
        .real(&path, true)
        .and_then(|real| Ok((std::fs::metadata(&real)?, real)));
    let (meta, real) = match found {
        Ok(found) => found,
        Err(error) => {
            call.err(&format!(
                "Could not get the dump information for '{path}' (rv -1): {}\n",
                reason(&error)
            ));
            return Ok(255);
        }
    };
    let Some(esxi) = &call.host.esxi else {
        return Ok(127);
    };
    let (folder, stem) = folder_and_stem(&path);
    let is_vmx =
        path.ends_with(".vmx") && call.host.vfs.exists(&format!("{folder}/{stem}.vmx.lck"));
    let held = call.host.vfs.is_locked(&real) || is_vmx;
    let mut draw = Draw::new(esxi.identity.seed, &format!("lock {}", call.host.name));
    let owner = if held {
        format!(
            "{:08x}-{:08x}-{:04x}-{}",
            0x6540_0000_u64 + draw.below(0x00ff_ffff),
            draw.below(0xffff_ffff),
            draw.below(0xffff),
            esxi.identity.mac.replace(':', "")
        )
    } else {
        "00000000-00000000-0000-000000000000".to_owned()
    };
    call.out(&format!(
        "Lock [type 10c00001 offset {} v 122, hb offset 3756032\n\
         gen 23, mode {}, owner {owner} mtime {}\n\
         num 0 gblnum 0 gblgen 0 gblbrk 0]\n\
         Addr <4, 360, 53>, gen 109, links {}, type reg, flags 0, uid 0, gid 0, mode {:o}\n\
         len {}, nb {} tbz 0, cow 0, newSinceEpoch {}, zla 3, bs 1048576\n",
        164_800_512 + meta.ino() % 4096 * 512,
        u8::from(held),
        meta.mtime() % 1_000_000,
        meta.nlink(),
        meta.mode() & 0o777,
        meta.len(),
        meta.blocks() / 2048,
        meta.blocks() / 2048,
    ))?;
    Ok(0)
}

/// `-t0`: how blocks are mapped; unmapped ones mark a thin disk.
pub(super) fn blocks(call: &mut Call, path: &str) -> Outcome {
    let path = call.path(path);
    let (text, _, bytes) = match open_disk(call, &path) {
        Ok(disk) => disk,
        Err(text) => {
            call.err(&format!("{text}\n"));
            return Ok(255);
        }
    };
    call.out(&format!(
        "Mapping for file {path} ({bytes} bytes in size):\n"
    ))?;
    let thin = text.contains("ddb.thinProvisioned = \"1\"");
    let half = bytes / 2;
    let second = if thin { "NOMP -- :" } else { "VMFS -- LVID:" };
    call.out(&format!(
        "[           0:{half:>12}] --> [VMFS -- LVID:0 --> ({half:>12})]\n"
    ))?;
    call.out(&format!(
        "[{half:>12}:{half:>12}] --> [{second}0 --> ({half:>12})]\n"
    ))?;
    Ok(0)
}

pub(super) fn space(call: &mut Call, path: &str) -> Outcome {
    let real = call.host.vfs.real(&call.path(path), true);
    let volume = real
        .ok()
        .and_then(|real| call.host.volume_of(&real))
        .cloned();
    let Some(volume) = volume else {
        call.err(&format!(
            "Could not open {path}\nError: No such file or directory\n"
        ));
        return Ok(255);
    };
    let (size, free) = call.host.space(&volume);
    let gb = |bytes: u64| {
        let gigabytes = bytes as f64 / f64::from(1 << 30);
        if gigabytes < 1.0 {
            format!("{} MB", bytes >> 20)
        } else {
            format!("{gigabytes:.1} GB")
        }
    };
    let kind = call.host.kind_of(&volume);
    call.out(&format!(
        "{} file system spanning 1 partitions.\nFile system label (if any): {}\nMode: public\n\
         Capacity {}, {} available, file block size 1 MB, max supported file size 64 TB\nUUID: {}\n\
         Partitions spanned (on \"lvm\"):\n\tnaa.600508b1001c{:012x}:1\nIs Native Snapshot Capable: NO\n",
        if kind == "VMFS-6" { "VMFS-6.82" } else { kind },
        volume.label.clone().unwrap_or_default(),
        gb(size),
        gb(free),
        volume.uuid,
        Draw::new(7, &volume.uuid).below(1 << 48),
    ))?;
    Ok(0)
}

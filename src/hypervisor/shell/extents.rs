//! Which stretches of a file on a host are data, so that its holes are not read.

use std::ops::Range;

use super::operand;
use crate::host::{Effect, HostCommand, Output};

/// Prints `start end` of each stretch of data, and `end` at last; nothing where the host has no
/// python3, or its file system cannot tell. Holes of less than 64 KiB are told as data, and longer
/// ones too where there would be too many stretches.
const EXTENTS: &str = r#"command -v python3 >/dev/null 2>&1 || exit 0
exec python3 -c 'import errno, os, sys
def add(stretches, start, end):
    if stretches and start - stretches[-1][1] < gap: stretches[-1][1] = end
    else: stretches.append([start, end])
file, most = os.open(sys.argv[1], os.O_RDONLY), int(sys.argv[2])
size, at, gap, data = os.fstat(file).st_size, 0, 1 << 16, []
while at < size:
    try:
        start = os.lseek(file, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO: sys.exit(1)
        break
    at = os.lseek(file, start, os.SEEK_HOLE)
    add(data, start, at)
    while len(data) > most:
        gap, finer, data = 2 * gap, data, []
        for stretch in finer: add(data, *stretch)
for stretch in data: print(*stretch)
print("end")' "$1" "$2""#;

/// Stretches that a host tells of one file.
const MOST: usize = 1 << 16;

/// Room for them, whatever the size of the file.
const LONGEST: usize = 4 << 20;

/// Asks where a file has data.
#[must_use]
pub fn data_extents(path: &str) -> HostCommand {
    in_few(path, MOST)
}

fn in_few(path: &str, most: usize) -> HostCommand {
    HostCommand::script(Effect::Read, EXTENTS, [operand(path), most.to_string()])
        .max_output(LONGEST)
}

/// The stretches that hold data, in ascending order; everything else is a hole. `None` where the
/// host does not tell, so that all of it must be read.
#[must_use]
pub fn parse_data_extents(output: &Output) -> Option<Vec<Range<u64>>> {
    if output.status != 0 || output.truncated {
        return None;
    }
    let text = output.text();
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.pop() != Some("end") {
        return None;
    }
    let mut extents: Vec<Range<u64>> = Vec::with_capacity(lines.len());
    for line in lines {
        let (start, end) = line.split_once(' ')?;
        let extent: Range<u64> = start.parse().ok()?..end.parse().ok()?;
        let in_order = extents.last().is_none_or(|last| last.end < extent.start);
        if extent.is_empty() || !in_order {
            return None;
        }
        extents.push(extent);
    }
    Some(extents)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::super::tests::{run, shells, text};
    use super::*;

    #[test]
    fn the_data_of_a_file_with_holes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("-a disk\n");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(64 << 20).unwrap();
        for at in [0, 20 << 20, (20 << 20) + 60_000, (64 << 20) - 9] {
            file.write_all_at(b"some data", at).unwrap();
        }
        for shell in shells() {
            let found = run(&shell, &data_extents(text(&path)));
            let Some(extents) = parse_data_extents(&found) else {
                eprintln!("SKIPPED: no python3, or no holes here");
                continue;
            };
            for at in [0, 20 << 20, (20 << 20) + 60_000, (64 << 20) - 9] {
                assert!(
                    extents.iter().any(|extent| extent.contains(&at)),
                    "{extents:?}"
                );
            }
            let told: u64 = extents.iter().map(|extent| extent.end - extent.start).sum();
            assert!(told < 8 << 20 && extents.len() == 3, "{extents:?}");
            let gone = run(&shell, &data_extents(text(&dir.path().join("gone"))));
            assert_eq!(parse_data_extents(&gone), None);
        }
    }

    #[test]
    fn small_holes_are_told_as_data_and_longer_ones_where_there_are_many() {
        const MIB: u64 = 1 << 20;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(64 * MIB).unwrap();
        let stretches = [0, 1, 3, 10, 40].map(|mib| mib * MIB);
        for at in stretches {
            file.write_all_at(&[1; 256 << 10], at).unwrap();
            file.write_all_at(&[1; 16 << 10], at + (288 << 10)).unwrap();
        }
        let tell = |most| {
            let found = run(&shells()[0], &in_few(text(&path), most));
            parse_data_extents(&found)
        };
        let Some(all) = tell(MOST) else {
            eprintln!("SKIPPED: no python3, or no holes here");
            return;
        };
        let stretch = |at: u64| at..at + (304 << 10);
        assert_eq!(all, stretches.map(stretch));
        let end = |at: u64| at + (304 << 10);
        assert_eq!(
            tell(3),
            Some(vec![0..end(3 * MIB), stretch(10 * MIB), stretch(40 * MIB)])
        );
        let one = 0..end(40 * MIB);
        assert_eq!(tell(1).as_deref(), Some(std::slice::from_ref(&one)));
    }

    #[test]
    fn what_is_not_whole_and_in_order_is_not_believed() {
        let parse = |status, text: &str| {
            parse_data_extents(&Output {
                status,
                stdout: text.into(),
                ..Output::default()
            })
        };
        assert_eq!(parse(0, "0 5\n9 12\nend\n"), Some(vec![0..5, 9..12]));
        assert_eq!(parse(0, "end\n"), Some(vec![]));
        for odd in [
            "",
            "0 5\n",
            "5 0\nend\n",
            "9 12\n0 5\nend\n",
            "0 5\n5 9\nend\n",
            "x\nend\n",
        ] {
            assert_eq!(parse(0, odd), None, "{odd:?}");
        }
        assert_eq!(parse(1, "end\n"), None);
    }
}

//! Folders on a host: the two scripts that are sent, and their replies.

use super::{Contents, Kind, Listed, MOST_OUTPUT, Name, text_limit};
use crate::host::Output;
use crate::host::sanitise::sanitise;

/// Kind and name of everything in `$1`, each behind a letter and ended by a slash, which no name can
/// hold; then a dot as the proof of the end. Nothing is forked for a name.
pub(super) const NAMES: &str = r#"if [ ! -e "$1" ] && [ ! -L "$1" ]; then echo absent; exit 0; fi
cd "$1" || exit 3
ls . >/dev/null || exit 4
for n in * .?*; do
  if [ "$n" = .. ]; then continue; fi
  if [ -L "./$n" ]; then printf 'l %s/\n' "$n"
  elif [ -d "./$n" ]; then printf 'd %s/\n' "$n"; elif [ -f "./$n" ]; then printf 'f %s/\n' "$n"; fi
done
echo ."#;

/// For each folder `$5` … below `$1`: facts and names of what is in it, in one `stat`; then the
/// beginnings of its telling files, `$2` bytes of its sums, `$3` of a `.vmx`, `$4` of a descriptor,
/// which may bear the name of a disk's data. A length is that which `stat` showed; the slash behind the
/// bytes proves it. A file that a running VM holds does not open.
pub(super) const CONTENTS: &str = r#"top=$1; sums=$2; most=$3; head=$4; shift 4
for d in "$@"; do
  if ! cd "$top/$d" 2>/dev/null || ! ls . >/dev/null 2>&1; then echo unreadable; continue; fi
  set -- ./* ./.?*
  if [ $# -gt 2000 ]; then echo crowded; continue; fi
  echo listed
  stat -c '%f %s %Y %b %B %n/' "$@" 2>/dev/null
  echo .
  for n in "$@"; do
    case $n in
      ./SHA256SUMS) m=$sums ;;
      ./STATUS.*) m=512 ;;
      *.[vV][mM][xX]|*.[vV][mM][sS][dD]) m=$most ;;
      *.[vV][mM][dD][kK]) m=$head ;;
      *) continue ;;
    esac
    if [ -L "$n" ] || [ ! -f "$n" ] || [ ! -r "$n" ]; then continue; fi
    case $n in
      *-[fF][lL][aA][tT].*|*-[cC][tT][kK].*|*-[dD][eE][lL][tT][aA].*|*-[sS][eE][sS][pP][aA][rR][sS][eE].*|*-[sSfF][0-9][0-9][0-9].*)
        [ "$(stat -c %s "$n")" -le "$head" ] || continue ;;
    esac
    if ! true 2>/dev/null <"$n"; then printf 'locked %s/\n' "$n"; continue; fi
    printf 'text %s/\n' "$n"
    dd if="$n" bs="$m" count=1 2>/dev/null
    echo /
  done
  echo ..
done
echo end"#;

pub(super) fn parse_names(output: &Output) -> Result<Option<Vec<Name>>, String> {
    if output.truncated {
        return Err(format!(
            "the list of names is longer than {MOST_OUTPUT} bytes"
        ));
    }
    if output.status != 0 {
        return Err(first_line(output));
    }
    if output.stdout == b"absent\n" {
        return Ok(None);
    }
    let mut names = Vec::new();
    let mut rest = output.stdout.as_slice();
    while rest != b".\n" {
        let (record, after) = until_slash(rest).ok_or("a list without its end")?;
        rest = after;
        let (kind, name) = record.split_at_checked(2).ok_or("a list of another form")?;
        // What is no text cannot be in a runbook or in SHA256SUMS.
        if let Ok(text) = String::from_utf8(name.to_vec()) {
            let kind = match kind {
                b"d " => Kind::Folder,
                b"l " => Kind::Link,
                _ => Kind::File,
            };
            names.push(Name { text, kind });
        }
    }
    Ok(Some(names))
}

/// What the host complained about.
pub(super) fn first_line(output: &Output) -> String {
    let said = output.error_text();
    let said = said.lines().find(|line| !line.trim().is_empty());
    sanitise(
        said.unwrap_or("it is no folder, or may not be read")
            .as_bytes(),
    )
}

/// What stands before the next slash and newline, and what follows them.
fn until_slash(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'/')?;
    let (record, after) = bytes.split_at(end);
    Some((record, after.strip_prefix(b"/\n")?))
}

/// As many folders as stand whole in a reply of [`CONTENTS`], and whether those are all.
pub(super) fn parse_contents(reply: &[u8], wanted: usize) -> (Vec<Contents>, bool) {
    let mut contents = Vec::new();
    let mut rest = reply;
    while contents.len() < wanted {
        let Some((read, after)) = next_contents(rest) else {
            return (contents, false);
        };
        contents.push(read);
        rest = after;
    }
    (contents, true)
}

fn next_contents(reply: &[u8]) -> Option<(Contents, &[u8])> {
    if let Some(rest) = reply.strip_prefix(b"unreadable\n") {
        let why = "it is gone, no folder, or may not be read";
        return Some((Contents::in_trouble(why), rest));
    }
    if let Some(rest) = reply.strip_prefix(b"crowded\n") {
        return Some((Contents::crowded(), rest));
    }
    let mut rest = reply.strip_prefix(b"listed\n")?;
    let mut contents = Contents::default();
    while !rest.starts_with(b".\n") {
        // `81a4 120 1767322800 8 512 ./` before the name's own slash.
        let (facts, after) = rest.split_at_checked(rest.iter().position(|byte| *byte == b'/')?)?;
        let (name, after) = until_slash(after.get(1..)?)?;
        rest = after;
        let entry = listed(std::str::from_utf8(facts).ok()?, name)?;
        contents.entries.extend(entry);
    }
    // A shell's order depends on the host's locale.
    contents
        .entries
        .sort_by(|left, right| left.name.cmp(&right.name));
    rest = rest.strip_prefix(b".\n")?;
    loop {
        if let Some(after) = rest.strip_prefix(b"..\n") {
            return Some((contents, after));
        }
        if let Some(after) = rest.strip_prefix(b"locked ./") {
            let (name, after) = until_slash(after)?;
            contents.locked.extend(String::from_utf8(name.to_vec()));
            rest = after;
            continue;
        }
        let (name, after) = until_slash(rest.strip_prefix(b"text ./")?)?;
        let entry = String::from_utf8(name.to_vec()).ok();
        let entry = entry.and_then(|name| contents.entry(&name).cloned())?;
        let length = usize::try_from(entry.bytes)
            .unwrap_or(usize::MAX)
            .min(text_limit(&entry).unwrap_or(0));
        let (text, after) = after.split_at_checked(length)?;
        rest = after.strip_prefix(b"/\n")?;
        contents.keep(&entry, text.to_vec());
    }
}

/// An entry from what `stat` printed of it; `Some(None)` for what is no entry of a point.
fn listed(facts: &str, name: &[u8]) -> Option<Option<Listed>> {
    let words: Vec<&str> = facts.split(' ').collect();
    let [mode, bytes, modified, blocks, block, "."] = words.as_slice() else {
        return None;
    };
    let mode = u32::from_str_radix(mode, 16).ok()?;
    let blocks: u64 = blocks.parse().ok()?;
    let entry = Listed {
        name: match std::str::from_utf8(name) {
            Ok(".." | ".") | Err(_) => return Some(None),
            Ok(name) => name.to_owned(),
        },
        bytes: bytes.parse().ok()?,
        allocated: blocks.saturating_mul(block.parse().ok()?),
        modified: modified.parse().ok()?,
        // S_IFMT, with S_IFREG and S_IFDIR.
        is_file: mode & 0o170_000 == 0o100_000,
        is_folder: mode & 0o170_000 == 0o040_000,
    };
    Some(Some(entry))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REPLY: &[u8] = b"listed\n81a4 3 1767322800 8 512 ./SHA256SUMS/\n\
        81a4 5 1767322800 8 512 ./a b\nc/\na1ff 7 1767322800 0 512 ./link/\n\
        41ed 4096 1767322800 8 512 ./../\n.\ntext ./SHA256SUMS/\nx/\n/\nlocked ./a b\nc/\n..\nunreadable\ncrowded\nend\n";

    #[test]
    fn a_reply_is_taken_apart_whatever_the_names_are() {
        let (read, whole) = parse_contents(REPLY, 3);
        assert!(whole);
        let names: Vec<(&str, bool)> = read[0]
            .entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.is_file))
            .collect();
        let expected = [("SHA256SUMS", true), ("a b\nc", true), ("link", false)];
        assert_eq!(names, expected);
        assert_eq!(read[0].text("SHA256SUMS"), Ok(b"x/\n".as_slice()));
        assert!(read[0].text("a b\nc").unwrap_err().contains("locked"));
        assert!(read[0].text("link").unwrap_err().contains("may not"));
        assert_eq!(read[0].entries[1].allocated, 4096);
        assert!(read[1].trouble.as_deref().unwrap().contains("gone"));
        assert!(read[2].trouble.as_deref().unwrap().contains("2000"));
        // More was asked for than came: what came whole is kept.
        let (read, whole) = parse_contents(REPLY, 4);
        assert_eq!((read.len(), whole), (3, false));
        for cut in 0..REPLY.len() {
            let (read, _) = parse_contents(&REPLY[..cut], 3);
            assert!(read.len() <= 3);
        }
        // One byte more than was listed: the file grew meanwhile.
        let grown = String::from_utf8(REPLY.to_vec())
            .unwrap()
            .replace("x/\n/\n", "xy/\n/\n");
        assert_eq!(parse_contents(grown.as_bytes(), 3).0.len(), 0);
    }

    #[test]
    fn names_are_believed_to_their_end_alone() {
        let output = |stdout: &str, status| Output {
            stdout: stdout.into(),
            status,
            ..Output::default()
        };
        let names = |stdout: &str| parse_names(&output(stdout, 0));
        assert_eq!(names("absent\n"), Ok(None));
        assert_eq!(names(".\n"), Ok(Some(vec![])));
        let found = names("d 20260102T030405Z/\nf two\nlines/\n.\n")
            .unwrap()
            .unwrap();
        assert_eq!(
            (found[0].kind, found[1].text.as_str()),
            (Kind::Folder, "two\nlines")
        );
        assert!(names("d a/\n").is_err());
        assert!(names("").is_err());
        assert!(parse_names(&output("", 3)).is_err());
    }

    proptest! {
        #[test]
        fn no_reply_is_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0..REPLY.len()) {
            let mut reply = REPLY.to_vec();
            reply.splice(at..at, bytes.iter().copied());
            let _ = parse_contents(&reply, 4);
            let _ = parse_contents(&bytes, 4);
            let _ = parse_names(&Output { stdout: reply, ..Output::default() });
        }
    }
}

//! Text for cells: cleaning, cutting, wrapping, and short words for times and sizes.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Characters that are taken from one paste.
pub(super) const LONGEST_INPUT: usize = 1000;

/// Whether a character could steer a terminal or deceive a reader: controls, bidirectional marks,
/// invisible signs.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// One line without anything unsafe: tabs and line ends become blanks, the rest is dropped.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let kept = text.chars().filter_map(|c| match c {
        '\n' | '\t' => Some(' '),
        c if is_unsafe(c) => None,
        c => Some(c),
    });
    Cow::Owned(kept.collect())
}

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most `width` columns; what was cut shows as `…`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = split(text, width.saturating_sub(1)).0.to_owned();
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// Cut or filled up to exactly `width` columns.
pub(super) fn fit(text: &str, width: usize) -> String {
    let mut fitted = cut(text, width);
    fitted.extend(std::iter::repeat_n(
        ' ',
        width.saturating_sub(fitted.width()),
    ));
    fitted
}

/// As much of the text as `width` columns hold, and the rest.
fn split(text: &str, width: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width {
            return text.split_at(at);
        }
    }
    (text, "")
}

/// Lines of at most `width` columns, broken between words where that is possible.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let line = clean(line);
        let mut rest = line.trim_end();
        loop {
            let (head, tail) = break_line(rest, width, false);
            lines.push(head.trim_end().to_owned());
            rest = tail.trim_start();
            if rest.is_empty() {
                break;
            }
        }
    }
    lines
}

/// The same; of a line that begins with a label, and blanks behind it, the words go on under each other.
pub(super) fn wrap_labelled(text: &str, width: usize) -> Vec<String> {
    let lines = text.split('\n').map(clean);
    let wrapped = |line: Cow<'_, str>| {
        let (label, words) = line.split_at(label_of(&line));
        let indent = label.width();
        if indent * 2 > width {
            return wrap(&line, width);
        }
        let mut wrapped = wrap(words, width - indent);
        for (at, words) in wrapped.iter_mut().enumerate() {
            let before = if at == 0 { label } else { &" ".repeat(indent) };
            words.insert_str(0, before);
        }
        wrapped
    };
    lines.flat_map(wrapped).collect()
}

/// The bytes of a label with two blanks or more behind it, or of blanks alone; none where there is none.
fn label_of(line: &str) -> usize {
    let blanks = line.find("  ");
    let words = blanks.and_then(|at| line[at..].find(|c| c != ' ').map(|more| at + more));
    words.unwrap_or_default()
}

/// A command in lines of at most `width` columns. A line that goes on ends in a backslash, as in a
/// shell; every other character is the command's own.
pub(super) fn wrap_command(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let line = clean(line);
        let mut rest = line.as_ref();
        while rest.width() > width {
            let (head, tail) = break_line(rest, width - 1, true);
            lines.push(format!("{head}\\"));
            rest = tail;
        }
        lines.push(rest.to_owned());
    }
    lines
}

/// Breaks after the last blank within `width` columns, else after a slash, else within a word; `early`
/// takes the slash, too, where the blank would leave most of the line empty. Always takes at least one
/// character of a text that is not empty.
fn break_line(text: &str, width: usize, early: bool) -> (&str, &str) {
    let (head, tail) = split(text, width);
    if tail.is_empty() {
        return (head, tail);
    }
    if head.is_empty() {
        let first = text.chars().next().map_or(0, char::len_utf8);
        return text.split_at(first);
    }
    if tail.starts_with(' ') {
        return (head, tail);
    }
    let blank = head.rfind(' ').filter(|at| !head[..*at].trim().is_empty());
    let slash = head.rfind('/').filter(|at| at * 2 > head.len());
    let late = |at: &usize| !early || at * 2 > head.len();
    let at = blank.filter(late).or(slash).or(blank);
    at.map_or((head, tail), |at| text.split_at(at + 1))
}

/// `00:42:10`, with days in front where there are any.
pub(super) fn clock(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let s = seconds.unsigned_abs();
    let (days, h, m, s) = (s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60);
    if days > 0 {
        format!("{sign}{days}d {h:02}:{m:02}:{s:02}")
    } else {
        format!("{sign}{h:02}:{m:02}:{s:02}")
    }
}

/// `0:12`, `4:10`, `1:02:33`: how long a step took.
pub(super) fn took(seconds: i64) -> String {
    let s = seconds.max(0);
    if s >= 3600 {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}", s / 60, s % 60)
    }
}

/// The largest unit or two: `41d`, `3h 12m`, `4m`, `12s`.
pub(super) fn short(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        60..600 => format!("{}m {}s", seconds / 60, seconds % 60),
        600..3600 => format!("{}m", seconds / 60),
        3600..86_400 if (seconds / 60).is_multiple_of(60) => format!("{}h", seconds / 3600),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `12 ms`, `1.4 s`.
pub(super) fn round_trip(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        ms => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
    }
}

/// `512 B`, `18.2 GiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut tenths, mut unit) = (u128::from(count) * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    if tenths >= 1000 {
        format!("{} {}", tenths / 10, UNITS[unit])
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    }
}

/// `61/96 GiB`: a part and its whole in the whole's unit.
pub(super) fn share(part: u64, whole: u64) -> String {
    let mut unit = 0;
    while unit < 6 && whole >> (10 * unit) >= 1024 {
        unit += 1;
    }
    let names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let tenths = |count: u64| {
        let tenths = (u128::from(count) * 10) >> (10 * unit);
        if tenths >= 100 || tenths.is_multiple_of(10) {
            (tenths / 10).to_string()
        } else {
            format!("{}.{}", tenths / 10, tenths % 10)
        }
    };
    format!("{}/{} {}", tenths(part), tenths(whole), names[unit])
}

/// Whole seconds from one time to a later one; negative if it is not later.
pub(super) fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs()
}

/// `just now`, `12s ago`.
pub(super) fn ago(then: Timestamp, now: Timestamp) -> String {
    match seconds(then, now) {
        ..=0 => "just now".to_owned(),
        s => format!("{} ago", short(s.unsigned_abs())),
    }
}

/// `2026-01-02 03:04Z`: places differ in their zones, an incident has one.
pub(super) fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// `03:04:05`, in UTC like the journal.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_beside_a_label_go_on_under_each_other() {
        let wrapped = |text: &str| wrap_labelled(text, 24);
        assert_eq!(
            wrapped("risk       sql01 was attested"),
            ["risk       sql01 was", "           attested"]
        );
        assert_eq!(wrapped("           by hand"), ["           by hand"]);
        assert_eq!(
            wrapped("Asked once, then frozen for it."),
            ["Asked once, then frozen", "for it."]
        );
    }

    #[test]
    fn numbers_read_like_a_person_says_them() {
        assert_eq!(clock(2530), "00:42:10");
        assert_eq!(clock(90_061), "1d 01:01:01");
        assert_eq!(took(250), "4:10");
        assert_eq!(took(3753), "1:02:33");
        assert_eq!(
            [12, 120, 250, 3000, 14_400, 11_520, 3_542_400].map(short),
            ["12s", "2m", "4m 10s", "50m", "4h", "3h 12m", "41d"]
        );
        assert_eq!(
            [512, 19_541_655_552, 1 << 40, u64::MAX].map(bytes),
            ["512 B", "18.1 GiB", "1.0 TiB", "15.9 EiB"]
        );
        assert_eq!(
            [share(61 << 30, 96 << 30), share(412 << 30, 1 << 40)],
            ["61/96 GiB", "0.4/1 TiB"]
        );
        assert_eq!(round_trip(Duration::from_millis(1450)), "1.4 s");
    }

    #[test]
    fn a_command_is_shown_whole_and_can_be_read_back() {
        let command = "vim-cmd solo/registervm '/vmfs/volumes/local 1/sql01/sql01.vmx' sql01";
        let lines = wrap_command(command, 20);
        assert!(lines.iter().all(|line| width(line) <= 20), "{lines:?}");
        let joined: String = lines
            .iter()
            .map(|line| line.trim_end_matches('\\'))
            .collect();
        assert_eq!(joined, command);
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(cut("abcdef", 4), "abc…");
    }

    proptest! {
        #[test]
        fn wrapping_keeps_the_width_and_every_character(
            text in "[ a-z/é漢\\\\]{0,80}", columns in 4_usize..30
        ) {
            let lines = wrap_command(&text, columns);
            for line in &lines {
                prop_assert!(width(line) <= columns, "{line:?} in {columns}");
            }
            let mut joined = String::new();
            for (at, line) in lines.iter().enumerate() {
                let line = if at + 1 < lines.len() { &line[..line.len() - 1] } else { line };
                joined.push_str(line);
            }
            prop_assert_eq!(joined, text.clone());
            let words = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(words(&wrap(&text, columns).join(" ")), words(&text));
        }

        #[test]
        fn nothing_unsafe_is_left(text in any::<String>(), columns in 0_usize..20) {
            prop_assert!(!clean(&text).chars().any(is_unsafe));
            prop_assert!(width(&cut(&clean(&text), columns)) <= columns);
        }
    }
}

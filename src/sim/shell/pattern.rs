//! Shell patterns: `*`, `?`, `[a-z]`, `[!x]`, with quoted characters taken literally.

/// A character and whether it was quoted.
pub(crate) type Marked = (char, bool);

/// Whether these characters hold an active pattern character.
pub(crate) fn is_pattern(word: &[Marked]) -> bool {
    word.iter()
        .any(|(c, quoted)| !quoted && matches!(c, '*' | '?' | '['))
}

/// All characters active.
pub(crate) fn active(text: &str) -> Vec<Marked> {
    text.chars().map(|c| (c, false)).collect()
}

/// Whether the whole text fits the pattern.
pub(crate) fn fits(pattern: &[Marked], text: &[char]) -> bool {
    // Greedy with one point of return, so that many stars cannot explode.
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some(('*', false)) => {
                back = Some((p, t));
                p += 1;
                continue;
            }
            Some(_) => one(pattern.get(p..).unwrap_or_default(), text.get(t).copied()),
            None => None,
        };
        match (step, back) {
            (Some(length), _) => {
                p += length;
                t += 1;
            }
            (None, Some((star, from))) => {
                back = Some((star, from + 1));
                (p, t) = (star + 1, from + 1);
            }
            (None, None) => return false,
        }
    }
    pattern
        .get(p..)
        .unwrap_or_default()
        .iter()
        .all(|mark| *mark == ('*', false))
}

/// How many pattern characters the first item takes if it fits this character.
fn one(pattern: &[Marked], c: Option<char>) -> Option<usize> {
    let c = c?;
    match pattern.first()? {
        ('?', false) => Some(1),
        ('[', false) => class(pattern, c),
        (literal, _) => (*literal == c).then_some(1),
    }
}

fn class(pattern: &[Marked], c: char) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(('!' | '^', false)));
    let start = if negated { 2 } else { 1 };
    let Some(end) = (start + 1..pattern.len()).find(|i| pattern.get(*i) == Some(&(']', false)))
    else {
        return (c == '[').then_some(1);
    };
    let set: Vec<char> = pattern.get(start..end)?.iter().map(|(c, _)| *c).collect();
    let mut found = false;
    let mut i = 0;
    while let Some(low) = set.get(i).copied() {
        if set.get(i + 1) == Some(&'-')
            && let Some(high) = set.get(i + 2)
        {
            found |= (low..=*high).contains(&c);
            i += 3;
        } else {
            found |= low == c;
            i += 1;
        }
    }
    (found != negated).then_some(end + 1)
}

/// Removes the shortest or longest prefix (or suffix) that fits.
pub(crate) fn trim(value: &str, pattern: &[Marked], suffix: bool, longest: bool) -> String {
    let text: Vec<char> = value.chars().collect();
    let cuts: Vec<usize> = (0..=text.len()).collect();
    let shortest_first = if suffix {
        cuts.iter().rev().copied().collect()
    } else {
        cuts
    };
    let order: Vec<usize> = if longest {
        shortest_first.into_iter().rev().collect()
    } else {
        shortest_first
    };
    for cut in order {
        let (head, tail) = text.split_at(cut);
        let (part, kept) = if suffix { (tail, head) } else { (head, tail) };
        if fits(pattern, part) {
            return kept.iter().collect();
        }
    }
    value.to_owned()
}

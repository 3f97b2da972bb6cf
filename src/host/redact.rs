//! Masking of secrets in anything that is shown or kept.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::sanitise::{sanitise, visible};

/// Masks the secrets of a run in any text. Clones share the list, so a password typed in the
/// middle of a run is masked everywhere from then on.
///
/// Values shorter than three bytes are not masked by value: they would blank half of every line.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Vec<Zeroizing<String>>>>);

const MASK: &str = "***";
/// Shorter values and forms are not masked.
const SHORTEST: usize = 3;
/// Shortest piece of base64 that is masked: shorter ones stand in any text by chance.
const SHORTEST_BASE64: usize = 8;
/// What a text ends in where the rest of it was cut off.
const CUT: char = '…';
/// Shortest beginning of a secret that is masked in front of a cut.
const SHORTEST_HEAD: usize = 4;

impl Redactor {
    /// One that knows no secrets yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Masks `secret` from now on: as it is, each line of it, and as a shell, JSON, a URL, base64
    /// and a terminal (without its control characters) write it.
    pub fn add(&self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for form in forms(secret) {
            if form.len() >= SHORTEST && !values.contains(&form) {
                values.push(form);
            }
        }
    }

    /// `text` with every secret replaced by `***`.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let values = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for value in values.iter() {
            let mut from = 0;
            while let Some(at) = text.get(from..).and_then(|rest| rest.find(value.as_str())) {
                let start = from + at;
                spans.push((start, start + value.len()));
                // The next search starts one character on, so that overlapping finds are all masked.
                from = start + text[start..].chars().next().map_or(1, char::len_utf8);
            }
        }
        for (end, _) in text.match_indices(CUT) {
            let heads = values
                .iter()
                .filter_map(|value| head_before(&text[..end], value));
            spans.extend(heads.max().map(|length| (end - length, end)));
        }
        if spans.is_empty() {
            return text.to_owned();
        }
        spans.sort_unstable();
        let mut masked = String::with_capacity(text.len());
        let mut done = 0;
        for (start, end) in spans {
            if start >= done {
                masked.push_str(&text[done..start]);
                masked.push_str(MASK);
            }
            done = done.max(end);
        }
        masked.push_str(&text[done..]);
        masked
    }
}

/// The ways in which a secret comes to stand in a text.
fn forms(secret: &str) -> Vec<Zeroizing<String>> {
    let quoted = Zeroizing::new(shell_words::quote(secret).into_owned());
    // As a part of a longer word: `name=it's` is quoted as a whole.
    let within = Zeroizing::new(secret.replace('\'', "'\\''"));
    let json = Zeroizing::new(serde_json::Value::from(secret).to_string());
    let json = json.get(1..json.len() - 1).unwrap_or_default().to_owned();
    let mut forms = vec![
        Zeroizing::new(secret.to_owned()),
        quoted,
        within,
        Zeroizing::new(json),
        Zeroizing::new(sanitise(secret.as_bytes())),
        Zeroizing::new(visible(secret)),
    ];
    forms.extend([false, true].map(|plus| percent(secret, plus)));
    forms.extend(base64s(secret.as_bytes()));
    let lines = secret.lines().filter(|line| line.len() < secret.len());
    forms.extend(
        lines.flat_map(|line| [line.to_owned(), sanitise(line.as_bytes())].map(Zeroizing::new)),
    );
    forms
}

/// Percent-encoded, as in a URL; `plus`: as in a form, where a blank is a plus sign.
fn percent(secret: &str, plus: bool) -> Zeroizing<String> {
    use std::fmt::Write as _;
    let mut out = Zeroizing::new(String::with_capacity(secret.len() * 3));
    for byte in secret.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' if plus => out.push('+'),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

/// The characters of base64, in both alphabets, that depend on the secret alone, wherever it begins
/// in what is encoded (`user:password` of HTTP, for one).
fn base64s(secret: &[u8]) -> impl Iterator<Item = Zeroizing<String>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    (0..3_usize)
        .flat_map(|before| [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].map(|base64| (before, base64)))
        .map(move |(before, base64)| {
            let mut bytes = Zeroizing::new(vec![0; before]);
            bytes.extend_from_slice(secret);
            let whole = Zeroizing::new(base64.encode(&*bytes));
            let (from, to) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            Zeroizing::new(whole.get(from..to).unwrap_or_default().to_owned())
        })
        .filter(|form| form.len() >= SHORTEST_BASE64)
}

/// Length of the longest beginning of `value` with which `text` ends.
fn head_before(text: &str, value: &str) -> Option<usize> {
    (SHORTEST_HEAD..value.len())
        .rev()
        .filter_map(|length| value.get(..length))
        .find(|head| text.ends_with(head))
        .map(str::len)
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn overlapping_secrets_leave_no_rest() {
        let redactor = Redactor::new();
        redactor.add("abcd");
        redactor.add("cdef");
        assert_eq!(redactor.mask("xabcdefy abcd"), "x***y ***");
    }

    #[test]
    fn quoted_and_escaped_forms_are_masked() {
        let redactor = Redactor::new();
        redactor.add("it's \"5\"");
        let shell = shell_words::join(["echo", "it's \"5\""]);
        assert_eq!(redactor.mask(&shell), "echo ***");
        assert_eq!(
            redactor.mask(&serde_json::to_string("it's \"5\"").unwrap()),
            "\"***\""
        );
    }

    #[test]
    fn very_short_values_are_left_alone() {
        let redactor = Redactor::new();
        redactor.add("ab");
        redactor.add("");
        assert_eq!(redactor.mask("ab cab"), "ab cab");
    }

    #[test]
    fn a_quoted_assignment_and_what_is_sent_to_the_web_are_masked() {
        let secret = "it's 50% / ok?>>";
        let redactor = Redactor::new();
        redactor.add(secret);
        let assigned = shell_words::quote(&format!("password={secret}")).into_owned();
        assert_eq!(redactor.mask(&assigned), "'password=***'");
        let url = "https://h/?p=it%27s%2050%25%20%2F%20ok%3F%3E%3E&q";
        assert_eq!(redactor.mask(url), "https://h/?p=***&q");
        let form = "p=it%27s+50%25+%2F+ok%3F%3E%3E";
        assert_eq!(redactor.mask(form), "p=***");
        use base64::Engine as _;
        for user in ["", "a", "ab", "root"] {
            let basic =
                base64::engine::general_purpose::STANDARD.encode(format!("{user}:{secret}"));
            let masked = redactor.mask(&basic);
            assert!(masked.contains("***") && masked.len() < 16, "{masked}");
        }
    }

    #[test]
    fn each_line_of_a_long_secret_is_masked() {
        let redactor = Redactor::new();
        redactor.add("first part\nsecond\u{1b}[0m part");
        assert_eq!(redactor.mask("x first part y"), "x *** y");
        assert_eq!(redactor.mask("a second part"), "a ***");
        assert_eq!(
            redactor.mask(&sanitise(b"first part\nsecond\x1b[0m part")),
            "***"
        );
    }

    #[test]
    fn the_beginning_of_a_secret_in_front_of_a_cut_is_masked() {
        let redactor = Redactor::new();
        redactor.add("hunter22-geheim");
        assert_eq!(redactor.mask("it said: hunter22-g…"), "it said: ***…");
        assert_eq!(redactor.mask("it said: hun…"), "it said: hun…");
        assert_eq!(redactor.mask("hunter is no secret"), "hunter is no secret");
    }

    proptest! {
        #[test]
        fn no_secret_survives(
            secrets in proptest::collection::vec("[a-dé'\\\\]{3,6}", 1..5),
            glue in proptest::collection::vec("[a-dé ]{0,4}", 6),
        ) {
            let redactor = Redactor::new();
            let mut text = String::new();
            for (index, part) in glue.iter().enumerate() {
                text.push_str(part);
                text.push_str(&secrets[index % secrets.len()]);
            }
            secrets.iter().for_each(|secret| redactor.add(secret));
            let masked = redactor.mask(&text);
            for secret in &secrets {
                prop_assert!(!masked.contains(secret.as_str()), "{masked:?} shows {secret:?}");
            }
        }

        #[test]
        fn text_without_secrets_is_untouched(text in "[e-z \n]{0,60}") {
            let redactor = Redactor::new();
            redactor.add("abc");
            prop_assert_eq!(redactor.mask(&text), text);
        }
    }
}

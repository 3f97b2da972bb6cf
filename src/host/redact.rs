//! Masking of secrets in anything that is shown or kept.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

/// Masks the secrets of a run in any text. Clones share the list, so a password typed in the
/// middle of a run is masked everywhere from then on.
///
/// Values shorter than three bytes are not masked by value: they would blank half of every line.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Vec<Zeroizing<String>>>>);

const MASK: &str = "***";

impl Redactor {
    /// One that knows no secrets yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Masks `secret` from now on: as it is, as a shell quotes it, and as JSON escapes it.
    pub fn add(&self, secret: &str) {
        if secret.len() < 3 {
            return;
        }
        let quoted = shell_words::quote(secret).into_owned();
        let json = serde_json::Value::from(secret).to_string();
        let json = json.get(1..json.len() - 1).unwrap_or_default().to_owned();
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for form in [secret.to_owned(), quoted, json] {
            if form.len() >= 3 && !values.iter().any(|value| **value == form) {
                values.push(Zeroizing::new(form));
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

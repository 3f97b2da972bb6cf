use super::*;

fn check<A: Copy + std::fmt::Debug + PartialEq>(table: &[Binding<A>]) {
    let mut seen: Vec<Press> = Vec::new();
    for binding in table {
        assert!(!binding.keys.is_empty(), "{:?} has no key", binding.action);
        assert!(
            !binding.label.is_empty() && binding.label.len() <= 12,
            "{:?}",
            binding.action
        );
        assert!(
            binding.help.ends_with('.'),
            "{:?} has no sentence",
            binding.action
        );
        for press in binding.keys {
            assert!(!seen.contains(press), "{} is bound twice", press.name());
            seen.push(*press);
            let mut key = KeyEvent::new(press.code, KeyModifiers::NONE);
            if press.ctrl {
                key.modifiers = KeyModifiers::CONTROL;
            }
            assert_eq!(lookup(table, &key), Some(binding.action));
        }
        let rows = table
            .iter()
            .filter(|other| other.action == binding.action)
            .count();
        assert_eq!(rows, 1, "{:?} stands twice", binding.action);
    }
}

#[test]
fn every_action_has_a_key_a_label_and_a_sentence() {
    check(RUN);
    check(HOME);
    check(FORM);
    check(PAGER);
}

#[test]
fn shift_does_not_hide_a_sign_and_alt_does() {
    let key = KeyEvent::new(KeyCode::Char('!'), KeyModifiers::SHIFT);
    assert_eq!(lookup(RUN, &key), Some(Action::Note));
    let key = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::ALT);
    assert_eq!(lookup(RUN, &key), None);
    let key = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
    assert_eq!(lookup(RUN, &key), None);
}

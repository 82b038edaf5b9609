//! What an examination found: one check, its outcome, why it matters, and what fixes it.

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// It works, but not for long or not for everyone; or it could not be checked.
    Warning,
    /// It is broken.
    Problem,
}

/// One outcome of one check. Its texts hold no control characters: some come from other hosts, and all go to a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was checked, in a word that programs may rely on.
    pub(crate) check: &'static str,
    /// How it came out.
    pub(crate) state: State,
    /// What was found.
    pub(crate) what: String,
    /// Why it matters; `None` if all is well.
    pub(crate) why: Option<String>,
    /// The one command or edit that fixes it; `None` if all is well.
    pub(crate) fix: Option<String>,
}

impl Finding {
    /// All is well.
    pub(crate) fn ok(check: &'static str, what: impl AsRef<str>) -> Self {
        Self { check, state: State::Ok, what: plain(what.as_ref()), why: None, fix: None }
    }

    /// It works for now, or for some clients.
    pub(crate) fn warning(
        check: &'static str,
        what: impl AsRef<str>,
        why: impl AsRef<str>,
        fix: impl AsRef<str>,
    ) -> Self {
        Self::wrong(State::Warning, check, what.as_ref(), why.as_ref(), fix.as_ref())
    }

    /// It is broken.
    pub(crate) fn problem(
        check: &'static str,
        what: impl AsRef<str>,
        why: impl AsRef<str>,
        fix: impl AsRef<str>,
    ) -> Self {
        Self::wrong(State::Problem, check, what.as_ref(), why.as_ref(), fix.as_ref())
    }

    /// It could not be checked.
    pub(crate) fn unknown(check: &'static str, reason: impl AsRef<str>) -> Self {
        let what = format!("not checked: {}", reason.as_ref());
        Self::warning(check, what, "its state is unknown", "fix that first, then run doctor again")
    }

    fn wrong(state: State, check: &'static str, what: &str, why: &str, fix: &str) -> Self {
        Self { check, state, what: plain(what), why: Some(plain(why)), fix: Some(plain(fix)) }
    }
}

/// On one line, without control characters.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let finding = Finding::problem("tls", "a\u{1b}[2Jb\nc", "d\u{9b}e", "f\rg");
        assert_eq!((finding.what.as_str(), finding.why.as_deref()), ("a [2Jb c", Some("d e")));
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!((&json["state"], &json["fix"]), (&"problem".into(), &"f g".into()));
        assert!(serde_json::to_value(Finding::ok("tls", "fine")).unwrap()["why"].is_null());
    }
}
